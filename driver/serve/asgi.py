"""The same voices as an ASGI application: for Ray Serve (`driver.serve.ray_app`), uvicorn, or any other ASGI server.

A client connects with WebSocket, says who it is in the URL as with `avatar-driver serve`, and gets its frames back on
the same connection. GET /metrics gives the numbers. See https://asgi.readthedocs.io/en/latest/specs/
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from driver.config import Settings
from driver.errors import AvatarDriverError, RunError, UsageError
from driver.runtime import OnnxModel
from driver.serve.admission import DEADLINE_MS, Admission, Refused
from driver.serve.counters import Counters
from driver.serve.greeting import parse_query
from driver.serve.handler import Limits, attend
from driver.serve.outgoing import Outgoing
from driver.serve.voices import Voices
from driver.sinks.origins import may_listen
from driver.stage import Worker
from driver.weights import find_audio_model

Message = dict[str, Any]
ReceiveMessage = Callable[[], Awaitable[Message]]
SendMessage = Callable[[Message], Awaitable[None]]

# Codes of RFC 6455's registry.
_DONE, _POLICY, _FAILED, _TRY_AGAIN_LATER = 1000, 1008, 1011, 1013
_LONGEST_REASON_BYTES = 123
_LAST_HOP_S = 3.0


class AsgiVoices:
    """One process's voices. The model is loaded when the server starts the application, not when it is made.

    most_voices, every, deadline_ms   as `driver.serve.server.ServeSettings`
    origins   web pages that may speak, beside those of this machine
    """

    def __init__(
        self,
        settings: Settings,
        most_voices: int | None = None,
        every: int = 1,
        deadline_ms: float = DEADLINE_MS,
        origins: Sequence[str] = (),
    ) -> None:
        self._settings, self._every, self._origins = settings, every, tuple(origins)
        self._admission = Admission(most_voices, deadline_ms)
        self._limits = Limits()
        self._error: BaseException | None = None
        self._voices: Voices | None = None

    async def __call__(self, scope: Message, receive: ReceiveMessage, send: SendMessage) -> None:
        kinds = {"lifespan": self._live, "websocket": self._speak, "http": self._answer}
        await kinds[scope["type"]](scope, receive, send)

    async def _live(self, scope: Message, receive: ReceiveMessage, send: SendMessage) -> None:
        await receive()  # lifespan.startup
        try:
            self._start()
        except AvatarDriverError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        await asyncio.to_thread(self._stop)
        await send({"type": "lifespan.shutdown.complete"})

    def _start(self) -> None:
        settings = self._settings
        model = OnnxModel(find_audio_model(settings.voice.model), settings.device)
        voices = Voices(settings, model, lambda frame, packet: None, self._admission, Counters(), self._every)
        voices.rehearse()
        self._voices = voices
        self._worker = Worker("voices", voices.run, self._fail)
        self._worker.start()

    def _stop(self) -> None:
        self._running().stop()
        self._worker.join(_LAST_HOP_S)

    def _fail(self, name: str, error: BaseException) -> None:
        self._error = error
        self._running().stop()

    def _running(self) -> Voices:
        if self._voices is None:
            raise RunError("the voices have not been started; use a server that speaks ASGI's lifespan protocol")
        return self._voices

    def _refuse_strangers(self, scope: Message) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get("origin")
        if not may_listen(origin, headers.get("host"), self._origins):
            raise UsageError(f"pages of {origin} may not speak here; origin={origin} lets them")

    async def _answer(self, scope: Message, receive: ReceiveMessage, send: SendMessage) -> None:
        status, text = 404, "there is nothing here; voices come by WebSocket, the numbers are at /metrics\n"
        if scope["path"] == "/metrics":
            status, text = 200, self._running().counters.text()
        if self._error is not None:
            status, text = 500, f"the voices stopped: {self._error}\n"
        headers = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})

    async def _speak(self, scope: Message, receive: ReceiveMessage, send: SendMessage) -> None:
        """One WebSocket from its greeting to its end. What is wrong with it is the reason of its close."""
        voices = self._running()
        is_gone = False

        async def sound() -> bytes:
            nonlocal is_gone
            while True:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    is_gone = True
                    return b""
                if message.get("text") is not None:
                    raise UsageError("a text message came; sound goes in binary messages, as the greeting says")
                if message.get("bytes"):
                    return message["bytes"]

        async def send_bytes(packet: bytes) -> None:
            await send({"type": "websocket.send", "bytes": packet})

        await receive()  # websocket.connect
        await send({"type": "websocket.accept"})
        outgoing = Outgoing(send_bytes, asyncio.get_running_loop())
        sending = asyncio.create_task(outgoing.send())
        code, reason = _DONE, ""
        try:
            if self._error is not None:
                raise RunError(f"the voices stopped: {self._error}")
            self._refuse_strangers(scope)
            greeting = parse_query(scope["query_string"].decode("latin-1"), self._settings.voice)
            await attend(voices, greeting, sound, self._limits, outgoing.put)
            if self._error is not None:
                raise RunError(f"the voices stopped: {self._error}")
        except Refused as refusal:
            voices.counters.refused.add()
            code, reason = _TRY_AGAIN_LATER, str(refusal)
        except UsageError as error:
            voices.counters.wrong.add()
            code, reason = _POLICY, str(error)
        except AvatarDriverError as error:
            code, reason = _FAILED, str(error)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)  # the client may be gone: no news
        if not is_gone:
            shortened = reason.encode()[:_LONGEST_REASON_BYTES].decode("utf-8", "ignore")
            await send({"type": "websocket.close", "code": code, "reason": shortened})
