"""How much emotion a face keeps: judges whose answers are known, and rendered heads that show what their labels say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.head.landmarks import FACE_POINTS
from models.perceptual.emotion import EMOTIONS, EmotionNetwork
from training.checkpoints import CheckpointError
from training.data import build_emotion_heads
from training.data.emotion_batches import EmotionData, labelled_pictures
from training.data.face_store import COLUMNS_OF, PICTURE_PX, FaceStore
from training.data.made_up_networks import made_up_coarse
from training.evaluate.emoca import Onlooker, classified, judged
from training.run import main
from training.tasks.emoca import load_emoca

SIDE_PX = 48
CORNERS = (61, 291)  # of the mouth, the subject's right and left


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up texture, and the heads of two people: one is held out."""
    folder = tmp_path_factory.mktemp("heads")
    texture = Path(made_up_coarse(folder, SIDE_PX)["texture"])
    build_emotion_heads.build(folder / "emotion_heads", 16, texture, seed=0)
    build_emotion_heads.build(folder / "emotion_heads", 32, texture, seed=0)
    return folder


def test_heads_show_what_is_said_of_them(stores: Path) -> None:
    store = FaceStore(stores / "emotion_heads")
    assert [info.split for info in store.infos] == ["val"] * 16 + ["train"] * 16
    assert len({info.person for info in store.infos}) == 2
    data = EmotionData(str(stores), ["emotion_heads"])
    pictures = labelled_pictures(data, ["emotion_heads"], data.uses, ("val",))
    assert np.bincount(pictures.classes, minlength=8).min() >= 1
    assert set(pictures.people(np.arange(16))) == {"head-0-00000"}
    points = np.asarray(store.truths)[:, COLUMNS_OF["points"]].reshape(32, -1, 2)
    assert ((points > 0.1) & (points < 0.9)).all()
    # Upright, the subject's left at the right, however they are turned.
    right, left, bridge = (points[:, FACE_POINTS.index(number)] for number in (*CORNERS, 168))
    assert (left[:, 0] > right[:, 0] + 0.05).all()
    assert (left[:, 1] > bridge[:, 1] + 0.1).all()
    # The points lie on the head: it is drawn there, and not in the corner.
    for picture, of_one in zip(np.asarray(store.pictures, np.float64), points, strict=True):
        x, y = (of_one * PICTURE_PX).astype(int).T
        on_face = np.abs(picture[y, x] - picture[0, 0]).sum(axis=1) > 8.0
        assert on_face.mean() > 0.9


def test_a_classifier_finds_what_codes_say_and_nothing_in_noise() -> None:
    torch.manual_seed(0)
    labels = torch.arange(400) % len(EMOTIONS)
    noise = torch.randn(400, 20)
    said = noise.clone()
    said[torch.arange(400), labels] += 6.0
    assert float((classified(said[:200], labels[:200], said[200:]) == labels[200:]).float().mean()) > 0.95
    assert float((classified(noise[:200], labels[:200], noise[200:]) == labels[200:]).float().mean()) < 0.3


def test_an_encoder_that_a_run_exported_is_judged(stores: Path, tmp_path: Path) -> None:
    path = tmp_path / "emoca.safetensors"
    assert main(["emoca", "--smoke", "--folder", str(tmp_path / "run"), "--export", str(path), "optim.steps=1"]) == 0
    encoder, size_px = load_emoca(path)
    assert size_px == SIDE_PX
    torch.manual_seed(0)
    judge = tmp_path / "judge.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in EmotionNetwork().state_dict().items()}, judge)
    coarse = made_up_coarse(tmp_path, SIDE_PX)
    onlooker = Onlooker(Path(coarse["texture"]), judge, size_px)
    data = EmotionData(str(stores), ["emotion_heads"], side_px=SIDE_PX)
    found, people = judged({"base": encoder.coarse, "same": encoder.coarse, "emoca": encoder}, data, onlooker, 16)
    assert len(people) == 16
    assert found.keys() == {"base", "same", "emoca"}
    for verdicts in found.values():
        assert verdicts.keys() == {"codes", "same", "right", "points_mm"}
        assert set(torch.cat([verdicts["codes"], verdicts["same"], verdicts["right"]]).tolist()) <= {0.0, 1.0}
        assert (verdicts["points_mm"] > 0.0).all()
    assert torch.equal(found["base"]["points_mm"], found["same"]["points_mm"])
    assert not torch.equal(found["base"]["points_mm"], found["emoca"]["points_mm"])
    with pytest.raises(CheckpointError, match="no encoder of the recipe emoca"):
        load_emoca(judge)
