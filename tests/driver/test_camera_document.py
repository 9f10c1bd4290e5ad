"""docs/camera.md says what the code does, and its file can be loaded."""

import re
from pathlib import Path
from typing import get_args

from driver.cli import run_parser
from driver.config import LONGEST_FACE_LOOKAHEAD, Settings, Tracker, load_config

PAGE = (Path(__file__).parents[2] / "docs" / "camera.md").read_text(encoding="utf-8")


def test_the_file_on_the_page_has_the_defaults(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)
    path = tmp_path / "settings.toml"
    path.write_text(text, "utf-8")
    assert load_config(path, Settings()) == Settings()
    path.write_text(re.sub(r"= (\d+)", lambda number: f"= {int(number[1]) + 2}", text), "utf-8")
    changed = load_config(path, Settings())
    assert (changed.camera.horizontal_fov_deg, changed.smooth.strength) == (62, 3)


def test_trackers_and_defaults_are_the_code_s() -> None:
    trackers = re.findall(r"^\| `(\w+)`(, the default)? \|", PAGE, re.M)
    assert {name for name, _ in trackers} == set(get_args(Tracker))
    assert [name for name, is_default in trackers if is_default] == [Settings().tracker]
    assert "`--face-lookahead N` | 0 | 0, 1 or 2 pictures" in PAGE
    assert (Settings().face_lookahead, LONGEST_FACE_LOOKAHEAD) == (0, 2)
    assert "`--device` | `auto` |" in PAGE
    assert Settings().device == "auto"
    assert run_parser().parse_args(["--webcam"]).webcam == "0"
