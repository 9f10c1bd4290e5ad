"""Figures of runs over their steps."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.evaluate.learning_curve import Line, learning_curve, lines_of, panel, round_ticks


def _run(folder: Path, rows: list[dict[str, float]]) -> Path:
    folder.mkdir()
    (folder / "figures.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_figures_of_every_run_that_has_them(tmp_path: Path) -> None:
    one = _run(tmp_path / "one", [{"step": 20, "mm": 2.0}, {"step": 10, "mm": 3.0, "r": 0.5}, {"step": 20, "mm": 1.0}])
    other = _run(tmp_path / "other", [{"step": 5, "mm": 4.0, "r": float("nan")}])
    lines = lines_of({"one": one, "other": other}, ["mm", "r"])
    assert [line.name for line in lines] == ["one mm", "other mm", "one r"]
    assert lines[0].steps.tolist() == [10, 20]
    assert lines[0].values.tolist() == [3.0, 1.0]  # of a step that was judged twice, the later
    with pytest.raises(ValueError, match="'inches'"):
        lines_of({"one": one}, ["inches"])


@pytest.mark.parametrize(("low", "high"), [(0.44, 0.52), (0.0, 4000.0), (-3.0, 7.0), (0.5, 0.5), (1e-9, 2e-6)])
def test_ticks_are_round_and_hold_all_values(low: float, high: float) -> None:
    ticks = round_ticks(low, high)
    gap = ticks[1] - ticks[0]
    assert ticks[0] <= low + 1e-6 * gap
    assert ticks[-1] >= high - 1e-6 * gap
    assert 2 <= len(ticks) <= 7
    assert round(gap / 10.0 ** np.floor(np.log10(gap) + 1e-9), 6) in (1.0, 2.0, 2.5, 5.0)


def test_what_falls_is_drawn_falling() -> None:
    sheet = panel("mm", [Line("mm", np.array([10.0, 20.0]), np.array([1.0, 0.0]))]).astype(int)
    is_line = sheet[40:, :, 0] - sheet[40:, :, 1] > 100  # below the name
    rows, columns = np.nonzero(is_line)
    assert np.corrcoef(rows, columns)[0, 1] > 0.99  # rows are counted downwards


def test_a_sheet_has_two_panels_in_a_row(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", [{"step": 1, "a": 1.0, "b": 2.0}, {"step": 2, "a": 3.0, "b": 1.0}])
    one = learning_curve({"": run}, [("a", ["a"])])
    three = learning_curve({"": run}, [("a", ["a"]), ("b", ["b"]), ("both", ["a", "b"])])
    assert three.shape == (2 * one.shape[0], 2 * one.shape[1], 3)
