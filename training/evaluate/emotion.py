"""How well emotions are read:

    python -m training.evaluate.emotion --stores DIR STORE ... --reader PATH --coefficients RUN

A table: for each store with labels and each reader of pictures (a run of `emotion`, its exported file, face-api's
folder) or of coefficients (a run of `emotion_from_coefficients`) accuracy, balanced accuracy and F1 over the eight
emotions, and CCC, PCC, RMSE and sign agreement of valence and arousal. Where nobody judged those, they are the label's
word's (training/data/emotions.toml); a neutral face's 0 is a sign of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from training.data.emotion_batches import EmotionData, labelled_pictures
from training.emotion_checkpoints import load_emotion_reader, trained_emotion_from_coefficients
from training.tasks.emotion import judged
from training.tasks.emotion_from_coefficients import judged_coefficients, labelled_coefficients

_MOODS = [f"{mood}_{measure}" for mood in ("valence", "arousal") for measure in ("ccc", "pcc", "rmse", "sagr")]
_COLUMNS = ("accuracy", "balanced", "f1", *_MOODS)
_SPLITS = ("train", "val", "test")


def rows(
    stores: Path, names: list[str], readers: list[Path], coefficients: list[Path], splits: tuple[str, ...], most: int
) -> Iterator[tuple[str, str, dict[str, float]]]:
    """(store, reader, figures) of every pair. `splits` and `most` are of readers of pictures."""
    for name in names:
        data = EmotionData(str(stores), [name])
        for path in readers:
            pictures = labelled_pictures(data, [name], data.validation_uses, splits)
            yield name, str(path), judged(load_emotion_reader(path), pictures, data, most)
        for path in coefficients:
            network = trained_emotion_from_coefficients(path)
            yield name, str(path), judged_coefficients(network, labelled_coefficients(str(stores), name))


def line(store: str, reader: str, figures: dict[str, float]) -> str:
    """A row of the table, in Markdown."""
    numbers = [f"{figures[column]:.2f}" if column in figures else "" for column in _COLUMNS]
    return f"| {store} | {reader} | {' | '.join(numbers)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="STORE", help="stores with labels")
    parser.add_argument("--stores", type=Path, required=True, help="their folder")
    parser.add_argument("--reader", type=Path, action="append", default=[], help="of pictures")
    parser.add_argument("--coefficients", type=Path, action="append", default=[], help="run of the perceptron")
    parser.add_argument("--split", action="append", choices=_SPLITS, help="of the pictures; default all")
    parser.add_argument("--most", type=int, default=2000, help="pictures of a store")
    chosen = parser.parse_args()
    splits = tuple(chosen.split) if chosen.split else _SPLITS
    print(f"| store | reader | {' | '.join(_COLUMNS)} |\n|{'---|' * (len(_COLUMNS) + 2)}")
    for row in rows(chosen.stores, chosen.names, chosen.reader, chosen.coefficients, splits, chosen.most):
        print(line(*row), flush=True)


if __name__ == "__main__":
    main()
