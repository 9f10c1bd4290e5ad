"""Emotions as data: the table, the faces made by it, labels, balanced batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.head.arkit import ArkitMap
from models.head.flame import open_head
from models.perceptual.emotion import EMOTIONS
from models.perceptual.emotion_from_coefficients import EmotionFromCoefficients
from protocol.frame import ARKIT_SHAPES
from training.data.balanced import Balanced
from training.data.build_labelled_faces import labelled
from training.data.emotion_acting import draw_feeling, emotions, read_emotions, told_emotion
from training.data.emotion_batches import EmotionBatches, EmotionData, labelled_pictures
from training.data.emotion_coefficients import CoefficientData, EmotionCoefficients, tracked_people
from training.data.emotion_labels import LABELS_NAME, EmotionLabel, emotion_named, read_labels, write_labels
from training.data.face_store import FaceStore
from training.data.made_up_emotions import made_up_emotions
from training.recipe import RecipeError

# A shape that a face of this emotion may be told by, and one that it never makes.
SIGNS = {
    "happy": ("mouthSmileLeft", "mouthFrownLeft"),
    "sad": ("browInnerUp", "mouthSmileLeft"),
    "surprise": ("eyeWideLeft", "browDownLeft"),
    "fear": ("eyeWideLeft", "mouthSmileLeft"),
    "anger": ("browDownLeft", "browInnerUp"),
    "disgust": ("mouthUpperUpLeft", "eyeWideLeft"),
    "contempt": ("mouthDimpleLeft", "browInnerUp"),
}


def test_the_table_shows_every_emotion_by_its_signs() -> None:
    assert set(emotions()) == set(EMOTIONS[1:])
    for name, (sign, opposite) in SIGNS.items():
        faces = np.stack(emotions()[name].faces)
        assert faces.shape[1] == len(ARKIT_SHAPES)
        assert 0.0 <= faces.min() <= faces.max() <= 1.0
        assert faces[:, ARKIT_SHAPES.index(sign)].mean() > 0.4, name
        assert faces[:, ARKIT_SHAPES.index(opposite)].max() == 0.0, name


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[units]\n1 = {browInnerUp = 1}\n[emotions.bored]\nfaces = [[1]]", "bored"),
        ("[units]\n1 = {browInnerUp = 1}\n[emotions.sad]\nfaces = [[1, 4]]", "unit 4"),
        ("[units]\n1 = {brow = 1}\n", "'brow'"),
    ],
)
def test_what_the_table_cannot_mean_is_refused(table: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "table.toml").write_text(table + "\n[emotions]\n" * ("emotions" not in table))
    with pytest.raises(ValueError, match=message):
        read_emotions(tmp_path / "table.toml")


def test_a_whole_emotion_has_its_place_and_half_of_one_is_nearer_to_calm() -> None:
    whole, valence, arousal = told_emotion("happy")
    assert (valence, arousal) == pytest.approx((0.81, 0.51))
    assert whole[EMOTIONS.index("happy")] == pytest.approx(1.0)
    trace, less_valence, _ = told_emotion("happy", 0.2)
    assert trace[0] == pytest.approx(1.0 - 0.2 / 0.45)
    assert less_valence == pytest.approx(0.2 * 0.81)
    assert told_emotion("neutral") == (pytest.approx(np.eye(8)[0]), 0.0, 0.0)


def test_a_drawn_feeling_is_what_it_is_called() -> None:
    rng = np.random.default_rng(0)
    for name in EMOTIONS:
        feelings = [draw_feeling(rng, name, 0.5) for _ in range(60)]
        told = np.stack([feeling.emotion for feeling in feelings])
        weights = np.stack([feeling.weights for feeling in feelings])
        assert told.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
        assert (told.argmax(axis=1) == EMOTIONS.index(name)).mean() > 0.9
        assert 0.0 <= weights.min() <= weights.max() <= 1.0
        assert (weights[:, ARKIT_SHAPES.index("mouthClose")] <= weights[:, ARKIT_SHAPES.index("jawOpen")]).all()


def test_contempt_is_shown_by_one_half_and_either() -> None:
    rng = np.random.default_rng(0)
    left, right = (ARKIT_SHAPES.index(f"mouthDimple{side}") for side in ("Left", "Right"))
    apart = [face[left] - face[right] for face in (draw_feeling(rng, "contempt", 0.9).weights for _ in range(80))]
    assert np.abs(apart).mean() > 0.3
    assert 20 < sum(difference > 0 for difference in apart) < 60


def test_others_names_are_understood_and_unknown_ones_refused() -> None:
    assert [emotion_named(word) for word in ("Happiness", "ANGER", "sadness ")] == ["happy", "anger", "sad"]
    with pytest.raises(ValueError, match="bored"):
        emotion_named("bored")


def test_labels_come_back_as_they_were_written(tmp_path: Path) -> None:
    labels = {"a": EmotionLabel("happy", 0.5, 0.4, 0.2), "b": EmotionLabel("contempt")}
    write_labels(tmp_path, labels)
    found = read_labels(tmp_path)
    assert found["a"] == labels["a"]
    assert replace(found["b"], valence=0.0, arousal=0.0) == EmotionLabel("contempt", 1.0, 0.0, 0.0)
    assert np.isnan(found["b"].valence)


@pytest.mark.parametrize(("line", "message"), [("a\tbored\t1\t\t", "bored"), ("a\thappy\t1\t2.0\t0", "valence")])
def test_a_damaged_line_is_named(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / LABELS_NAME).write_text(f"name\temotion\tamount\tvalence\tarousal\n{line}\n")
    with pytest.raises(RecipeError, match=rf"line 2.*{message}"):
        read_labels(tmp_path)


def test_photographs_are_found_by_their_labels_and_split_by_person(tmp_path: Path) -> None:
    for name in ("Ann_0001.jpg", "Ann_0002.jpg", "Bob_0001.jpg"):
        (tmp_path / name).write_bytes(b"")
    lines = ["image,emotion", "Ann_0001.jpg,Happiness", "Ann_0002.jpg,NEUTRAL", "gone.jpg,fear", "Bob_0001.jpg,anger"]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    found = labelled(tmp_path, tmp_path / "labels.csv", "made up", "research")
    assert [one.label.emotion for one in found] == ["happy", "neutral", "anger"]
    infos = [one.recording.info for one in found]
    assert (infos[0].person, infos[0].split) == (infos[1].person, infos[1].split)
    assert {info.use for info in infos} == {"research"}
    (tmp_path / "labels.csv").write_text("image,emotion\nAnn_0001.jpg,bored")
    with pytest.raises(ValueError, match=r"line 2.*bored"):
        labelled(tmp_path, tmp_path / "labels.csv", "made up", "research")


@pytest.mark.parametrize("batch", [3, 8, 50])
def test_every_class_comes_equally_often(batch: int) -> None:
    """To within 2 %, however rare: the issue's own check."""
    classes = np.repeat(np.arange(8), [2000, 900, 300, 100, 30, 10, 3, 1])
    balanced, rng = Balanced(classes), np.random.default_rng(0)
    drawn = np.concatenate([balanced.draw(rng, step, batch) for step in range(2400 // batch)])
    shares = np.bincount(classes[drawn], minlength=8) / len(drawn)
    assert np.abs(8.0 * shares - 1.0).max() < 0.02
    assert len(np.unique(drawn[classes[drawn] == 0])) > 200


def test_a_class_that_nobody_shows_is_left_out() -> None:
    drawn = Balanced([5, 5, 2]).draw(np.random.default_rng(0), 0, 100)
    assert np.bincount(drawn).tolist()[2] == 50
    with pytest.raises(RecipeError, match="nothing"):
        Balanced([])


def test_batches_show_what_their_labels_say_and_come_again(tmp_path: Path) -> None:
    made_up_emotions(tmp_path / "faces")
    data = EmotionData(str(tmp_path), ["faces"], side_px=48)
    pictures = labelled_pictures(data, ["faces"], data.uses, ("train",))
    assert len(pictures.rows) == 16  # of ten clips of two pictures two are held out; nobody feels nothing
    batches = EmotionBatches(pictures, data, 8, 1, is_validation=False)
    batch, again, next_one = batches[3], batches[3], batches[4]
    assert batch["crop"].shape == (8, 48, 48, 3)
    assert batch["emotion"].sum(dim=1).tolist() == pytest.approx([1.0] * 8)
    assert all(torch.equal(batch[name], again[name]) for name in batch)
    assert not torch.equal(batch["crop"], next_one["crop"])
    store = FaceStore(tmp_path / "faces")
    labels = read_labels(tmp_path / "faces")
    for row in range(len(pictures.rows)):
        clip = int(np.searchsorted(store.first, pictures.rows[row, 1], side="right")) - 1
        assert EMOTIONS[pictures.classes[row]] == labels[store.infos[clip].name].emotion
        assert store.infos[clip].split == "train"


def test_what_may_not_be_learnt_from_is_not(tmp_path: Path) -> None:
    made_up_emotions(tmp_path / "faces")
    data = EmotionData(str(tmp_path), ["faces"], uses=["research"])
    with pytest.raises(RecipeError, match="use research"):
        labelled_pictures(data, ["faces"], data.uses, ("train",))


def test_a_store_without_labels_is_labelled_by_a_teacher(tmp_path: Path) -> None:
    made_up_emotions(tmp_path / "faces")
    (tmp_path / "faces" / LABELS_NAME).unlink()
    data = EmotionData(str(tmp_path), ["faces"])
    with pytest.raises(RecipeError, match="teacher_run"):
        labelled_pictures(data, ["faces"], data.uses, ("train",))
    torch.manual_seed(0)
    teacher = EmotionFromCoefficients(16, 1).eval()
    pictures = labelled_pictures(data, ["faces"], data.uses, ("train",), teacher)
    known = pictures.coefficients(np.arange(len(pictures.rows)))
    with torch.no_grad():
        told = teacher(known["shape"], known["expression"], known["jaw"])
    assert np.allclose(pictures.valence, told["valence"].numpy(), atol=1e-5)
    assert np.allclose(pictures.emotion, told["logits"].softmax(dim=1).numpy(), atol=1e-5)


def test_drawn_coefficients_move_as_the_table_says() -> None:
    """Without a tracker's errors the mean smile of happy faces is that of the table, and others do not smile."""
    data = CoefficientData("", noise_sd=0.0, weakest=1.0)
    batches = EmotionCoefficients(data, 64, 1)
    rows = [batches[step] for step in range(4)]
    batch = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    classes = batch["emotion"].argmax(dim=1)
    assert torch.equal(batches[2]["expression"], rows[2]["expression"])
    arkit = ArkitMap(open_head())
    smile = ARKIT_SHAPES.index("mouthSmileLeft")
    nothing = np.zeros(2), np.zeros(4)
    smiles = np.array(
        [arkit.to_arkit(*row, *nothing)[smile] for row in zip(batch["expression"], batch["jaw"], strict=True)]
    )
    is_happy = (classes == EMOTIONS.index("happy")).numpy()
    assert smiles[is_happy].mean() > 0.4
    assert smiles[~is_happy].mean() < 0.2
    assert float(batch["valence"][classes == EMOTIONS.index("happy")].min()) > 0.0


def test_people_at_rest_are_found_and_laid_under_emotions(tmp_path: Path) -> None:
    made_up_emotions(tmp_path / "faces")
    data = CoefficientData(
        str(tmp_path), ["faces"], ["made up"], most_smile=1.0, most_open=1.0, tracked=1.0, noise_sd=0.0, least_smile=2.0
    )
    arkit = ArkitMap(open_head())
    people, smiling = tracked_people(replace(data, least_smile=2.0), arkit)
    assert (len(people), len(smiling)) == (8, 0)  # of ten two are held out
    resting, smiling = tracked_people(replace(data, most_smile=-1.0, least_smile=0.0), arkit)
    assert (len(resting), len(smiling)) == (0, 8)
    assert tracked_people(replace(data, uses=["research"]), arkit) == ([], [])
    shapes = np.concatenate([rests["shape"] for rests in people])
    batch = EmotionCoefficients(data, 8, 1)[0]
    for shape in batch["shape"].numpy():
        assert np.abs(shapes - shape).max(axis=1).min() < 1e-6


def test_who_smiles_is_happy(tmp_path: Path) -> None:
    made_up_emotions(tmp_path / "faces")
    data = CoefficientData(str(tmp_path), ["faces"], ["made up"], most_smile=-1.0, least_smile=0.0, noise_sd=0.0)
    _, smiling = tracked_people(data, ArkitMap(open_head()))
    smiles = np.concatenate([faces["expression"] for faces in smiling])
    batch = EmotionCoefficients(data, 256, 1)[0]
    is_theirs = np.array([np.abs(smiles - row).max(axis=1).min() < 1e-6 for row in batch["expression"].numpy()])
    assert 8 <= is_theirs.sum() <= 24  # of 32 happy ones
    assert (batch["emotion"][torch.from_numpy(is_theirs), 2:] == 0.0).all()
