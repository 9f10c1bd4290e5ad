"""Weights between those of two runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from training import mix
from training.loop import averaged_weights
from training.recipe import RecipeError


def run(folder: Path, value: float, size: int = 2) -> Path:
    folder.mkdir()
    tensors = {"encoder.weight": torch.full((size,), value), "encoder.seen": torch.tensor(int(value))}
    save_file({f"average/module.{name}": values for name, values in tensors.items()}, folder / "last.safetensors")
    return folder


def test_weights_lie_between_by_their_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = run(tmp_path / "before", 1.0), run(tmp_path / "after", 5.0)
    monkeypatch.setattr(sys, "argv", ["mix", "--out", str(tmp_path / "out"), f"{before}=0.25", f"{after}=0.75"])
    mix.main()
    told = averaged_weights(tmp_path / "out")
    assert told["encoder.weight"].tolist() == [4.0, 4.0]
    assert told["encoder.weight"].dtype == torch.float32
    assert int(told["encoder.seen"]) == 5


def test_what_cannot_be_mixed_is_said(tmp_path: Path) -> None:
    one, other, larger = run(tmp_path / "a", 1.0), run(tmp_path / "b", 2.0), run(tmp_path / "c", 2.0, size=3)
    with pytest.raises(RecipeError, match=r"2 runs have shares of 0.9 in all"):
        mix.mixed({one: 0.5, other: 0.4})
    with pytest.raises(RecipeError, match="another network"):
        mix.mixed({one: 0.5, larger: 0.5})
    with pytest.raises(FileNotFoundError, match="train it first"):
        mix.mixed({one: 0.5, tmp_path / "nowhere": 0.5})


@pytest.mark.parametrize("said", ["runs/a", "runs/a=much"])
def test_a_share_that_is_no_number_is_refused(
    said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mix", "--out", "out", said])
    with pytest.raises(SystemExit):
        mix.main()
    assert "is no FOLDER=SHARE" in capsys.readouterr().err
