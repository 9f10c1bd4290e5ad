"""People with wrinkles of known depth, drawn: some always there and each person's own, some made by expressions.

The truth of DECA's detail, which no photograph tells. Displacement of the surface, in the texture's layout:

    D(person, expression) = folds of the person  +  sum over kinds of  activation(expression) * folds of that kind
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from models.head.flame import open_head
from models.reconstruction.code import SIZES, FaceCode, compose, decompose
from protocol.frame import ARKIT_SHAPES
from training.render.differentiable import Unwrap
from training.render.reconstruction import DetailScene

Batch = dict[str, Tensor]

# Deep enough to be seen at a pixel of two millimetres: of an expression at its fullest, and of a person.
_DEPTH_M, _OWN_DEPTH_M = 0.005, 0.0015
_NOISE = 0.01  # of a pixel, as a share of white
# kind: ARKit shapes that make it.
KINDS = {"forehead": ("browInnerUp",), "frown": ("browDownLeft", "browDownRight"), "eyes": ("mouthSmileLeft",)}
_ACTS = (*dict.fromkeys(name for names in KINDS.values() for name in names), "mouthSmileRight", "jawOpen")


@dataclass(frozen=True)
class WrinkleData:
    """people     how many there are; 0 to learn from the stores instead
    held_out   people more, whom only the figures see; 0 to judge by the same people in other moments
    """

    people: int = 0
    held_out: int = 8


class WrinkledPeople:
    """`person(number)` and what an expression does to it. T: side of the displacement maps, in texels."""

    def __init__(self, unwrap: Unwrap) -> None:
        head = open_head()
        place = unwrap(torch.tensor(head.v_template)[None])[0]
        self._x, self._y, self._z = (channel.numpy() for channel in place)
        assert head.arkit_motion is not None
        self._motion = {name: head.arkit_motion[ARKIT_SHAPES.index(name)] for name in _ACTS}
        self.folds = {name: self._folds(name) for name in KINDS}

    def _folds(self, kind: str) -> np.ndarray:
        """Depth [T, T] in m of one kind, at full activation: grooves are negative."""
        x, y, z = self._x, self._y, self._z
        front = z > 0.0
        if kind == "forehead":
            wave = np.cos(2.0 * np.pi * (y + 0.1 * x * x / 0.05) / 0.016)
            where = _bump(x, 0.0, 0.04) * _bump(y, 0.07, 0.018)
        elif kind == "frown":
            wave = np.cos(2.0 * np.pi * (np.abs(x) - 0.006) / 0.014)
            where = _bump(x, 0.0, 0.014) * _bump(y, 0.046, 0.013)
        else:
            wave = np.cos(2.0 * np.pi * (y - 0.3 * (np.abs(x) - 0.05)) / 0.014)
            where = _bump(np.abs(x), 0.054, 0.011) * _bump(y, 0.02, 0.018)
        return (-_DEPTH_M * np.clip(wave, 0.0, 1.0) * where * front).astype(np.float32)

    def person(self, number: int) -> np.ndarray:
        """A person's own folds [T, T] in m, always there: grooves along arcs at random places of the face."""
        rng = np.random.default_rng([7, number])
        depth = np.zeros_like(self._x)
        for _ in range(int(rng.integers(3, 7))):
            x, y = rng.uniform(0.0, 0.05), rng.uniform(-0.06, 0.07)
            turn, length, width = rng.uniform(0.0, np.pi), rng.uniform(0.012, 0.025), rng.uniform(0.003, 0.005)
            sides = (1.0, -1.0) if rng.random() < 0.6 else (float(rng.choice([1.0, -1.0])),)
            for side in sides:
                along = (side * self._x - x) * np.cos(turn) + (self._y - y) * np.sin(turn)
                across = -(side * self._x - x) * np.sin(turn) + (self._y - y) * np.cos(turn) + 8.0 * along**2
                depth -= rng.uniform(0.5, 1.0) * _OWN_DEPTH_M * _bump(along, 0.0, length) * _bump(across, 0.0, width)
        return (depth * (self._z > 0.0)).astype(np.float32)

    def acts(self, rng: np.random.Generator) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
        """(activation of each kind 0..1, expression [50], jaw [3]) of a random moment."""
        weights = dict.fromkeys(_ACTS, 0.0)
        for kind, names in KINDS.items():
            level = float(rng.uniform(0.3, 1.0)) if rng.random() < 0.5 else 0.0
            weights |= dict.fromkeys(names, level)
            if kind == "eyes":
                weights["mouthSmileRight"] = level
        weights["jawOpen"] = float(rng.uniform(0.0, 0.6)) if rng.random() < 0.4 else 0.0
        motion = np.sum([level * self._motion[name] for name, level in weights.items()], axis=0)
        return {kind: weights[names[0]] for kind, names in KINDS.items()}, motion[:50], motion[50:53]

    def displacement(self, number: int, activations: dict[str, float]) -> np.ndarray:
        """[T, T] in m."""
        return self.person(number) + sum(level * self.folds[kind] for kind, level in activations.items())


class WrinkledPictures(Dataset[Batch]):
    """Item `step` is the batch of that step, of `each` pictures of each person, drawn by `scene`.

    picture [B, 3, S, S] · code [B, 238], as it was drawn · displacement [B, 1, T, T] in m, as it was drawn ·
    mask [B, 1, S, S]: the face's skin
    """

    def __init__(
        self,
        data: WrinkleData,
        scene: DetailScene,
        batch: int,
        each: int,
        seed: int,
        is_validation: bool = False,
    ) -> None:
        self.data, self.batch, self.each, self.seed = data, batch, each, seed
        self.is_validation = is_validation
        # One of its own: the student's goes to the GPU.
        self.scene = deepcopy(scene)
        self.people = WrinkledPeople(self.scene.unwrap)

    def __len__(self) -> int:
        return 1 << 30

    def __getitem__(self, index: int) -> Batch:
        # The 0 is where a process's number was: what is drawn stays the same.
        rng = np.random.default_rng([self.seed, index, 0, self.is_validation])
        codes, depths = list[Tensor](), list[np.ndarray]()
        for _ in range(self.batch // self.each):
            if self.is_validation and self.data.held_out:
                number = int(rng.integers(self.data.held_out))
            else:
                number = self.data.held_out + int(rng.integers(self.data.people))
            for _ in range(self.each):
                activations, expression, jaw = self.people.acts(rng)
                codes.append(compose(self._face(number, expression, jaw, rng)))
                depths.append(self.people.displacement(number, activations)[None])
        code, displacement = torch.cat(codes), torch.from_numpy(np.stack(depths))
        with torch.no_grad():
            drawn = self.scene.draw(decompose(code), displacement)
        noise = torch.from_numpy(rng.normal(0.0, _NOISE, drawn.picture.shape).astype(np.float32))
        return {
            "picture": (drawn.picture + noise).clamp(0.0, 1.0),
            "mask": drawn.face,
            "code": code,
            "displacement": displacement * self.scene.face,
        }

    def _face(self, number: int, expression: np.ndarray, jaw: np.ndarray, rng: np.random.Generator) -> FaceCode:
        """The person's shape and skin, in a random pose and light."""
        own = np.random.default_rng([8, number])
        shape, tex = own.normal(0.0, 0.7, SIZES["shape"]), own.normal(0.0, 0.5, SIZES["tex"])
        light = np.zeros((9, 3))
        # From the side it falls on the most, all around to where it is darkest, skin stays within black and white.
        light[0] = rng.uniform(2.2, 2.6)
        towards = rng.normal(size=3) + np.array([0.0, 0.6, 0.6])
        light[1:4] = (rng.uniform(0.35, 0.5) * towards / np.linalg.norm(towards))[:, None]
        pose = np.concatenate([rng.normal(0.0, (0.12, 0.25, 0.08)), jaw])
        cam = np.array([8.3 * np.exp(rng.normal(0.0, 0.04)), rng.normal(0.0, 0.004), 0.02 + rng.normal(0.0, 0.004)])

        def row(values: np.ndarray) -> Tensor:
            return torch.tensor(values, dtype=torch.float32)[None]

        lids = np.zeros(2)
        return FaceCode(row(shape), row(tex), row(expression), row(pose), row(cam), row(light), row(lids))


def _bump(values: np.ndarray, middle: float, half: float) -> np.ndarray:
    return np.exp(-0.5 * ((values - middle) / half) ** 2)
