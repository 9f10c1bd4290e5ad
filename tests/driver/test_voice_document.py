"""docs/voice.md and PROTOCOL.md say what the code does, and the examples run."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from support.stream import wait_until

from driver import control
from driver.cli import run_parser
from driver.control import ControlInput
from driver.knobs import Knobs, VoiceSettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "voice.md").read_text(encoding="utf-8")
PROTOCOL = (ROOT / "protocol" / "PROTOCOL.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)


def test_every_knob_stands_on_the_page_with_its_option_and_default() -> None:
    rows = dict(re.findall(r"^\| `(--[a-z-]+)[^`]*` \| `([a-z_]+)` \|", PAGE, re.M))
    assert set(rows.values()) == {knob.name for knob in fields(Knobs)}
    for option, name in rows.items():
        assert getattr(run_parser().parse_args([option, "1"]), name) in (1, "1")
    defaults = dict(re.findall(r"^\| `--[^`]*` \| `([a-z_]+)` \| ([^ |]+) \|", PAGE, re.M))
    for name, said in defaults.items():
        default = getattr(VoiceSettings(), name)
        assert said == ("none" if default == "" else f"{default:g}")


def test_every_address_stands_in_the_protocol() -> None:
    section = PROTOCOL.split("### Turning knobs")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(/avatar/voice/\w+)`", section, re.M)) == set(control.ADDRESSES)


def test_the_example_turns_knobs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Voice:
        knobs = Knobs()

        def set_knobs(self, knobs: Knobs) -> None:
            self.knobs = knobs

    voice = Voice()
    code = next(example for example in EXAMPLES if example.startswith("# control"))
    with ControlInput("osc://127.0.0.1:0", voice, print) as listening:
        names: dict[str, object] = {}
        exec(code.replace("9011", str(listening.port)), names)
        names["client"]._sock.close()  # type: ignore[attr-defined]
        wait_until(lambda: voice.knobs == Knobs(articulation=1.5, laughter=0.0))
