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
from models.video.face import Face
from models.video.temporal import TemporalResidual
from training.data.made_up_faces import made_up_faces
from training.data.made_up_talkers import made_up_talkers
from training.data.mouths import MouthData
from training.data.spoken_sequences import SpokenClip, spoken_clips
from training.evaluate.face_in_a_row import FaceInARow
from training.lip_readers import METADATA_KEY
from training.loop import Trainer, averaged_weights, part_of
from training.processes import find_place
from training.recipe import RecipeError, read_table, recipe_path
from training.tasks.expression import trained_encoder
from training.tasks.face_export import export_face
from training.tasks.spectre import whole


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


def talker(made: Path) -> SpokenClip:
    return spoken_clips(MouthData(str(made), {"talkers": 1.0}, ["talkers"], pictures=8), "val", ["talkers"])["talkers"][
        0
    ]


def test_a_face_in_a_row_tells_each_picture_whatever_it_waits_for(made: Path) -> None:
    batch = whole(talker(made), with_crop=True)
    base = torch.cat([batch["expression"], batch["jaw"]], dim=2)
    encoder, residual = trained_encoder(made / "expression"), TemporalResidual()
    residual.load_state_dict(residual_of(made / "temporal"))
    path = export_face(Face(encoder, residual), made / "face.onnx")
    at_once, late = (FaceInARow(path, lookahead)(batch["crop"], base) for lookahead in (0, 2))
    assert at_once.shape == late.shape == base.shape
    # A residual that has hardly learnt says nearly the same of the same picture; of another it would not.
    same = float((late - at_once).abs().mean())
    shifted = float((late[:, 2:] - at_once[:, :-2]).abs().mean())
    assert same < 0.5 * shifted
    assert np.isfinite(at_once.numpy()).all()
