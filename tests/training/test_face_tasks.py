"""The face networks learn, are judged and are exported: smoke runs of their three recipes on painted faces."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from driver.native_face import NativeFace, NativeFaceSettings
from driver.runtime import OnnxModel
from driver.types import VideoFrame
from models.head.flame import open_head
from models.video.face_encoder import CROP_PX, FaceEncoder
from protocol.frame import OPEN_HEAD_ID
from training.data.face_batches import FacePairs, FaceSequences
from training.data.face_source import FaceData
from training.data.made_up_faces import made_up_faces
from training.loop import averaged_weights, part_of
from training.losses.face_surface import FaceSurface
from training.recipe import RecipeError
from training.run import main
from training.tasks.expression import begin_with, trained_encoder
from training.tasks.face_figures import FaceFigures
from training.tasks.temporal import told_before, truth_before

SHAPES = {
    "expression": (50,), "jaw": (3,), "eyelids": (2,), "gaze": (4,), "rotation": (3, 3), "place": (3,),
    "shape": (100,), "points": (140, 2), "points_spread": (140,), "presence": (), "visibility": (4,),
    "valence": (), "arousal": (),
}  # fmt: skip


def session_of(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("recipe", ["expression", "temporal"])
def test_a_smoke_run_trains_and_exports_a_face(recipe: str, tmp_path: Path) -> None:
    path, run = tmp_path / "face.onnx", tmp_path / "run"
    assert main([recipe, "--smoke", "--folder", str(run), "--export", str(path)]) == 0
    session = session_of(path)
    said = session.get_modelmeta().custom_metadata_map
    assert said["head"] == OPEN_HEAD_ID
    assert (said["crop_px"], said["lookahead_s"]) == (str(CROP_PX), "0.0")
    assert float(said["rate_hz"]) == pytest.approx(30.0)
    assert path.stat().st_size < 8e6

    fed = {
        item.name: np.zeros([2, *item.shape[1:]], np.float32) for item in session.get_inputs() if item.name != "crop"
    }
    crop = np.random.default_rng(0).integers(0, 256, (2, CROP_PX, CROP_PX, 3), np.uint8)
    names = [output.name for output in session.get_outputs()]
    told = dict(zip(names, session.run(names, {"crop": crop, **fed}), strict=True))
    states = {f"next_{name}" for name in fed}
    assert set(names) == SHAPES.keys() | states
    assert {name: told[name].shape[1:] for name in SHAPES} == SHAPES
    figures = json.loads((run / "figures.jsonl").read_text().splitlines()[-1])
    assert np.isfinite(figures["score"])
    # The residual of an untaught temporal network is small, that of a single picture's nothing.
    alone = dict(
        zip(
            names,
            session.run(names, {"crop": crop, **fed, "state_knob_residual": -np.ones(2, np.float32)}),
            strict=True,
        )
    )
    moved = float(np.abs(told["expression"] - alone["expression"]).max())
    assert (moved > 0.0) == (recipe == "temporal")
    the_driver_runs(path)


def the_driver_runs(path: Path) -> None:
    """What was exported is what the driver asks for, at each look-ahead: an untaught face, but of the right shape."""
    image = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    points = np.array([[0.45, 0.3], [0.55, 0.3], [0.5, 0.35], [0.46, 0.42], [0.54, 0.42]], np.float32)
    box = np.array([0.4, 0.2, 0.6, 0.5], np.float32)

    def detector(*, picture: np.ndarray) -> dict[str, np.ndarray]:
        return {"score": np.ones((1, 1), np.float32), "boxes": box[None, None], "points": points[None, None]}

    for lookahead in range(3):
        settings = NativeFaceSettings(lookahead=lookahead, presence_minimum=0.0)
        stage = NativeFace(OnnxModel(path, "cpu"), detector, settings)
        told = [stage.process(VideoFrame(image, number * 40_000_000, number)) for number in range(4)]
        motions = [motion for motions in told for motion in motions]
        assert len(motions) == 4 - lookahead
        assert motions[-1].capture_ns == (3 - lookahead) * 40_000_000
        assert (motions[-1].expression.shape, motions[-1].gaze.shape) == ((50,), (4,))
        assert np.isfinite(motions[-1].head_translation).all()
        assert stage.points_px is not None
        assert stage.points_px.shape == (140, 2)


def test_a_smoke_run_trains_and_exports_a_detector(tmp_path: Path) -> None:
    path = tmp_path / "face_detector.onnx"
    assert main(["face_detector", "--smoke", "--folder", str(tmp_path / "run"), "--export", str(path)]) == 0
    assert path.stat().st_size <= 1e6
    told = session_of(path).run(["score", "boxes", "points"], {"picture": np.zeros((1, 256, 256, 3), np.uint8)})
    assert [values.shape for values in told] == [(1, 1024), (1, 1024, 4), (1, 1024, 5, 2)]


def test_a_residual_without_its_encoder_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_up_faces(tmp_path / "made")
    settings = [f"data.folder={tmp_path}", "data.stores={made=1.0}", "data.pictures=6", f"expression_run={tmp_path}"]
    assert main(["temporal", *settings, "--folder", str(tmp_path / "run")]) == 2
    assert "run python -m training.run expression first" in capsys.readouterr().err


def test_what_is_frozen_stays_as_the_run_before_left_it(tmp_path: Path) -> None:
    made_up_faces(tmp_path / "made")
    first, second = tmp_path / "first", tmp_path / "second"
    data = [f"data.folder={tmp_path}", "data.stores={made=1.0}", "data.validation_batches=1"]
    settings = [*data, "optim.steps=2", "optim.batch=4", "optim.workers=0", "optim.peak_rate=0.01", "optim.warm_up=1"]
    assert main(["expression", *settings, "--folder", str(first)]) == 0
    go_on = [f"begin={first}", 'frozen=["backbone", "points"]']
    assert main(["expression", *settings, *go_on, "--folder", str(second)]) == 0
    before, after = (trained_encoder(folder).state_dict() for folder in (first, second))
    same = {name.partition(".")[0] for name in before if torch.equal(before[name], after[name])}
    moved = {name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert {"backbone", "points"} <= same - moved
    assert {"close_ups", "mix", "heads"} <= moved
    for name in ("backbone.stem.1.running_mean", "points.bias"):
        assert torch.equal(before[name], after[name])


def test_an_encoder_takes_over_a_closer_look_that_learnt_by_itself(tmp_path: Path) -> None:
    look, run = tmp_path / "look", tmp_path / "run"
    assert main(["close_ups", "--smoke", "--folder", str(look)]) == 0
    figures = json.loads((look / "figures.jsonl").read_text().splitlines()[-1])
    assert 0.0 < figures["points"] < 0.1
    assert np.isfinite(figures["score"])
    made_up_faces(tmp_path / "made")
    data = [f"data.folder={tmp_path}", "data.stores={made=1.0}", "data.validation_batches=1"]
    settings = [*data, "optim.steps=1", "optim.batch=4", "optim.workers=0", f"close_ups={look}", 'frozen=["close_ups"]']
    assert main(["expression", *settings, "--folder", str(run)]) == 0
    learnt = part_of(averaged_weights(look), "close_ups")
    taken = trained_encoder(run).close_ups.state_dict()
    assert taken.keys() == learnt.keys()
    assert all(torch.equal(taken[name], learnt[name]) for name in learnt)
    again = tmp_path / "again"
    still = [f"begin={look}", "optim.peak_rate=0.0", "optim.last_rate=0.0"]
    assert main(["close_ups", "--smoke", *still, "--folder", str(again)]) == 0
    gone_on_with = part_of(averaged_weights(again), "close_ups")
    weights = [name for name in learnt if name.endswith("weight")]
    assert all(torch.equal(gone_on_with[name], learnt[name]) for name in weights)


def test_a_part_whose_shape_has_changed_begins_anew() -> None:
    old, new = torch.nn.Linear(3, 2), torch.nn.Linear(4, 2)
    own = new.weight.clone()
    begin_with(new, old.state_dict() | {"gone": torch.zeros(1)})
    assert torch.equal(new.bias, old.bias)
    assert torch.equal(new.weight, own)
    with pytest.raises(RecipeError, match="nothing fits"):
        begin_with(new, {"elsewhere": torch.zeros(2)})


def test_a_held_sequence_shows_one_picture_in_a_trembling_crop(tmp_path: Path) -> None:
    made_up_faces(tmp_path / "made")
    data = FaceData(str(tmp_path), {"made": 1.0}, pictures=6, held=1.0, nobody=0.0, looks=0.0)
    batch = FaceSequences(data, 4, 0)[0]
    for name in ("expression", "jaw", "eyelids"):
        assert torch.equal(batch[name], batch[name][:, :1].expand_as(batch[name]))
    assert float(batch["crop"].float().std(dim=1).mean()) > 0.0
    assert float(batch["step_s"].min()) > 0.0
    moving = FaceSequences(replace(data, held=0.0), 4, 0)[0]
    assert float(moving["expression"].std(dim=1).mean()) > 0.0


def test_a_part_that_is_not_there_cannot_be_frozen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made_up_faces(tmp_path / "made")
    data = [f"data.folder={tmp_path}", "data.stores={made=1.0}", 'frozen=["legs"]']
    assert main(["expression", *data, "--folder", str(tmp_path / "run")]) == 2
    assert "frozen names 'legs'; the encoder's parts are backbone" in capsys.readouterr().err


def test_the_truth_is_judged_as_the_truth(tmp_path: Path) -> None:
    made_up_faces(tmp_path / "made")
    data = FaceData(str(tmp_path), {"made": 1.0}, nobody=0.0)
    batch = FacePairs(data, 8, 0, is_validation=True)[0]
    figures = FaceFigures(FaceSurface(open_head()))
    told = {name: batch[name] for name in SHAPES if name in batch}
    figures.add(told, batch)
    found = figures.figures()
    for name in ("points_mm", "mouth_mm", "eyelid", "gaze_deg", "nme", "jitter_mm"):
        assert found[name] == pytest.approx(0.0, abs=1e-3), name
    assert found["rotation_deg"] == pytest.approx(0.0, abs=0.1)
    assert found["gap_r"] == pytest.approx(1.0)
    assert found["presence_right"] == 1.0

    wrong = FaceFigures(FaceSurface(open_head()))
    with torch.no_grad():
        wrong.add(FaceEncoder().eval()(batch["crop"]), batch)
    assert all(
        wrong.figures()[name] > found[name] + 0.01
        for name in ("points_mm", "eyelid", "gaze_deg", "rotation_deg", "nme")
    )


def test_what_is_told_late_is_judged_by_what_was_true_then() -> None:
    rows = torch.arange(5.0)[None, :, None].expand(2, 5, 53).clone()
    ahead = torch.tensor([0, 2])
    assert told_before(rows, ahead)[1, :, 0].tolist() == [0.0, 0.0, 0.0, 1.0, 2.0]
    batch = {"expression": rows[:, :, :50], "jaw": rows[:, :, 50:], "belief": torch.ones(2, 5)}
    batch["expression"][0, 3] = torch.nan
    truth, weight = truth_before(batch, ahead)
    assert weight.tolist() == [[1.0, 1.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0, 1.0]]
    assert truth[1, :, 52].tolist() == [0.0, 0.0, 0.0, 1.0, 2.0]
