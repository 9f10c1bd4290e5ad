"""Which emotion each clip of a store of faces shows: `emotions.tsv` beside its index, one line a clip.

    name    emotion    amount    valence    arousal
    still-0-000012-03    happy    0.8    0.65    0.41

`amount` 0..1 is how much of it is shown (1 where a person judged); valence and arousal -1..1 may be left empty. Who has
labelled pictures of their own (AffectNet's, say) builds a store of them with `build_labelled_faces`.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from models.perceptual.emotion import EMOTIONS
from training.recipe import RecipeError

LABELS_NAME = "emotions.tsv"
_COLUMNS = ("name", "emotion", "amount", "valence", "arousal")
# What others call them.
_ALIASES = {
    "happiness": "happy", "joy": "happy", "smile": "happy", "sadness": "sad", "surprised": "surprise",
    "surprised_face": "surprise", "fearful": "fear", "afraid": "fear", "disgusted": "disgust", "angry": "anger",
    "contemptuous": "contempt", "none": "neutral", "calm": "neutral",
}  # fmt: skip


@dataclass(frozen=True)
class EmotionLabel:
    """emotion   one of EMOTIONS        amount   0..1        valence, arousal   -1..1; NaN where nobody said"""

    emotion: str
    amount: float = 1.0
    valence: float = math.nan
    arousal: float = math.nan


def emotion_named(word: str) -> str:
    """The one of EMOTIONS that `word` means, in any case. ValueError when it means none."""
    plain = word.strip().lower()
    name = _ALIASES.get(plain, plain)
    if name not in EMOTIONS:
        raise ValueError(f"{word!r} is no emotion known here; known are {', '.join(EMOTIONS)}")
    return name


def read_labels(store: Path) -> dict[str, EmotionLabel]:
    """The labels of a store's clips by name. RecipeError when the file is missing or damaged."""
    path = store / LABELS_NAME
    if not path.is_file():
        raise RecipeError(
            f"{path} does not exist; build the store with training.data.build_emotion_faces or build_labelled_faces"
        )
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        try:
            return {row["name"]: _label(row) for row in rows}
        except (KeyError, TypeError, ValueError) as error:
            raise RecipeError(f"{path}, line {rows.line_num}: {error}; columns are {', '.join(_COLUMNS)}") from error


def write_labels(store: Path, labels: dict[str, EmotionLabel]) -> None:
    """Write the file anew."""
    half = store / f"{LABELS_NAME}.part"
    with half.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter="\t", lineterminator="\n")
        rows.writerow(_COLUMNS)
        for name, label in labels.items():
            numbers = (label.amount, label.valence, label.arousal)
            rows.writerow([name, label.emotion, *("" if math.isnan(value) else f"{value:.4f}" for value in numbers)])
    half.replace(store / LABELS_NAME)


def _label(row: dict[str, str]) -> EmotionLabel:
    valence, arousal = (float(row[name]) if row[name] else math.nan for name in ("valence", "arousal"))
    label = EmotionLabel(emotion_named(row["emotion"]), float(row["amount"] or 1.0), valence, arousal)
    if not 0.0 <= label.amount <= 1.0 or max(abs(valence), abs(arousal)) > 1.0:
        raise ValueError("amount must be 0..1, valence and arousal -1..1")
    return label
