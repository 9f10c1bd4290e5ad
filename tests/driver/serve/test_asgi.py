"""The voices under any ASGI server, here the test itself; and under Ray Serve where it is installed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driver.config import Settings
from driver.errors import RunError, UsageError
from driver.knobs import VoiceSettings
from driver.serve import ray_app
from driver.serve.asgi import AsgiVoices
from driver.serve.voices import Voices
from protocol.frame import FaceFrame
from protocol.msgpack_codec import decode

LOUD = np.full(16_000, 8_000, "<i2").tobytes()


class Connection:
    """One ASGI connection: what the server's side says goes in, what the application says comes out."""

    def __init__(self, app: AsgiVoices, scope: dict[str, Any]) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.task = asyncio.create_task(app(scope, self.inbox.get, self.outbox.put))

    async def said(self, kind: str) -> dict[str, Any]:
        """The next message of this kind."""
        async with asyncio.timeout(30):
            while (message := await self.outbox.get())["type"] != kind:
                pass
            return message


async def speak(app: AsgiVoices, query: str, *messages: dict[str, Any], origin: str = "") -> Connection:
    headers = [(b"host", b"127.0.0.1:8000"), *([(b"origin", origin.encode())] if origin else [])]
    scope = {"type": "websocket", "query_string": query.encode(), "path": "/", "headers": headers}
    connection = Connection(app, scope)
    for message in ({"type": "websocket.connect"}, *messages):
        await connection.inbox.put(message)
    return connection


def test_a_voice_gets_its_face_back_and_what_is_wrong_is_the_reason(tiny_voice: Path) -> None:
    async def scenario() -> None:
        app = AsgiVoices(Settings(voice=VoiceSettings(model=str(tiny_voice))), most_voices=1, deadline_ms=10_000)
        life = Connection(app, {"type": "lifespan"})
        await life.inbox.put({"type": "lifespan.startup"})
        await life.said("lifespan.startup.complete")

        one = await speak(app, "subject=one", {"type": "websocket.receive", "bytes": LOUD})
        frames: list[FaceFrame] = []
        while not any(frame.speech > 0.1 for frame in frames):
            frame = decode((await one.said("websocket.send"))["bytes"])
            assert isinstance(frame, FaceFrame)
            frames.append(frame)
        assert {frame.subject for frame in frames} == {"one"}

        two = await speak(app, "subject=two")
        closed = await two.said("websocket.close")
        assert closed["code"] == 1013
        assert "was told to take no more" in closed["reason"]
        await one.inbox.put({"type": "websocket.disconnect"})
        await one.task
        wrong = await speak(app, "subject=three&rate=1")
        assert (await wrong.said("websocket.close"))["code"] == 1008
        text = await speak(app, "subject=four", {"type": "websocket.receive", "text": "hello"})
        assert "binary messages" in (await text.said("websocket.close"))["reason"]

        page = Connection(app, {"type": "http", "path": "/metrics"})
        assert (await page.said("http.response.start"))["status"] == 200
        assert b"avatar_serve_refused_total 1\n" in (await page.said("http.response.body"))["body"]
        await life.inbox.put({"type": "lifespan.shutdown"})
        await life.said("lifespan.shutdown.complete")

    asyncio.run(scenario())


def test_a_page_from_elsewhere_may_not_speak_unless_it_is_named() -> None:
    async def reason(origin: str) -> str:
        settings = Settings(voice=VoiceSettings(model="envelope"))
        app = AsgiVoices(settings, deadline_ms=10_000, origins=("https://studio.example",))
        life = Connection(app, {"type": "lifespan"})
        await life.inbox.put({"type": "lifespan.startup"})
        await life.said("lifespan.startup.complete")
        page = await speak(app, "subject=one", {"type": "websocket.receive", "text": "heard"}, origin=origin)
        return (await page.said("websocket.close"))["reason"]

    for origin in ("", "http://localhost:3000", "https://studio.example"):
        assert "binary messages" in asyncio.run(reason(origin))
    assert asyncio.run(reason("https://elsewhere.example")) == (
        "pages of https://elsewhere.example may not speak here; origin=https://elsewhere.example lets them"
    )


def test_who_speaks_is_told_when_the_voices_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(voices: Voices, now_ns: int) -> None:
        if voices.counters.voices.value:
            raise RunError("no more")

    async def scenario() -> dict[str, Any]:
        app = AsgiVoices(Settings(voice=VoiceSettings(model="envelope")), deadline_ms=10_000)
        life = Connection(app, {"type": "lifespan"})
        await life.inbox.put({"type": "lifespan.startup"})
        await life.said("lifespan.startup.complete")
        monkeypatch.setattr(Voices, "hop", fail)
        speaker = await speak(app, "subject=one", {"type": "websocket.receive", "bytes": LOUD})
        return await speaker.said("websocket.close")

    closed = asyncio.run(scenario())
    assert (closed["code"], closed["reason"]) == (1011, "the voices stopped: no more")


def test_a_missing_model_is_told_at_the_start(tmp_path: Path) -> None:
    async def scenario() -> str:
        life = Connection(
            AsgiVoices(Settings(voice=VoiceSettings(model=str(tmp_path / "no.onnx")))), {"type": "lifespan"}
        )
        await life.inbox.put({"type": "lifespan.startup"})
        return (await life.said("lifespan.startup.failed"))["message"]

    assert "does not exist" in asyncio.run(scenario())


def test_options_of_the_ray_application() -> None:
    with pytest.raises(UsageError, match="unknown option 'voices'; there are: replicas"):
        ray_app.app({"voices": "3"})
    with pytest.raises(UsageError, match="replicas is '0'"):
        ray_app.app({"replicas": "0"})


def test_without_ray_the_remedy_is_named() -> None:
    try:
        import ray  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        with pytest.raises(RunError, match=r"avatar-driver\[serve\]"):
            ray_app.app({})
    else:
        pytest.skip("Ray is installed here")


def test_it_is_a_ray_application() -> None:
    serve = pytest.importorskip("ray.serve", reason="needs pip install 'avatar-driver[serve]'")
    assert isinstance(ray_app.app({"replicas": "2"}), serve.Application)
