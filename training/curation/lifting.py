"""From what was seen to the motion of the head, clip by clip, after EFT (Joo et al. 2021, "Exemplar fine-tuning").

EFT does not solve for the pose of each picture: it tunes the network, on the one clip, until what it tells fits the
clip's points. What the network knows keeps the result plausible, and one function for all pictures keeps it smooth.
Here the network is frozen, and a linear layer behind it is tuned: with phi_t the principal components of everything
that the network tells of picture t, and theta_t its motion, both smoothed over time,

    theta'_t = theta_t + s (W phi_t + b),    W and b from zero,  s the usual size of a correction,

and one identity for the clip. What is minimised (L-BFGS) is the distance of the head's points, seen by the camera, from
those that the network sees in the picture, each counted by its told spread; the distances across lips and lids; the
second difference of the points in the head's frame; and the size of W, b and of the identity's change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from models.flame_torch import matrix_from_axis_angle
from models.head.flame import open_head
from models.head.landmarks import FACE_POINTS
from training.curation.item import Array, Item
from training.curation.settings import CurationSettings
from training.losses.face_surface import FaceSurface

# Parts of a motion, and how large a correction of each is usual: sd, rad, 0..1, rad, rad, m.
_USUAL = {
    "expression": 0.5,
    "jaw": 0.05,
    "eyelids": 0.15,
    "gaze": 0.08,
    "head_rotation": 0.04,
    "head_translation": 0.01,
}
_COMPONENTS = 24
_SMOOTH_S = 0.025
# Pairs across lips and lids: how the mouth is formed and how far the eyes are open.
_PAIRS = ((61, 291), (78, 308), (82, 87), (13, 14), (312, 317), (0, 17), (159, 145), (158, 153), (386, 374), (385, 380))
_ROW = {landmark: row for row, landmark in enumerate(FACE_POINTS)}
_FIRST, _SECOND = ([_ROW[pair[end]] for pair in _PAIRS] for end in (0, 1))
# Weights of the terms beside the points' own: distances, roughness (mm^2), corrections, identity.
_RELATIVE, _ROUGH, _SMALL, _SAME = 1.0, 2e-5, 2e-5, 1e-5
_LEAST_SPREAD = 0.004  # of the crop's side: no point is surer than this
_MM = 1000.0


@dataclass(frozen=True)
class Fit:
    """How a motion of F pictures fits what was seen.

    reprojection   rms distance of the head's points from those seen, counted by spread, as a share of the crop's side
    roughness_mm   rms second difference of the head's points in its own frame: the jerk of the face
    lips_r         Pearson's r of the opening of the head's lips with that of the lips that were seen
    """

    reprojection: float
    roughness_mm: float
    lips_r: float


def lift(item: Item, settings: CurationSettings) -> Iterator[Item]:
    """The clip with its lifted motion; turned down where the head does not fit what was seen."""
    before, after, lifted = lifted_motion(item, settings.lift_steps)
    measured = item.with_arrays(lifted).with_figures(
        reprojection_before=before.reprojection,
        reprojection=after.reprojection,
        roughness_before_mm=before.roughness_mm,
        roughness_mm=after.roughness_mm,
        lips_r=after.lips_r,
    )
    most = settings.reprojection_maximum
    if after.reprojection > most:
        reason = f"the head is {after.reprojection:.3f} crop sides off what is seen; most is {most:g}"
        yield measured.reject("lift", reason)
    elif after.lips_r < settings.lips_r:
        reason = f"lifted lips follow those seen with r {after.lips_r:.2f}; least is {settings.lips_r:g}"
        yield measured.reject("lift", reason)
    elif settings.lift_steps and after.roughness_mm > before.roughness_mm:
        yield measured.reject("lift", "the lifted motion is rougher than the network's own")
    else:
        yield measured


def lifted_motion(item: Item, steps: int) -> tuple[Fit, Fit, dict[str, Array]]:
    """(the network's fit, the lifted one, the lifted motion by name) after `steps` iterations; 0 lifts nothing."""
    torch.manual_seed(0)
    clip = _Clip(item)
    with torch.no_grad():
        before = clip.fit(clip.motion, clip.shape)
    if steps == 0:
        return before, before, {}
    smooth = {name: clip.smoothed(values) for name, values in clip.motion.items()}
    features = clip.features()
    widths = [values.shape[1] for values in smooth.values()]
    weights = torch.zeros(features.shape[1], sum(widths), requires_grad=True)
    identity = torch.zeros_like(clip.shape, requires_grad=True)

    def corrected() -> dict[str, Tensor]:
        parts = torch.split(features @ weights, widths, dim=1)
        return {name: values + _USUAL[name] * part for (name, values), part in zip(smooth.items(), parts, strict=True)}

    optimiser = torch.optim.LBFGS(
        [weights, identity], max_iter=steps, history_size=10, line_search_fn="strong_wolfe", tolerance_change=1e-10
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = clip.loss(corrected(), clip.shape + identity)
        loss = loss + _SMALL * weights.square().sum() / features.shape[1] + _SAME * identity.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    with torch.no_grad():
        motion, shape = corrected(), clip.shape + identity
        after = clip.fit(motion, shape)
    lifted = {name: values.numpy().astype(np.float32) for name, values in motion.items()}
    lifted["eyelids"] = np.clip(lifted["eyelids"], 0.0, 1.0)
    return before, after, lifted | {"shape": shape.numpy().astype(np.float32)}


def lifted_points(item: Item) -> Array:
    """Where FACE_POINTS of the item's motion are in its pictures, float32 [F, 140, 2] pixels."""
    clip = _Clip(item)
    with torch.no_grad():
        return clip.shown(clip.surface_of(clip.motion, clip.shape), clip.motion).numpy()


class _Clip:
    """What was seen of a clip, as tensors: F pictures."""

    def __init__(self, item: Item) -> None:
        arrays = item.arrays
        self.motion = {name: torch.tensor(arrays[name], dtype=torch.float32) for name in _USUAL}
        self.shape = torch.tensor(arrays["shape"], dtype=torch.float32)
        self.focal_px = item.figures["focal_px"]
        self.centre = torch.tensor([item.figures["width_px"] / 2.0, item.figures["height_px"] / 2.0])
        self.period_s = float(np.median(np.diff(arrays["times_s"])))
        self.side_px = torch.tensor(arrays["side_px"], dtype=torch.float32)
        self.points = torch.tensor(arrays["points"], dtype=torch.float32)
        spread = arrays["spread"] / arrays["side_px"][:, None]
        counted = 1.0 / np.maximum(spread, _LEAST_SPREAD) ** 2
        self.counted = torch.tensor(counted / counted.mean(), dtype=torch.float32)
        self.surface = _surface()

    def smoothed(self, values: Tensor) -> Tensor:
        """Values [F, n] without what no face can do from picture to picture."""
        sigma = _SMOOTH_S / self.period_s
        return torch.tensor(gaussian_filter1d(values.numpy(), sigma, axis=0, mode="nearest"), dtype=torch.float32)

    def features(self) -> Tensor:
        """phi with a column of ones [F, at most 25]: what the network tells, in its principal components."""
        shown = (self.points - self.points.mean(dim=1, keepdim=True)) / self.side_px[:, None, None]
        told = torch.cat(
            [10.0 * shown.flatten(1), *(self.motion[name] / _USUAL[name] / 10.0 for name in _USUAL)], dim=1
        )
        smooth = self.smoothed(told - told.mean(dim=0))
        left, strength, _ = torch.linalg.svd(smooth, full_matrices=False)
        kept = int(torch.sum(strength[:_COMPONENTS] > 1e-3 * strength[0].clamp(min=1e-6)))
        components = left[:, :kept] * strength[:kept] / strength[0].clamp(min=1e-6) * len(left) ** 0.5
        return torch.cat([components, torch.ones(len(left), 1)], dim=1)

    def loss(self, motion: dict[str, Tensor], shape: Tensor) -> Tensor:
        """What is minimised, but for the size of the corrections."""
        surface = self.surface_of(motion, shape)
        off = self._off(surface, motion)
        # Far off, a point counts as its distance: one that was seen wrongly does not bend the rest.
        reach = 0.02
        points = torch.mean(self.counted * reach**2 * (torch.sqrt(1.0 + off.square().sum(dim=2) / reach**2) - 1.0))
        across = off[:, _FIRST] - off[:, _SECOND]
        rough = torch.mean((surface[2:] - 2.0 * surface[1:-1] + surface[:-2]).square())
        return points + _RELATIVE * across.square().mean() + _ROUGH * rough

    def fit(self, motion: dict[str, Tensor], shape: Tensor) -> Fit:
        """How `motion` fits; see `Fit`."""
        surface = self.surface_of(motion, shape)
        off = self._off(surface, motion)
        rough = (surface[2:] - 2.0 * surface[1:-1] + surface[:-2]).square().sum(dim=2)
        gap = surface[:, self.surface.upper, 1] - surface[:, self.surface.lower, 1]
        seen = torch.linalg.norm(self.points[:, self.surface.upper] - self.points[:, self.surface.lower], dim=1)
        return Fit(
            reprojection=float(torch.sum(self.counted * off.square().sum(dim=2)).div(self.counted.sum()).sqrt()),
            roughness_mm=float(rough.mean().sqrt()),
            lips_r=_pearson(gap, seen / self.side_px),
        )

    def surface_of(self, motion: dict[str, Tensor], shape: Tensor) -> Tensor:
        """FACE_POINTS [F, 140, 3] in mm in the head's frame."""
        mouth = torch.cat([motion["expression"], motion["jaw"]], dim=1)
        return self.surface(mouth, motion["eyelids"], motion["gaze"], shape.expand(len(mouth), -1))

    def _off(self, surface: Tensor, motion: dict[str, Tensor]) -> Tensor:
        """How far the head's points are from those that were seen [F, 140, 2], in crop sides."""
        return (self.shown(surface, motion) - self.points) / self.side_px[:, None, None]

    def shown(self, surface: Tensor, motion: dict[str, Tensor]) -> Tensor:
        """Where the picture shows points [F, 140, 3], mm in the head's frame: [F, 140, 2] pixels."""
        turned = torch.einsum("fij,fpj->fpi", matrix_from_axis_angle(motion["head_rotation"]), surface / _MM)
        placed = turned + motion["head_translation"][:, None]
        depth = (-placed[:, :, 2:]).clamp(min=0.05)
        return self.centre + self.focal_px * placed[:, :, :2] * placed.new_tensor([1.0, -1.0]) / depth


def _pearson(first: Tensor, second: Tensor) -> float:
    first, second = first - first.mean(), second - second.mean()
    scale = torch.linalg.norm(first) * torch.linalg.norm(second)
    return float(first @ second / scale) if float(scale) > 0.0 else 0.0


@cache
def _surface() -> FaceSurface:
    return FaceSurface(open_head())
