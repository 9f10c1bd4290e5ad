"""The table of how well emotions are read: a reader that knows the labels is right, one that says happy is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.perceptual.emotion import EMOTIONS
from training.data.emotion_batches import EmotionData, labelled_pictures, placed
from training.data.emotion_labels import EmotionLabel, read_labels, write_labels
from training.data.made_up_emotions import made_up_emotions
from training.data.made_up_networks import made_up_coarse
from training.evaluate.emotion import line, rows
from training.tasks.emotion import judged


class Says(torch.nn.Module):
    """Tells what it was told to, picture by picture."""

    def __init__(self, classes: torch.Tensor, valence: torch.Tensor) -> None:
        super().__init__()
        self.device_of = torch.nn.Parameter(torch.zeros(1))
        self.classes, self.valence, self.at = classes, valence, 0

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        chosen = slice(self.at, self.at + len(pictures))
        self.at += len(pictures)
        logits = torch.eye(len(EMOTIONS))[self.classes[chosen]]
        return {"feature": logits, "logits": logits, "valence": self.valence[chosen], "arousal": self.valence[chosen]}


def test_who_knows_is_right_and_who_guesses_is_not(tmp_path: Path) -> None:
    made_up_emotions(tmp_path / "faces")
    data = EmotionData(str(tmp_path), ["faces"])
    pictures = labelled_pictures(data, ["faces"], data.uses, ("train", "val"))
    truth = pictures.batch(torch.arange(len(pictures.rows)).numpy())
    classes = truth["emotion"].argmax(dim=1)
    right = judged(Says(classes, truth["valence"]), pictures, data, 100)
    assert (right["accuracy"], right["balanced"], right["valence_ccc"]) == pytest.approx((1.0, 1.0, 1.0))
    happy = judged(Says(torch.ones_like(classes), 0.0 * truth["valence"]), pictures, data, 100)
    assert happy["balanced"] == pytest.approx(1.0 / len(classes.unique()))
    assert happy["valence_ccc"] == pytest.approx(0.0)


def test_a_word_stands_in_for_what_nobody_judged(tmp_path: Path) -> None:
    made_up_emotions(tmp_path / "faces")
    labels = read_labels(tmp_path / "faces")
    first = next(iter(labels))
    write_labels(tmp_path / "faces", {first: EmotionLabel("sad"), **{name: labels[name] for name in list(labels)[1:]}})
    data = EmotionData(str(tmp_path), ["faces"])
    pictures = labelled_pictures(data, ["faces"], data.uses, ("train",))
    batch = pictures.batch(torch.arange(4).numpy())
    assert batch["valence"].isnan().tolist() == [True, True, False, False]
    known = placed(batch)
    assert known["valence"][0] == pytest.approx(-0.63)
    assert torch.equal(known["valence"][2:], batch["valence"][2:])


def test_the_table_has_a_row_for_every_pair(tmp_path: Path) -> None:
    made_up_emotions(tmp_path / "faces")
    reader = Path(made_up_coarse(tmp_path / "networks", 48)["emotion"])
    found = list(rows(tmp_path, ["faces"], [reader], [], ("train", "val"), 8))
    assert [(store, path) for store, path, _ in found] == [("faces", str(reader))]
    assert line(*found[0]).count("|") == 14
