"""How much of a picture's emotion an encoder's face keeps:

    python -m training.evaluate.emoca STORE ... --stores DIR --texture FILE --judge PATH --encoder NAME=FILE ...

Of held-out pictures with labels: the face that the coarse encoder tells (`base`, from the first encoder's file), and
those of each encoder that `emoca` exported. Two judges, of which no loss knows:

    codes   the seed's own: a linear classifier of expression and jaw, fitted anew to each encoder's codes of the
            training pictures, names the emotion of the held-out ones
    judge   another emotion network (face-api's, or a run of `emotion` that learnt from others) looks at the rendering
            as at the picture: does it say the same (`same`), does it say the label (`right`)?

and, where the truth is known, how far the face's points are off, in mm. All with 95 % intervals over people, and so are
the differences of each encoder from the one before it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.head.flame import open_head
from models.perceptual.emotion import EMOTIONS
from models.reconstruction.code import COLUMNS, decompose
from models.reconstruction.texture import load_texture_model
from training.data.emotion_batches import EmotionData, LabelledPictures, labelled_pictures
from training.data.emotion_faces import EmotionFaces
from training.emotion_checkpoints import load_emotion_reader
from training.evaluate.resampled import resampled
from training.losses.face_surface import FaceSurface
from training.render.reconstruction import Reconstruction
from training.tasks.emoca import load_emoca

BASE = "base"
_AT_ONCE = 32
# Of the classifier: how dear its weights are, and for how long it is fitted.
_RIDGE, _ROUNDS = 1e-3, 60

Verdicts = dict[str, Tensor]


def motion_of(codes: Tensor) -> Tensor:
    """Expression and jaw [N, 53] of codes [N, 238]."""
    return torch.cat([codes[:, COLUMNS["exp"]], codes[:, COLUMNS["pose"]][:, 3:]], dim=1)


def classified(known: Tensor, labels: Tensor, asked: Tensor) -> Tensor:
    """The class [M] of `asked` [M, K] that a ridged logistic regression on `known` [N, K] with `labels` [N] tells."""
    middle, spread = known.mean(dim=0), known.std(dim=0).clamp(min=1e-6)
    layer = nn.Linear(known.shape[1], len(EMOTIONS))
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=_ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        told = layer((known - middle) / spread)
        total = functional.cross_entropy(told, labels) + _RIDGE * layer.weight.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    with torch.no_grad():
        return layer((asked - middle) / spread).argmax(dim=1)


def codes_of(encoders: Mapping[str, nn.Module], faces: EmotionFaces, chosen: np.ndarray) -> dict[str, Tensor]:
    """Codes [N, 238] of each encoder for these pictures, and their `label` [N]."""
    found: dict[str, list[Tensor]] = {}
    with torch.no_grad():
        for begin in range(0, len(chosen), _AT_ONCE):
            batch = faces.of(chosen[begin : begin + _AT_ONCE], np.random.default_rng(0))
            found.setdefault("label", []).append(batch["emotion"].argmax(dim=1))
            for name, encoder in encoders.items():
                found.setdefault(name, []).append(encoder(batch["picture"]))
    return {name: torch.cat(parts) for name, parts in found.items()}


class Onlooker:
    """Judges renderings of codes by their pictures."""

    def __init__(self, texture: Path, judge: Path, size_px: int) -> None:
        self._scene = Reconstruction(load_texture_model(texture), size_px)
        self._judge, self._surface = load_emotion_reader(judge), FaceSurface(open_head())

    @torch.no_grad()
    def verdicts(self, codes: Mapping[str, Tensor], faces: EmotionFaces, chosen: np.ndarray) -> dict[str, Verdicts]:
        """Encoder -> same, right (0 or 1) and points_mm (NaN unknown), [N] each."""
        found: dict[str, dict[str, list[Tensor]]] = {}
        for begin in range(0, len(chosen), _AT_ONCE):
            rows = slice(begin, begin + _AT_ONCE)
            batch = faces.of(chosen[rows], np.random.default_rng(0))
            seen = self._judge(batch["picture"])["logits"].argmax(dim=1)
            truth = self._surface(torch.cat([batch["expression"], batch["jaw"]], dim=1))
            for name, values in codes.items():
                face = decompose(values[rows])
                said = self._judge(self._scene.draw(face, self._scene.head(face)).picture)["logits"].argmax(dim=1)
                apart = (self._surface(motion_of(values[rows])) - truth).norm(dim=2).mean(dim=1)
                told = {"same": said == seen, "right": said == batch["emotion"].argmax(dim=1), "points_mm": apart}
                for key, value in told.items():
                    found.setdefault(name, {}).setdefault(key, []).append(value.float())
        return {name: {key: torch.cat(parts) for key, parts in rows.items()} for name, rows in found.items()}


def judged(
    encoders: Mapping[str, nn.Module], data: EmotionData, onlooker: Onlooker, most: int
) -> tuple[dict[str, Verdicts], list[str]]:
    """Encoder -> what is said of each held-out picture, with `codes` (0 or 1) where training pictures are known; and
    whose each picture is. Of `data.stores`; at most `most` pictures of either part."""
    held_out = labelled_pictures(data, data.stores, data.validation_uses, ("val", "test"))
    faces = EmotionFaces(held_out, data, _AT_ONCE, 0, is_validation=True)
    chosen = _some(held_out, most)
    codes = codes_of(encoders, faces, chosen)
    label = codes.pop("label")
    found = onlooker.verdicts(codes, faces, chosen)
    learnt = labelled_pictures(data, data.stores, data.validation_uses, ("train",))
    known = codes_of(encoders, EmotionFaces(learnt, data, _AT_ONCE, 0, is_validation=True), _some(learnt, most))
    for name, values in codes.items():
        told = classified(motion_of(known[name]), known["label"], motion_of(values))
        found[name] = {"codes": (told == label).float()} | found[name]
    return found, held_out.people(chosen)


def _some(pictures: LabelledPictures, most: int) -> np.ndarray:
    """Numbers of up to `most` pictures, evenly taken from all."""
    count = len(pictures.rows)
    return np.linspace(0, count - 1, min(most, count)).round().astype(np.int64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="STORE", help="stores with labels")
    parser.add_argument("--stores", type=Path, required=True, help="their folder")
    parser.add_argument("--texture", type=Path, required=True, help="that the coarse encoder was trained with")
    parser.add_argument("--judge", type=Path, required=True, help="see training.emotion_checkpoints")
    parser.add_argument("--encoder", action="append", required=True, help="NAME=FILE, as emoca exports it")
    parser.add_argument("--most", type=int, default=1200, help="pictures of a store's part")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    encoders: dict[str, nn.Module] = {}
    size_px = 0
    for name, _, path in (given.partition("=") for given in chosen.encoder):
        encoder, size_px = load_emoca(Path(path))
        encoders.setdefault(BASE, encoder.coarse)
        encoders[name] = encoder
    onlooker = Onlooker(chosen.texture, chosen.judge, size_px)
    for store in chosen.names:
        data = replace(EmotionData(str(chosen.stores), [store]), side_px=size_px)
        found, people = judged(encoders, data, onlooker, chosen.most)
        before: Verdicts = {}
        for name, verdicts in found.items():
            for key, values in verdicts.items():
                if torch.isfinite(values).all():
                    more = f"   from the one before {resampled(values - before[key], people)}" if before else ""
                    print(f"{store:15} {name:12} {key:10} {resampled(values, people)}{more}", flush=True)
            before = verdicts


if __name__ == "__main__":
    main()
