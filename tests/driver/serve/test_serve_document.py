"""docs/serve.md says what the code does, and its example is taken for a voice."""

import re
import threading
from dataclasses import fields
from pathlib import Path

import pytest
from support.stream import wait_until

from driver.capture.pcm_address import FORMAT_OPTIONS, PcmFormat
from driver.capture.resample import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from driver.config import Settings
from driver.knobs import Knobs, VoiceSettings
from driver.serve.counters import Counters
from driver.serve.greeting import Greeting
from driver.serve.server import DEFAULT_LISTEN, DEFAULT_METRICS_PORT, DEFAULT_OUTPUTS, Server, ServeSettings

PAGE = (Path(__file__).parents[3] / "docs" / "serve.md").read_text(encoding="utf-8")


def test_the_example_is_taken_for_a_voice(tiny_voice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = next(example for example in re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S) if "# serve" in example)
    asked = ServeSettings(listen=("tcp://127.0.0.1:0",), out=("zmq://127.0.0.1:0",), metrics=0, deadline_ms=10_000)
    server = Server(Settings(voice=VoiceSettings(model=str(tiny_voice))), asked, lambda sentence: None)
    thread = threading.Thread(target=server.run)
    thread.start()
    names: dict[str, object] = {}
    try:
        exec(code.replace("5600", server.addresses[0].rpartition(":")[2]), names)
        wait_until(lambda: server.counters.heard_hops.value >= 45, 20)
    finally:
        names["client"].close()  # type: ignore[attr-defined]
        server.stop()
        thread.join(20)
    assert capsys.readouterr().out.strip() == "{'accepted': 'npc-1'}"
    assert server.counters.received_bytes.value == 48_000


def test_every_option_of_a_greeting_stands_on_the_page_with_its_default() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]+) \|", PAGE.split("| option | default |")[1], re.M)
    said = {name: default for names, default in rows for name in re.findall(r"\w+", names)}
    knobs = {one.name for one in fields(Knobs)}
    assert said.keys() == {"subject", "silence_ms", "frames", *FORMAT_OPTIONS, *knobs}
    sound = PcmFormat()
    assert said["rate"] == f"{sound.rate_hz}, {sound.channels}, `{sound.encoding}`"
    assert f"{LOWEST_RATE_HZ}..{HIGHEST_RATE_HZ}" in PAGE
    assert (said["silence_ms"], said["frames"]) == (f"{Greeting.silence_ms}", f"{int(Greeting.frames)}")


def test_addresses_and_numbers_are_the_code_s() -> None:
    shown = f"{', '.join(DEFAULT_LISTEN)}, to {' '.join(DEFAULT_OUTPUTS)}"
    assert f"avatar-driver serve                                          # {shown}" in PAGE
    assert f"http://127.0.0.1:{DEFAULT_METRICS_PORT}/metrics" in PAGE
    named = set(re.findall(r"`(\w+)`", PAGE.split("## Numbers")[1].split("\n## ")[0]))
    counted = {one.name.removeprefix("avatar_serve_") for one in vars(Counters()).values()}
    assert named - {"avatar_serve_", "avatar_serve_voices"} == counted - {"voices"}
