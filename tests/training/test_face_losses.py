"""Losses of a face: exact as the head, nothing where the truth is told, deaf to what is unknown."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models.flame_torch import FlameTorch, matrix_from_axis_angle
from models.head.flame import open_head
from models.head.landmarks import BROW_ROWS, FACE_POINTS, MOUTH_ROWS, OUTLINE_ROWS, open_head_landmarks
from training.data.lips import lip_gap_mm
from training.losses.detection import DetectionLoss, DetectionWeights
from training.losses.face import FaceLoss, FaceWeights, angle_between
from training.losses.face_surface import FaceSurface, projected

B = 4
Named = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def surface() -> FaceSurface:
    return FaceSurface(open_head())


@pytest.fixture(scope="module")
def loss(surface: FaceSurface) -> FaceLoss:
    return FaceLoss(surface, FaceWeights())


def motion(seed: int = 0) -> Named:
    generator = torch.Generator().manual_seed(seed)

    def normal(size: int, scale: float) -> torch.Tensor:
        return scale * torch.randn(B, size, generator=generator)

    return {
        "expression": normal(50, 0.7),
        "jaw": normal(3, 0.1),
        "eyelids": torch.rand(B, 2, generator=generator),
        "gaze": normal(4, 0.2),
        "shape": normal(100, 0.5),
    }


def told_and_batch(surface: FaceSurface) -> tuple[Named, Named]:
    """Outputs that are exactly the truths."""
    told = motion()
    told["rotation"] = matrix_from_axis_angle(0.3 * torch.randn(B, 3, generator=torch.Generator().manual_seed(1)))
    told["place"] = torch.tensor([[0.5, 0.42, 4.0]] * B)
    focal = torch.full((B,), 2.0)
    head = surface(torch.cat([told["expression"], told["jaw"]], 1), told["eyelids"], told["gaze"], told["shape"])
    told["points"] = projected(head, told["rotation"], told["place"], focal)
    told |= {"presence": torch.ones(B), "visibility": torch.ones(B, 4), "points_spread": torch.full((B, 140), 0.01)}
    told |= {"valence": torch.zeros(B), "arousal": torch.zeros(B)}
    told["shape"][2:], told["expression"][2:] = told["shape"][:2], told["expression"][:2]
    told["jaw"][2:], told["eyelids"][2:], told["gaze"][2:] = told["jaw"][:2], told["eyelids"][:2], told["gaze"][:2]
    head = surface(torch.cat([told["expression"], told["jaw"]], 1), told["eyelids"], told["gaze"], told["shape"])
    told["points"] = projected(head, told["rotation"], told["place"], focal)
    batch = {name: values.clone() for name, values in told.items()}
    batch |= {"crop": torch.zeros(B, 1), "focal": focal, "points_seen": torch.ones(B, 140), "belief": torch.ones(B)}
    return told, batch | {"mood": torch.zeros(B, 2), "same": torch.ones(B // 2)}


def test_points_are_where_the_head_has_them(surface: FaceSurface) -> None:
    head, embedding, told = open_head(), open_head_landmarks(), motion()
    vertices = FlameTorch(head)(told["expression"], told["jaw"], told["eyelids"], told["gaze"], told["shape"]).numpy()
    ids = list(FACE_POINTS)
    corners = vertices[:, head.f[embedding.triangles[ids]]]
    expected = 1000.0 * np.einsum("pk,bpkc->bpc", embedding.barycentric[ids], corners)
    points = surface(torch.cat([told["expression"], told["jaw"]], 1), told["eyelids"], told["gaze"], told["shape"])
    np.testing.assert_allclose(points.numpy(), expected, atol=0.005)
    alone = torch.cat([told["expression"], told["jaw"]], dim=1)
    np.testing.assert_allclose(surface.gap_mm(surface(alone)).numpy(), lip_gap_mm(alone.numpy()), atol=0.05)


def test_the_truth_costs_nothing(surface: FaceSurface, loss: FaceLoss) -> None:
    told, batch = told_and_batch(surface)
    losses = loss(told, batch)
    for name, value in losses.items():
        if name in ("spread", "prior", "total"):
            continue
        assert float(value) < 2e-3, name


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("expression", {"expression", "surface", "projected"}),
        ("jaw", {"jaw", "surface", "gap", "relative"}),
        ("eyelids", {"eyelids", "surface", "relative"}),
        ("gaze", {"gaze", "surface"}),
        ("shape", {"shape", "projected", "identity"}),
        ("rotation", {"rotation", "projected"}),
        ("place", {"place", "projected"}),
        ("points", {"points", "relative", "spread"}),
        ("presence", {"presence"}),
        ("visibility", {"visibility"}),
        ("valence", {"mood"}),
    ],
)
def test_an_error_costs_where_it_should(surface: FaceSurface, loss: FaceLoss, name: str, names: set[str]) -> None:
    told, batch = told_and_batch(surface)
    before = loss(told, batch)
    off = 0.3 * torch.randn(told[name].shape, generator=torch.Generator().manual_seed(5))
    told[name] = (
        (told[name] + off).clamp(0.05, 0.9) if name in ("presence", "visibility", "eyelids") else told[name] + off
    )
    after = loss(told, batch)
    for key in names:
        assert float(after[key]) > float(before[key]) + 1e-3, key


def test_rare_motion_is_worth_its_square(surface: FaceSurface, loss: FaceLoss) -> None:
    """An absolute error of what is nearly always 0 is least where it is told to be always 0."""
    told, batch = told_and_batch(surface)
    costs: list[Named] = []
    for amount in (0.02, 0.04):
        aside = told | {"jaw": told["jaw"] + torch.tensor([0.0, amount, 0.0])}
        costs.append(loss(aside, batch))
    for name in ("jaw", "surface"):
        assert float(costs[1][name] / costs[0][name]) == pytest.approx(4.0, rel=0.05), name


def test_half_shut_lids_are_worth_more_than_open_ones(surface: FaceSurface) -> None:
    told, batch = told_and_batch(surface)
    batch["eyelids"] = torch.tensor([[0.0, 0.0], [0.5, 0.5], [0.0, 0.0], [0.5, 0.5]])
    told["eyelids"] = torch.tensor([[1e-4, 1e-4], [0.3, 0.3], [1e-4, 1e-4], [0.3, 0.3]])
    even, more = (
        float(FaceLoss(surface, FaceWeights(half_shut=half_shut))(told, batch)["eyelids"] / FaceWeights().eyelids)
        for half_shut in (0.0, 4.0)
    )
    # A half of the lids, told 0.3, by their distance from the truth: then five of six parts.
    apart = -0.5 * math.log(0.3 * 0.7) + math.log(0.5)
    assert even == pytest.approx(0.5 * apart, abs=1e-3)
    assert more == pytest.approx(5.0 / 6.0 * apart, abs=1e-3)


def test_a_closer_look_is_judged_by_what_it_tells(surface: FaceSurface, loss: FaceLoss) -> None:
    told, batch = told_and_batch(surface)
    assert float(loss.closely(told, batch)["points"]) == pytest.approx(0.0, abs=1e-4)
    for rows, costs in ((MOUTH_ROWS, True), (BROW_ROWS, True), (OUTLINE_ROWS, False)):
        wrong = told | {"points": told["points"].clone()}
        wrong["points"][:, rows] += 0.1
        assert (float(loss.closely(wrong, batch)["points"]) > 0.1) == costs
    del told["rotation"], told["place"], told["presence"]
    assert float(loss.closely(told, batch)["expression"]) == pytest.approx(0.0, abs=1e-6)


def test_what_is_unknown_counts_for_nothing(surface: FaceSurface, loss: FaceLoss) -> None:
    told, batch = told_and_batch(surface)
    unknown = ("expression", "jaw", "eyelids", "gaze", "shape", "rotation", "place", "points", "visibility", "mood")
    for name in unknown:
        batch[name] = torch.full_like(batch[name], math.nan)
    told = {name: (values + 0.1).requires_grad_() for name, values in motion(7).items()} | {
        name: values.requires_grad_() for name, values in told.items() if name not in motion()
    }
    losses = loss(told, batch)
    losses["total"].backward()
    assert bool(torch.isfinite(losses["total"]))
    for name in ("expression", "jaw", "eyelids", "gaze", "shape", "surface", "gap", "rotation", "place", "points"):
        assert float(losses[name].detach()) == 0.0, name
    for name in ("rotation", "place", "points", "visibility"):
        gradient = told[name].grad
        assert gradient is None or not bool(gradient.any()), name
    for values in told.values():
        assert values.grad is None or bool(torch.isfinite(values.grad).all())


def test_belief_weighs_what_another_tracker_says(surface: FaceSurface, loss: FaceLoss) -> None:
    told, batch = told_and_batch(surface)
    told["expression"] = told["expression"] + torch.tensor([1.0, 0.0, 0.0, 0.0])[:, None]
    whole = float(loss(told, batch)["expression"])
    batch["belief"] = torch.tensor([0.0, 1.0, 1.0, 1.0])
    assert float(loss(told, batch)["expression"]) == 0.0
    batch["belief"] = torch.tensor([0.5, 1.0, 1.0, 1.0])
    assert 0.0 < float(loss(told, batch)["expression"]) < whole


def test_a_hidden_point_costs_nothing(surface: FaceSurface, loss: FaceLoss) -> None:
    told, batch = told_and_batch(surface)
    told["points"] = told["points"].clone()
    told["points"][:, 3] += 0.2
    assert float(loss(told, batch)["points"]) > 1e-3
    batch["points_seen"][:, 3] = 0.0
    assert float(loss(told, batch)["points"]) < 1e-4


def test_doubt_is_honest(surface: FaceSurface, loss: FaceLoss) -> None:
    """The loss of the spread is least where it is the real error."""
    told, batch = told_and_batch(surface)
    told["points"] = told["points"] + torch.tensor([0.012, 0.016])
    spreads = torch.linspace(0.005, 0.05, 91)
    losses = [float(loss({**told, "points_spread": s.expand(B, 140)}, batch)["spread"]) for s in spreads]
    assert float(spreads[int(np.argmin(losses))]) == pytest.approx(0.02, abs=0.001)


def test_two_crops_of_a_picture_show_one_motion(surface: FaceSurface, loss: FaceLoss) -> None:
    told, batch = told_and_batch(surface)
    told["jaw"] = told["jaw"] + torch.tensor([0.1, 0.1, 0.0, 0.0])[:, None]
    assert float(loss(told, batch)["same"]) > 0.05
    batch["same"] = torch.zeros(B // 2)
    assert float(loss(told, batch)["same"]) == 0.0


def test_a_change_is_judged_by_itself(surface: FaceSurface) -> None:
    """Whoever reads a person wrongly, but alike in both pictures, tells every change of theirs."""
    loss, even = FaceLoss(surface, FaceWeights(change=1.0)), FaceLoss(surface, FaceWeights(change=2.0))
    told, batch = told_and_batch(surface)
    aside = told | {"jaw": told["jaw"] + torch.tensor([0.0, 0.05, 0.0])}
    assert float(loss(aside, batch)["change"]) == pytest.approx(0.0, abs=1e-6)
    assert float(loss(aside, batch)["jaw"]) > 0.1
    # The truth goes aside in the second picture of each pair, and nothing of it is told.
    moved = batch | {"jaw": batch["jaw"] + torch.tensor([0.0, 0.0, 0.05, 0.05])[:, None] * torch.tensor([0, 1.0, 0])}
    costs = loss(told, moved)
    # One of three angles is off by two of its sizes, and in half of the pictures.
    assert float(costs["jaw"]) == pytest.approx(FaceWeights().jaw * 0.5 * 4.0 / 3.0, rel=1e-4)
    assert float(costs["change"]) == pytest.approx(2.0 * float(costs["jaw"] + costs["surface"]), rel=0.02)
    assert float(even(told, moved)["change"]) == pytest.approx(2.0 * float(costs["change"]), rel=1e-4)
    # Two crops of nobody change in nothing.
    moved["belief"] = torch.zeros(B)
    assert float(loss(told, moved)["change"]) == 0.0


def test_angles_between_rotations() -> None:
    axis_angle = torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 1.5, 0.0], [0.0, 0.0, 3.1]])
    still = torch.eye(3).expand(4, 3, 3)
    expected = torch.tensor([0.0, 0.1, 1.5, 3.1])
    torch.testing.assert_close(angle_between(matrix_from_axis_angle(axis_angle), still), expected, atol=2e-3, rtol=0.0)
    same = still.clone().requires_grad_()
    angle_between(same, still).sum().backward()
    assert same.grad is not None
    assert bool(torch.isfinite(same.grad).all())


def test_a_face_is_a_hill_in_its_own_cell() -> None:
    loss = DetectionLoss(DetectionWeights())
    boxes = torch.full((1, 4, 4), math.nan)
    boxes[0, 0], boxes[0, 1] = torch.tensor([0.1, 0.2, 0.3, 0.5]), torch.tensor([0.6, 0.6, 0.7, 0.7])
    hill, owner = loss.hills(boxes)
    assert hill.argmax(dim=2)[0, :2].tolist() == [
        int(0.35 * 32) * 32 + int(0.2 * 32),
        int(0.65 * 32) * 32 + int(0.65 * 32),
    ]
    assert not hill[0, 2:].any()
    assert owner[0, int(0.65 * 32) * 32 + int(0.65 * 32)] == 1
    cells = loss.cells
    told = {
        "score": hill.max(dim=1).values.clamp(1e-4, 1.0),
        "boxes": boxes[0][owner],
        "points": torch.zeros(1, 1024, 5, 2),
    }
    told["score"] = (told["score"] >= 1.0).float()
    batch = {"picture": torch.zeros(1), "boxes": boxes, "points": torch.zeros(1, 4, 5, 2)}
    right = loss(told, batch)
    assert float(right["score"]) < 1e-2
    assert float(right["box"]) == pytest.approx(0.0, abs=1e-6)
    wrong = loss({**told, "score": 1.0 - told["score"], "boxes": told["boxes"] + 0.05}, batch)
    assert float(wrong["score"]) > 1.0
    assert float(wrong["box"]) > 0.1
    assert len(cells) == 1024
