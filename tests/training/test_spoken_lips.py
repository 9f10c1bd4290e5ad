"""The shipped residual gone on with by how its mouths read, and a face.onnx as the lip judges ask it."""

from __future__ import annotations

import importlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.perceptual.visual_speech import ReaderShape, VisualSpeech
from training.data.made_up_faces import made_up_faces
from training.data.made_up_talkers import made_up_talkers
from training.data.mouths import RATE_HZ
from training.evaluate import face_in_a_row
from training.evaluate.face_in_a_row import FaceInARow
from training.lip_readers import METADATA_KEY
from training.loop import Trainer, averaged_weights, part_of
from training.processes import find_place
from training.recipe import RecipeError, read_table, recipe_path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with faces, talkers, a reader and short runs of `expression` and `temporal`."""
    folder = tmp_path_factory.mktemp("made")
    made_up_faces(folder / "faces")
    made_up_talkers(folder / "talkers")
    torch.manual_seed(0)
    shape = ReaderShape(stem=4, trunk=[4, 8, 8], feature=8, width=8)
    about = {METADATA_KEY: json.dumps(asdict(shape))}
    save_file(VisualSpeech(shape).state_dict(), folder / "reader.safetensors", metadata=about)
    data = [f"data.folder={folder}", "data.stores={faces=1.0}", "data.validation_batches=1", "optim.steps=1"]
    learn("expression", folder / "expression", *data, "optim.batch=4", "optim.workers=0")
    learn("temporal", folder / "temporal", *tiny(folder))
    return folder


def learn(recipe: str, folder: Path, *settings: str) -> None:
    """Run a recipe and export nothing, which takes longer than all else."""
    table, place = read_table(recipe_path(recipe), list(settings)), find_place()
    task = importlib.import_module(f"training.tasks.{recipe}").prepare(table, place)
    Trainer(task, task.recipe.optim, folder, place).run()


def tiny(made: Path) -> list[str]:
    """Settings for two steps of `temporal` on what was made up."""
    data = [f"data.folder={made}", "data.stores={faces=1.0}", "data.validation_batches=1", "data.pictures=6"]
    speech = [f"speech.folder={made}", 'speech.phones=["talkers"]', "speech.stores={talkers=1.0}", "spoken=1"]
    optim = ["optim.steps=2", "optim.batch=4", "optim.workers=0", "optim.warm_up=1", "speech.pictures=8"]
    whose = [f"expression_run={made / 'expression'}", "sequences=8"]
    return [*data, *speech, *optim, *whose]


def residual_of(run: Path) -> dict[str, torch.Tensor]:
    return part_of(averaged_weights(run), "residual")


def test_a_residual_goes_on_by_how_its_mouths_read(made: Path) -> None:
    settings = [f"begin={made / 'temporal'}", f"reader={made / 'reader.safetensors'}"]
    learn("temporal", made / "lips", *tiny(made), *settings)
    learn("temporal", made / "none", *tiny(made), *settings, "weights.lips=0.0")
    learn("temporal", made / "no_reader", *tiny(made), settings[0])
    figures = {name: json.loads((made / name / "figures.jsonl").read_text()) for name in ("lips", "none")}
    assert 0.0 < figures["lips"]["lips"] < 2.0
    assert "lips" not in figures["none"]
    begun, lips, none, no_reader = (residual_of(made / name) for name in ("temporal", "lips", "none", "no_reader"))
    # A reader without weight is no reader; with it something else is learnt, by the statistics that were there.
    assert all(torch.equal(none[name], no_reader[name]) for name in none)
    assert not torch.equal(lips["last.weight"], none["last.weight"])
    assert not torch.equal(none["last.weight"], begun["last.weight"])
    for name in ("norm.running_mean", "norm.running_var"):
        assert torch.equal(lips[name], begun[name])
        assert torch.equal(none[name], begun[name])


def test_a_reader_or_a_run_that_is_not_there_is_said_in_a_sentence(made: Path) -> None:
    with pytest.raises(RecipeError, match="there is no lip reader at"):
        learn("temporal", made / "never", *tiny(made), f"reader={made / 'nobody.safetensors'}")
    with pytest.raises(RecipeError, match=r"run python -m training\.run temporal first"):
        learn("temporal", made / "never", *tiny(made), f"begin={made / 'nowhere'}")


class Echo:
    """Like a face.onnx whose expression is the grey level of the picture `knob_lookahead` pictures ago."""

    def __init__(self, path: Path, device: str) -> None:
        self.levels: list[float] = []

    def initial_state(self) -> dict[str, np.ndarray]:
        return {"knob_lookahead": np.zeros(1, np.float32), "step_s": np.zeros(1, np.float32)}

    def step(self, crop: np.ndarray, state: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict]:
        assert crop.shape == (1, 128, 128, 3)
        assert float(state["step_s"][0]) == pytest.approx(1.0 / RATE_HZ)
        self.levels.append(float(crop.mean()))
        level = self.levels[max(0, len(self.levels) - 1 - int(state["knob_lookahead"][0]))]
        return {"expression": np.full((1, 50), level, np.float32), "jaw": np.zeros((1, 3), np.float32)}, state


@pytest.mark.parametrize("lookahead", [0, 2])
def test_a_face_in_a_row_tells_each_picture_whatever_it_waits_for(
    lookahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_in_a_row, "OnnxModel", Echo)
    crops = torch.arange(5, dtype=torch.uint8)[None, :, None, None, None].expand(1, 5, 128, 128, 3)
    told = FaceInARow(Path("face.onnx"), lookahead)(crops, torch.zeros(1, 5, 53))
    assert told.shape == (1, 5, 53)
    assert told[0, :, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
