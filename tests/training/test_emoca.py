"""EMOCA: only the expression is learnt, from how a rendering feels; the checks of its specification."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.perceptual.emotion import EMOTIONS, EmotionNetwork
from models.reconstruction.code import COLUMNS, decompose
from models.reconstruction.encoder import CoarseEncoder
from models.reconstruction.expression_encoder import ExpressionEncoder
from training.data.emotion_batches import EmotionData, labelled_pictures
from training.data.emotion_faces import EmotionFaces
from training.data.made_up_emotions import made_up_emotions
from training.data.made_up_networks import made_up_coarse
from training.evaluate.emoca_sheet import sheet
from training.losses.emoca import emotion_loss, landmark_losses
from training.recipe import RecipeError
from training.run import main
from training.tasks.emoca import EmocaRecipe, EmocaStudent

SIDE_PX = 48


@pytest.fixture(scope="module")
def student_and_batch(tmp_path_factory: pytest.TempPathFactory) -> tuple[EmocaStudent, dict[str, Tensor]]:
    folder = tmp_path_factory.mktemp("emoca")
    made_up_emotions(folder / "faces")
    data = EmotionData(str(folder), ["faces"], side_px=SIDE_PX)
    recipe = EmocaRecipe(name="emoca", task="emoca", data=data, **made_up_coarse(folder, SIDE_PX))
    pictures = labelled_pictures(data, ["faces"], data.uses, ("train",))
    batch = EmotionFaces(pictures, data, 4, 1, is_validation=False)[0]
    return EmocaStudent(recipe), batch


def test_it_begins_at_the_coarse_encoder() -> None:
    torch.manual_seed(0)
    coarse = CoarseEncoder()
    pictures = functional.interpolate(torch.rand(4, 3, 3, 3), size=(SIDE_PX, SIDE_PX))
    with torch.no_grad():
        # As if it had learnt: normal statistics, and an expression that depends on the picture.
        for _ in range(20):
            coarse.train()(pictures)
        coarse.layers[-1].weight.mul_(20.0)
    encoder = ExpressionEncoder(coarse).train()
    with torch.no_grad():
        before, own = coarse(pictures), encoder(pictures)
    # An encoder that has learnt nothing tells pictures little apart, but a thousand times more than rounding does.
    apart = float(before[:, COLUMNS["exp"]].std(dim=0).max())
    assert float((own - before).abs().max()) < 0.01 * apart


def test_a_step_changes_the_expressions_encoder_and_nothing_else(
    student_and_batch: tuple[EmocaStudent, dict[str, Tensor]],
) -> None:
    student, batch = student_and_batch
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    with torch.no_grad():
        first = student.encoder.eval()(batch["picture"])
    learnt = [parameter for parameter in student.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(learnt, 1e-3)
    student.train()
    for step in range(2):
        optimizer.zero_grad()
        student(batch, step)["total"].backward()
        optimizer.step()
    with torch.no_grad():
        last = student.encoder.eval()(batch["picture"])
    for name, tensor in student.state_dict().items():
        is_learnt = name.startswith("encoder.expression.")
        if not is_learnt:
            assert torch.equal(tensor, before[name]), name
    changed = [name for name, tensor in student.state_dict().items() if not torch.equal(tensor, before[name])]
    assert any("layers" in name for name in changed)
    for part, columns in COLUMNS.items():
        assert torch.equal(last[:, columns], first[:, columns]) == (part != "exp"), part
    assert torch.equal(last[:, 236:], first[:, 236:])


def test_the_emotion_reaches_the_expression_and_nothing_else(
    student_and_batch: tuple[EmocaStudent, dict[str, Tensor]],
) -> None:
    student, batch = student_and_batch
    may_learn = [name for name, parameter in student.named_parameters() if parameter.requires_grad]
    assert all(name.startswith("encoder.expression.") for name in may_learn)
    student.zero_grad()
    face = decompose(student.encoder(batch["picture"]))
    student.losses(face, batch)["emotion"].backward()
    felt = {name for name, parameter in student.named_parameters() if parameter.grad is not None}
    assert felt
    assert all(name.startswith("encoder.expression.") for name in felt)
    last = student.encoder.expression.layers[-1].weight.grad
    assert last is not None
    assert float(last.abs().max()) > 0.0


def test_the_same_picture_feels_the_same() -> None:
    torch.manual_seed(0)
    reader = EmotionNetwork().eval().requires_grad_(False)
    pictures = torch.rand(2, 3, 64, 64)
    assert float(emotion_loss(reader, pictures, pictures)) == 0.0
    other = torch.rand(2, 3, 64, 64, requires_grad=True)
    loss = emotion_loss(reader, other, pictures)
    loss.backward()
    assert float(loss.detach()) > 0.0
    assert other.grad is not None
    assert float(other.grad.abs().max()) > 0.0


def test_relative_landmarks_do_not_mind_where_the_face_is() -> None:
    generator = torch.Generator().manual_seed(0)
    told = torch.rand(2, 68, 2, generator=generator)
    truth = told + 0.05 * torch.randn(2, 68, 2, generator=generator)
    seen = torch.ones(2, 68)
    here = landmark_losses(told, truth, seen)
    there = landmark_losses(told + torch.tensor([0.3, -0.2]), truth, seen)
    for name in ("eyes", "lips", "corners"):
        assert float(here[name]) > 0.0
        assert float(there[name]) == pytest.approx(float(here[name]), abs=1e-5), name
    assert float(there["landmarks"]) > float(here["landmarks"]) + 0.1
    assert all(float(loss) == 0.0 for loss in landmark_losses(truth, truth, seen).values())


def test_the_mouths_corners_count_by_their_distance() -> None:
    truth = torch.zeros(1, 68, 2)
    truth[0, 48, 0], truth[0, 54, 0] = -0.3, 0.3
    told = truth.clone()
    told[0, 48, 0] = -0.4
    assert float(landmark_losses(told, truth, torch.ones(1, 68))["corners"]) == pytest.approx(0.1, abs=1e-5)


def test_emotions_come_equally_often_and_pictures_have_their_points(tmp_path: Path) -> None:
    made_up_emotions(tmp_path / "faces", 40)
    data = EmotionData(str(tmp_path), ["faces"], side_px=SIDE_PX)
    pictures = labelled_pictures(data, ["faces"], data.uses, ("train",))
    faces = EmotionFaces(pictures, data, 10, 1, is_validation=False)
    batches = [faces[step] for step in range(8)]
    classes = torch.cat([batch["emotion"].argmax(dim=1) for batch in batches])
    shares = np.bincount(classes.numpy(), minlength=len(EMOTIONS)) / len(classes)
    assert np.abs(len(EMOTIONS) * shares - 1.0).max() < 0.02
    assert batches[0]["picture"].shape == (10, 3, SIDE_PX, SIDE_PX)
    assert batches[0]["landmarks"].shape == (10, 68, 2)
    assert float(batches[0]["seen"].mean()) > 0.5
    assert all(torch.equal(batches[2][name], values) for name, values in faces[2].items() if name == "picture")


@pytest.mark.parametrize(
    ("change", "message"), [({"background": "white"}, "black, picture"), ({"coarse": "none"}, "deca_coarse first")]
)
def test_what_cannot_be_is_said_in_a_sentence(change: dict[str, str], message: str, tmp_path: Path) -> None:
    paths = made_up_coarse(tmp_path, SIDE_PX) | change
    data = EmotionData(str(tmp_path), ["faces"], side_px=SIDE_PX)
    with pytest.raises(RecipeError, match=message):
        EmocaStudent(EmocaRecipe(name="emoca", task="emoca", data=data, **paths))


def test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    data = EmotionData(str(tmp_path), ["faces"], side_px=96)
    with pytest.raises(RecipeError, match="trained at 48"):
        EmocaStudent(EmocaRecipe(name="emoca", task="emoca", data=data, **made_up_coarse(tmp_path, SIDE_PX)))


def test_a_smoke_run_trains_and_is_judged(tmp_path: Path) -> None:
    path, run = tmp_path / "emoca.safetensors", tmp_path / "run"
    assert main(["emoca", "--smoke", "--folder", str(run), "--export", str(path), "optim.steps=2"]) == 0
    assert path.stat().st_size > 1e6
    figures = json.loads((run / "figures.jsonl").read_text().splitlines()[-1])
    for kind in ("base", "moved"):
        assert figures[f"emotion_faces_{kind}_distance"] >= 0.0
        assert 0.0 <= figures[f"emotion_faces_{kind}_same"] <= 1.0
        assert np.isfinite(figures[f"emotion_faces_{kind}_points_mm"])


def test_a_sheet_shows_what_was_learnt(student_and_batch: tuple[EmocaStudent, dict[str, Tensor]]) -> None:
    student, batch = student_and_batch
    drawn = sheet(student, batch["picture"])
    assert drawn.shape == (3 * 150, 4 * 150, 3)
    assert drawn[:150].std() > 5.0
    assert drawn[150:300].std() > 5.0
    with torch.no_grad():
        last = student.encoder.expression.layers[-1]
        before = last.bias.clone()
        last.bias.add_(2.0)
        changed = sheet(student, batch["picture"])
        last.bias.copy_(before)
    # Another expression changes the third row alone.
    assert np.array_equal(changed[:300], drawn[:300])
    assert not np.array_equal(changed[300:], drawn[300:])
