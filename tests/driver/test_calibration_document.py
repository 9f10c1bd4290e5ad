"""docs/calibration.md and PROTOCOL.md say what the code does, and the page's files can be loaded."""

import re
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from driver import control
from driver.channels import Channel, default_channels
from driver.cli import run_parser
from driver.config import Settings, load_config
from driver.idle import IdleSettings
from driver.profile import LARGEST_REST, SoundLevels
from driver.rest_learner import RestSettings
from driver.sound_level import gain_db

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "calibration.md").read_text(encoding="utf-8")
PROTOCOL = (ROOT / "protocol" / "PROTOCOL.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S))
def test_the_files_on_the_page_are_loaded_and_the_idle_one_is_the_default(text: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text, "utf-8")
    settings = load_config(path, Settings())
    assert (settings == Settings()) is ("[idle]" in text)
    for one in fields(IdleSettings):
        assert re.search(rf"^{one.name} = ", PAGE, re.M)


def test_the_channels_defaults_are_the_code_s() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ … [^|]+ \|", PAGE, re.M))
    assert rows.keys() == asdict(Channel()).keys()
    for name, said in rows.items():
        assert float(said.split(";")[0]) == getattr(Channel(), name)
    idling = {name for name, channel in default_channels().items() if channel != Channel()}
    assert idling == set(re.findall(r"`(\w+)`", next(line for line in PAGE.splitlines() if "0.04 for" in line))[1:])
    assert all(default_channels()[name] == Channel(dead_zone=0.04) for name in idling)


def test_the_numbers_on_the_page_are_the_code_s() -> None:
    assert f"A weight above {LARGEST_REST:g} is no rest" in PAGE
    assert f"at most {RestSettings().most_rest:g} a channel" in PAGE
    assert RestSettings().learning_s == 60
    assert "(-28 dBFS), never the room's noise above -50 dBFS" in PAGE
    assert gain_db(SoundLevels(-90, -38)) == 10
    assert gain_db(SoundLevels(-55, -60)) == 5


def test_every_option_and_address_is_real() -> None:
    assert run_parser().parse_args(["--profile", "anna", "--mirror", "--control", "osc://127.0.0.1:9011"]).mirror
    section = PROTOCOL.split("### Turning knobs")[1].split("\n## ")[0]
    addresses = re.findall(r"^\| `(/avatar/centre[/\w]*)`", section, re.M)
    assert len(addresses) == 2
    for address in addresses:
        assert f"`{address}`" in PAGE
        assert f"    {address} " in (control.__doc__ or "")
