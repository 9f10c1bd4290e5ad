"""Rendered heads that show emotions:  python -m training.data.build_emotion_heads --out DIR [--pictures N]

Fills DIR/emotion_heads: random identities of the open head, each in all eight emotions (training/data/emotions.toml),
as EMOCA's own renderer shows them: a skin of the texture model, spherical-harmonics light, nothing behind the head. An
emotion network compares such renderings with pictures, so it must be at home in both. 20 ms a picture on one core. The
same seed gives the same pictures; started again, it goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from models.flame_torch import matrix_from_axis_angle
from models.head.arkit import ArkitMap
from models.head.crop import CROP_MIDDLE_M, CROP_SIDE_M
from models.head.flame import open_head
from models.head.landmarks import FACE_POINTS
from models.perceptual.emotion import EMOTIONS
from models.reconstruction.code import SIZES, FaceCode
from models.reconstruction.texture import load_texture_model
from training.data.build_textures import DEFAULT_PATH
from training.data.emotion_acting import draw_feeling
from training.data.emotion_labels import LABELS_NAME, EmotionLabel, read_labels, write_labels
from training.data.face_store import MARGIN, PICTURE_PX, FaceClip, FaceClipInfo, FaceWriter
from training.losses.face_surface import FaceSurface
from training.render.acting import acted
from training.render.differentiable import in_picture
from training.render.mouth_pictures import draw_light
from training.render.reconstruction import Reconstruction

NAME = "emotion_heads"
_EACH = 2  # pictures of a person in each emotion
_HELD_OUT = {0: "val", 10: "test"}  # of every 20 people
_MOST_SD = 2.5
_TURN_RAD = (0.12, 0.22, 0.08)  # pitch, yaw, roll
_SHIFT_M, _SIZE = 0.004, 0.06
_MM = 1000.0
_BLACK = 0.5  # share of pictures before nothing, as EMOCA's; the others before a grey


class Sitter:
    """Draws people who sit for all emotions; one a process."""

    def __init__(self, texture: Path) -> None:
        self._scene = Reconstruction(load_texture_model(texture), PICTURE_PX)
        self._arkit, self._surface = ArkitMap(open_head()), FaceSurface(open_head())

    @torch.no_grad()
    def sit(self, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray], list[EmotionLabel]]:
        """Pictures uint8 [16, 192, 192, 3] of one person, what is known of them (see `face_store`), their labels."""
        names = list(EMOTIONS) * _EACH
        feelings = [draw_feeling(rng, name, is_pure=True) for name in names]
        acts = [acted(rng, self._arkit, feeling.weights) for feeling in feelings]
        told = {part: np.concatenate([getattr(act, part) for act in acts]) for part in ("expression", "jaw", "eyelids")}
        told["shape"] = np.tile(_normal(rng, SIZES["shape"]), (len(names), 1)).astype(np.float32)
        face = self._face(rng, told)
        told["points"] = self._points(face).flatten(1).numpy()
        told["points_seen"] = np.ones((len(names), len(FACE_POINTS)), np.float32)
        behind = np.where(rng.random(len(names)) < _BLACK, 0.0, rng.random(len(names)))
        background = (
            torch.tensor(behind, dtype=torch.float32).reshape(-1, 1, 1, 1).expand(-1, 3, PICTURE_PX, PICTURE_PX)
        )
        drawn = self._scene.draw(face, self._scene.head(face), background).picture.clamp(0.0, 1.0)
        pictures = np.round(255.0 * drawn.permute(0, 2, 3, 1).numpy()).astype(np.uint8)
        told["mood"] = np.array([[feeling.valence, feeling.arousal] for feeling in feelings], np.float32)
        told["presence"] = told["belief"] = np.ones((len(names), 1), np.float32)
        labels = [
            EmotionLabel(name, feeling.amount, feeling.valence, feeling.arousal)
            for name, feeling in zip(names, feelings, strict=True)
        ]
        return pictures, told, labels

    def _points(self, face: FaceCode) -> Tensor:
        """FACE_POINTS [N, 140, 2] in the stored crop's coordinates."""
        points_m = self._surface(torch.cat([face.exp, face.jaw], dim=1), face.lids, shape=face.shape) / _MM
        turned = torch.einsum("nij,nvj->nvi", matrix_from_axis_angle(face.head_rotation), points_m)
        return 0.5 + 0.5 * in_picture(turned, face.cam)[..., :2]

    def _face(self, rng: np.random.Generator, told: dict[str, np.ndarray]) -> FaceCode:
        """Codes of these faces, each seen and lit in its own way, in one skin."""
        count = len(told["jaw"])
        turn = rng.normal(0.0, _TURN_RAD, (count, 3))
        # The stored crop's weak perspective: see models.head.crop.
        scale = 2.0 / (MARGIN * CROP_SIDE_M) * np.exp(rng.normal(0.0, _SIZE, (count, 1)))
        shift = rng.normal(0.0, _SHIFT_M, (count, 2)) - np.asarray(CROP_MIDDLE_M)[:2]
        return FaceCode(
            shape=_tensor(told["shape"]),
            tex=_tensor(np.tile(_normal(rng, SIZES["tex"]), (count, 1))),
            exp=_tensor(told["expression"]),
            pose=_tensor(np.concatenate([turn, told["jaw"]], axis=1)),
            cam=_tensor(np.concatenate([scale, shift], axis=1)),
            light=torch.cat([draw_light(rng) for _ in range(count)]),
            lids=_tensor(told["eyelids"]),
        )


def _normal(rng: np.random.Generator, size: int) -> np.ndarray:
    """More or less like the mean: an encoder that has learnt little tells nearly the same of everybody."""
    return rng.random() * np.clip(rng.normal(0.0, 1.0, size), -_MOST_SD, _MOST_SD)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)


def build(folder: Path, pictures: int, texture: Path, seed: int) -> None:
    """Append people to the store `folder` until `pictures` are in it."""
    labels = read_labels(folder) if (folder / LABELS_NAME).is_file() else {}
    sitter = Sitter(texture)
    with FaceWriter(folder) as writer:
        for number in track(range(-(-pictures // (_EACH * len(EMOTIONS)))), "people"):
            person = f"head-{seed}-{number:05d}"
            names = [f"{person}-{k:02d}" for k in range(_EACH * len(EMOTIONS))]
            if labels.keys() >= set(names):
                continue
            shown, told, said = sitter.sit(np.random.default_rng([seed, number, 4]))
            split = _HELD_OUT.get(number % 20, "train")
            for k, (name, label) in enumerate(zip(names, said, strict=True)):
                info = FaceClipInfo(name, person, NAME, "synthetic", "free", split)
                row = {part: np.asarray(values[k : k + 1], np.float32) for part, values in told.items()}
                writer.add(FaceClip(info, shown[k : k + 1], row))
                labels[name] = label
            write_labels(folder, labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the stores")
    parser.add_argument("--pictures", type=int, default=4800)
    parser.add_argument("--texture", type=Path, default=DEFAULT_PATH, help="of training.data.build_textures")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    build(arguments.out / NAME, arguments.pictures, arguments.texture, arguments.seed)


if __name__ == "__main__":
    main()
