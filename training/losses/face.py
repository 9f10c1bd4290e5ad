"""Losses of what is told of a picture of a face. An unknown truth (NaN) counts for nothing.

Truth comes in two kinds: how a picture was made, and what another tracker made of one. `belief` weighs what the second
kind says of expression, jaw and identity; its points are worth more, and reach the motion through the head itself
(`projected`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.head.landmarks import BROW_ROWS, FACE_POINTS, MOUTH_ROWS, OUTLINE_ROWS
from training.loop import Batch, Losses
from training.losses.face_surface import FaceSurface, projected
from training.losses.motion import weighted_mean

# Pairs of landmarks whose distances say how the mouth is formed (after SPECTRE's: corners, inner lips, lips to nose and
# chin), and how far the lids are apart (after DECA's eye closure).
_MOUTH_PAIRS = ((61, 291), (78, 308), (82, 87), (13, 14), (312, 317), (17, 152), (0, 2))
_LID_PAIRS = ((159, 145), (158, 153), (386, 374), (385, 380))
# Edges of the irises to the outer corners: where the eyes look.
_IRIS_PAIRS = ((33, 469), (33, 471), (263, 474), (263, 476))
# Points of lips, eyes and brows count this much; those of the outline, which nothing marks in a picture, this little.
_MUCH, _LITTLE = 3.0, 0.5
# A third of how far it opens, and less of how far it goes aside or tilts, which is rare.
_JAW_RAD = (0.15, 0.025, 0.025)
_PROBABILITY_FLOOR = 1e-4
_DISTANCE_FLOOR = 1e-6


@dataclass(frozen=True)
class FaceWeights:
    """How much each part counts.

    expression        squared error, sd^2
    jaw               squared error, in shares of its usual range: an absolute one would be content with jaws that never
                      go aside
    gaze              absolute error, rad, as far as the eye is open
    eyelids           cross-entropy, less the truth's own (an absolute error would be content with eyes always open);
                      a lid that is half shut counts 1 + half_shut times as much: blinks pass through it, and few
                      pictures show it
    shape             squared error, sd^2
    surface           squared distance of FACE_POINTS on the head without identity, mm^2
    gap               error of the lips' gap, mm, where they are nearly closed or should be: exp(-max(gap, 0) / reach)
    points            distance in the crop, crop sides
    spread            -log likelihood of it: an exponential distribution whose mean is the told spread
    relative          distances within the mouth, between the lids and from irises to corners, crop sides
    projected         distance of the points of the told head, seen by the crop's camera, crop sides
    rotation          angle, rad        place   crop sides; the logarithm of its scale
    presence, visibility   cross-entropy        mood   squared error
    change            squared errors of expression, jaw and surface, each by its own weight, of what differs between two
                      pictures of a person. Of one picture nobody knows whether a chin lies aside or is held there, and
                      who must be right about each makes it small; from one picture to the next it is seen in full
    identity          squared difference of shape between pictures of a person, sd^2
    same              distance of FACE_POINTS between two crops of a picture, mm
    prior             mean square of expression and shape, sd^2
    """

    expression: float = 0.3
    jaw: float = 1.0
    gaze: float = 2.0
    eyelids: float = 2.0
    half_shut: float = 4.0
    shape: float = 0.1
    surface: float = 0.1
    gap: float = 0.2
    gap_reach_mm: float = 1.5
    points: float = 10.0
    spread: float = 0.1
    relative: float = 10.0
    projected: float = 5.0
    rotation: float = 2.0
    place: float = 5.0
    change: float = 0.0
    presence: float = 0.5
    visibility: float = 0.3
    mood: float = 0.2
    identity: float = 0.05
    same: float = 0.2
    prior: float = 0.002


class FaceLoss(nn.Module):
    """`forward(told, batch)`: the losses by name, of a `FaceEncoder`'s outputs and a batch of `FacePairs`."""

    importance: Tensor

    def __init__(self, surface: FaceSurface, weights: FaceWeights) -> None:
        super().__init__()
        self.surface, self.weights = surface, weights
        row_of = {landmark: row for row, landmark in enumerate(FACE_POINTS)}
        pairs = [(row_of[one], row_of[other]) for one, other in (*_MOUTH_PAIRS, *_LID_PAIRS, *_IRIS_PAIRS)]
        self.pairs = tuple(zip(*pairs, strict=True))
        importance = torch.ones(len(FACE_POINTS))
        importance[MOUTH_ROWS.start : BROW_ROWS.stop], importance[OUTLINE_ROWS] = _MUCH, _LITTLE
        self.register_buffer("importance", importance, persistent=False)

    def forward(self, told: dict[str, Tensor], batch: Batch) -> Losses:
        # Half precision would round points, tens of mm from the origin, to more than the errors that count.
        with torch.autocast(batch["crop"].device.type, enabled=False):
            told = {name: values.float() for name, values in told.items()}
            losses = {
                **self._motion(told, batch),
                **self._points(told, batch),
                **self._head(told, batch),
                **self._pairs(told, batch),
            }
            weighted = {name: getattr(self.weights, name) * loss for name, loss in losses.items()}
            return {**weighted, "total": torch.stack(list(weighted.values())).sum()}

    def closely(self, told: dict[str, Tensor], batch: Batch) -> Losses:
        """The losses of the motion, and of the points that a closer look tells; of nothing else."""
        with torch.autocast(batch["crop"].device.type, enabled=False):
            told = {name: values.float() for name, values in told.items()}
            weight = batch["points_seen"] * torch.isfinite(batch["points"]).all(dim=2)
            rows = slice(BROW_ROWS.stop)
            weight, spread = weight[:, rows], told["points_spread"][:, rows]
            error = _length(told["points"] - torch.nan_to_num(batch["points"]))[:, rows]
            losses = self._motion({**told, "shape": torch.nan_to_num(batch["shape"])}, batch) | {
                "points": weighted_mean(error, weight),
                "spread": weighted_mean(error.detach() / spread + torch.log(spread), weight),
            }
            weighted = {name: getattr(self.weights, name) * loss for name, loss in losses.items()}
            return {**weighted, "total": torch.stack(list(weighted.values())).sum()}

    def surface_of(self, told: dict[str, Tensor]) -> Tensor:
        """FACE_POINTS [B, 140, 3] in mm of the told motion, without identity."""
        return self.surface(torch.cat([told["expression"], told["jaw"]], dim=1), told["eyelids"], told["gaze"])

    def _motion(self, told: dict[str, Tensor], batch: Batch) -> Losses:
        belief = batch["belief"]
        # What is unknown is taken for what was told, so that it moves no point.
        truth = {
            name: torch.where(torch.isfinite(batch[name]), batch[name], told[name].detach())
            for name in ("expression", "jaw", "eyelids", "gaze", "shape")
        }
        is_known = {name: torch.isfinite(batch[name]).all(dim=1).float() for name in truth}
        error = {name: told[name] - values for name, values in truth.items()}
        moved = belief * is_known["expression"] * is_known["jaw"]
        points, true_points = self.surface_of(told), self.surface_of(truth)
        gap, true_gap = self.surface.gap_mm(points), self.surface.gap_mm(true_points)
        narrower = torch.minimum(gap.detach(), true_gap)
        closeness = torch.exp(-narrower.clamp(min=0.0) / self.weights.gap_reach_mm)
        half_shut = 4.0 * truth["eyelids"] * (1.0 - truth["eyelids"])
        lids = is_known["eyelids"][:, None] * (1.0 + self.weights.half_shut * half_shut)
        jaw_error, misplaced = error["jaw"] / error["jaw"].new_tensor(_JAW_RAD), points - true_points
        is_open = (1.0 - truth["eyelids"]).repeat_interleave(2, dim=1)
        has_face = _known(batch["presence"])
        unsure = has_face * (1.0 - belief * is_known["shape"])
        tame = 0.2 * told["expression"].square().mean(dim=1) + unsure * told["shape"].square().mean(dim=1)
        return {
            "expression": weighted_mean(error["expression"].square().mean(dim=1), belief * is_known["expression"]),
            "jaw": weighted_mean(jaw_error.square().mean(dim=1), belief * is_known["jaw"]),
            "eyelids": _cross_entropy(told["eyelids"], truth["eyelids"], lids)
            - _cross_entropy(truth["eyelids"], truth["eyelids"], lids),
            "gaze": weighted_mean((is_open * error["gaze"].abs()).mean(dim=1), is_known["gaze"]),
            "shape": weighted_mean(error["shape"].square().mean(dim=1), belief * is_known["shape"]),
            "surface": weighted_mean(misplaced.square().sum(dim=2).mean(dim=1), moved),
            "change": self._change(error["expression"], jaw_error, misplaced, moved),
            "gap": weighted_mean(closeness * (gap - true_gap).abs(), moved),
            "prior": weighted_mean(tame, has_face),
        }

    def _change(self, expression: Tensor, jaw: Tensor, points: Tensor, known: Tensor) -> Tensor:
        """Of errors [B, ...] of what is told: what each differs by from that of the other picture of its person."""
        one, other = known.chunk(2)

        def apart(errors: Tensor) -> Tensor:
            first, second = errors.chunk(2)
            return (first - second).square()

        weights = self.weights
        changes = (
            weights.expression * apart(expression).mean(dim=1)
            + weights.jaw * apart(jaw).mean(dim=1)
            + weights.surface * apart(points).sum(dim=2).mean(dim=1)
        )
        return weighted_mean(changes, one * other)

    def _points(self, told: dict[str, Tensor], batch: Batch) -> Losses:
        weight = batch["points_seen"] * torch.isfinite(batch["points"]).all(dim=2)
        truth = torch.nan_to_num(batch["points"])
        error = _length(told["points"] - truth)
        spread = told["points_spread"]
        head = self.surface(
            torch.cat([told["expression"], told["jaw"]], dim=1), told["eyelids"], told["gaze"], told["shape"]
        )
        # Of a head that is told in a wild place the projection is wild; it learns its place from `place` first.
        shown = projected(head, told["rotation"], told["place"], batch["focal"]).clamp(-1.0, 2.0)
        one, other = self.pairs
        pair_weight = weight[:, one] * weight[:, other]

        def apart(points: Tensor) -> Tensor:
            return _length(points[:, one] - points[:, other])

        relative = (apart(told["points"]) - apart(truth)).abs() + (apart(shown) - apart(truth)).abs()
        return {
            "points": weighted_mean(error, weight * self.importance),
            "spread": weighted_mean(error.detach() / spread + torch.log(spread), weight),
            "relative": weighted_mean(relative, pair_weight),
            "projected": weighted_mean(_length(shown - truth), weight * self.importance),
        }

    def _head(self, told: dict[str, Tensor], batch: Batch) -> Losses:
        turned = torch.isfinite(batch["rotation"]).all(dim=(1, 2)).float()
        placed = torch.isfinite(batch["place"]).all(dim=1).float()
        place = torch.where(torch.isfinite(batch["place"]), batch["place"], told["place"].detach())
        scale = (torch.log(told["place"][:, 2]) - torch.log(place[:, 2].clamp(min=1e-3))).abs()
        mood = torch.stack([told["valence"], told["arousal"]], dim=1)
        has_face = _known(batch["presence"])[:, None] * torch.ones_like(told["visibility"])
        return {
            "rotation": weighted_mean(angle_between(told["rotation"], torch.nan_to_num(batch["rotation"])), turned),
            "place": weighted_mean((told["place"][:, :2] - place[:, :2]).abs().sum(dim=1) + scale, placed),
            "presence": _cross_entropy(told["presence"], batch["presence"], torch.ones_like(told["presence"])),
            "visibility": _cross_entropy(told["visibility"], batch["visibility"], has_face),
            "mood": weighted_mean(
                (mood - torch.nan_to_num(batch["mood"])).square(), torch.isfinite(batch["mood"]).float()
            ),
        }

    def _pairs(self, told: dict[str, Tensor], batch: Batch) -> Losses:
        """Rows i and i + B / 2: one person, one motion where both are crops of one picture."""
        has_face = _known(batch["presence"]).chunk(2)[0]
        one, other = told["shape"].chunk(2)
        points, other_points = self.surface_of(told).chunk(2)
        return {
            "identity": weighted_mean((one - other).square().mean(dim=1), has_face),
            "same": weighted_mean(_length(points - other_points).mean(dim=1), has_face * batch["same"]),
        }


def angle_between(one: Tensor, other: Tensor) -> Tensor:
    """Angle [B] in rad, 0..pi, between rotations [B, 3, 3]: from the chord |R - S| = 2 sqrt(2) sin(angle / 2).

    The arc cosine of the trace would have an infinite slope where they agree.
    """
    half_chord = (one - other).square().sum(dim=(1, 2)).clamp(min=1e-12).sqrt() / (2.0 * 2.0**0.5)
    return 2.0 * torch.asin(half_chord.clamp(max=1.0 - 1e-6))


def _known(presence: Tensor) -> Tensor:
    """1 where there is a face; a picture that does not say has one."""
    return torch.nan_to_num(presence, nan=1.0)


def _length(vectors: Tensor) -> Tensor:
    """Euclidean length along the last axis, with a finite slope at 0."""
    return (vectors.square().sum(dim=-1) + _DISTANCE_FLOOR**2).sqrt()


def _cross_entropy(told: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Of probabilities `told` against probabilities `truth`, where known."""
    is_known = torch.isfinite(truth)
    truth, told = torch.nan_to_num(truth), told.clamp(_PROBABILITY_FLOOR, 1.0 - _PROBABILITY_FLOOR)
    entropy = -(truth * torch.log(told) + (1.0 - truth) * torch.log(1.0 - told))
    return weighted_mean(entropy, weight * is_known)
