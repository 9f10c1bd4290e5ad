"""The networks that see: streams equal to offline, rates, look-ahead, bounds."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from models.streaming import check_causal, check_streaming, run
from models.video.face import Face, PictureOfFace
from models.video.face_detector import FaceDetector
from models.video.face_encoder import FEATURE_SIZE, FaceEncoder, place_of, rotation_of
from models.video.temporal import MOTION_SIZE, RING, ROW_SIZE, TAP_S, TemporalResidual

SIDE = 128


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (*shape, SIDE, SIDE, 3), generator=generator, dtype=torch.uint8)


@pytest.fixture(scope="module")
def residual() -> TemporalResidual:
    """One that adds something."""
    torch.manual_seed(0)
    module = TemporalResidual().eval()
    torch.nn.init.normal_(module.last.weight, std=0.05)
    return module.requires_grad_(False)


@pytest.fixture(scope="module")
def face(residual: TemporalResidual) -> Face:
    torch.manual_seed(0)
    return Face(FaceEncoder(), residual).eval().requires_grad_(False)


@dataclass(frozen=True)
class Walk:
    """Features and motion that change at a steady speed, told at a rate."""

    start: torch.Tensor
    speed: torch.Tensor

    def rows(self, rate_hz: float, pictures: int) -> torch.Tensor:
        times_s = torch.arange(pictures)[:, None] / rate_hz
        told = self.start + times_s * self.speed
        return torch.cat([told, torch.full((pictures, 1), 1.0 / rate_hz)], dim=1)[None]


@pytest.fixture(scope="module")
def walk() -> Walk:
    generator = torch.Generator().manual_seed(3)
    start, speed = torch.randn(2, ROW_SIZE, generator=generator)
    speed[FEATURE_SIZE + 50 :], start[FEATURE_SIZE + 50 :] = 0.1, 0.0
    return Walk(start, speed)


@pytest.mark.parametrize("lookahead", [0.0, 2.0])
def test_a_stream_is_offline_in_pieces(face: Face, lookahead: float) -> None:
    crops = noise(2, 4)
    offline, offline_state = run(face, [crops], knobs(face, 2, lookahead))
    online, online_state = run(face, [crops[:, :1], crops[:, 1:3], crops[:, 3:]], knobs(face, 2, lookahead))
    for actual, expected in ((online, offline), (online_state, offline_state)):
        for name in expected:
            torch.testing.assert_close(actual[name], expected[name], atol=1e-4, rtol=1e-5)


def test_the_residual_streams_and_sees_no_future(residual: TemporalResidual) -> None:
    rows = torch.randn(3, 20, ROW_SIZE + 1, generator=torch.Generator().manual_seed(0)) * 0.1
    rows[:, :, -1] = 1.0 / 30.0
    check_streaming(residual, rows)
    # Its own noise would make a step of seconds; a step back would not be time.
    rows[:, :, -1] = 0.0
    check_causal(residual, rows)


def test_a_picture_is_exported_as_it_streams(face: Face) -> None:
    crops = noise(1, 3)
    offline, _ = run(face, [crops])
    picture, state = PictureOfFace(face), face.initial_state(1)
    for step in range(3):
        told, state = picture(crops[:, step], state)
        for name, values in told.items():
            torch.testing.assert_close(values, offline[name][:, step], atol=1e-4, rtol=1e-5)


def test_look_ahead_tells_an_older_picture(residual: TemporalResidual, walk: Walk) -> None:
    rows = walk.rows(30.0, 12)
    for lookahead in (0, 1, 2):
        state = knobs(residual, 1, lookahead) | {"knob_residual": torch.tensor([-1.0])}
        told, _ = residual(rows, state)
        motion = rows[:, : 12 - lookahead, FEATURE_SIZE : FEATURE_SIZE + 50]
        torch.testing.assert_close(told["expression"][:, lookahead:], motion, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("rate_hz", [25.0, 60.0, 44.0])
def test_the_residual_is_the_same_at_any_rate(residual: TemporalResidual, walk: Walk, rate_hz: float) -> None:
    """A steady motion is known between its pictures, so the residual one second in must not tell the rates apart."""
    expected, _ = residual(walk.rows(30.0, 31), residual.initial_state())
    told, _ = residual(walk.rows(rate_hz, round(rate_hz) + 1), residual.initial_state())
    torch.testing.assert_close(told["expression"][0, -1], expected["expression"][0, -1], atol=1e-3, rtol=1e-4)
    # It would, if a 60 Hz stream were told to be one of 30 Hz.
    wrong = walk.rows(60.0, 61)
    wrong[:, :, -1] = 0.0
    told, _ = residual(wrong, residual.initial_state())
    assert float((told["expression"][0, -1] - expected["expression"][0, -1]).abs().max()) > 0.01


def test_look_ahead_in_time_is_the_same_at_any_rate(residual: TemporalResidual, walk: Walk) -> None:
    """Two pictures at 60 Hz are one at 30 Hz."""
    slow, _ = residual(walk.rows(30.0, 31), knobs(residual, 1, 1))
    fast, _ = residual(walk.rows(60.0, 61), knobs(residual, 1, 2))
    torch.testing.assert_close(fast["expression"][0, -1], slow["expression"][0, -1], atol=1e-3, rtol=1e-4)


def test_a_stream_begins_as_if_its_first_picture_had_always_been_there(residual: TemporalResidual, walk: Walk) -> None:
    first = walk.rows(30.0, 1)
    told, _ = residual(first, residual.initial_state())
    still, _ = residual(first.expand(-1, 2 * RING, -1), residual.initial_state())
    torch.testing.assert_close(still["expression"][:, -1], told["expression"][:, 0], atol=1e-5, rtol=1e-5)


def test_learning_begins_at_the_single_picture() -> None:
    torch.manual_seed(0)
    rows = torch.randn(2, 8, ROW_SIZE + 1)
    rows[:, :, -1] = TAP_S
    module = TemporalResidual()
    told, _ = module(rows, module.initial_state(2))
    alone = rows[:, :, FEATURE_SIZE : FEATURE_SIZE + 50]
    assert 0.0 < float((told["expression"] - alone).detach().abs().max()) < 0.01
    assert MOTION_SIZE == 53


def test_what_is_told_is_within_its_bounds() -> None:
    torch.manual_seed(1)
    encoder = FaceEncoder().eval()
    torch.nn.init.normal_(encoder.heads.weight, std=3.0)
    with torch.no_grad():
        told = encoder(noise(4))
    assert float(told["jaw"].abs().max()) <= 1.0
    assert float(told["gaze"].abs().max()) <= torch.pi / 2 + 1e-6
    for name in ("eyelids", "presence", "visibility"):
        assert 0.0 <= float(told[name].min()) <= float(told[name].max()) <= 1.0
    identity = told["rotation"] @ told["rotation"].mT
    torch.testing.assert_close(identity, torch.eye(3).expand(4, 3, 3), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(torch.linalg.det(told["rotation"]), torch.ones(4), atol=1e-5, rtol=0.0)
    assert float(told["place"][:, 2].min()) > 0.0
    assert float(told["points_spread"].min()) > 0.0


def test_an_untaught_encoder_tells_a_mean_face() -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        told = FaceEncoder().eval()(noise(2))
    assert float((told["rotation"] - torch.eye(3)).abs().max()) < 0.5
    assert float(told["eyelids"].max()) < 0.4
    # Eyes above the mouth, the subject's left on the right.
    assert float(told["points"][:, :40, 1].mean() - told["points"][:, 40:82, 1].mean()) > 0.15


def test_six_numbers_are_the_rotation_that_they_are_columns_of() -> None:
    turn = torch.linalg.qr(torch.randn(5, 3, 3, generator=torch.Generator().manual_seed(0))).Q
    turn = turn * torch.linalg.det(turn)[:, None, None]
    six = torch.cat([turn[:, :, 0], turn[:, :, 1]], dim=1)
    torch.testing.assert_close(rotation_of(2.0 * six), turn, atol=1e-5, rtol=0.0)


def test_a_head_where_its_crop_expects_it_is_told_by_zeros() -> None:
    from models.head.crop import PictureCamera, crop_of_head, head_in_crop

    rotation, translation, camera = torch.eye(3).numpy(), torch.tensor([0.0, 0.0, -0.6]).numpy(), None
    camera = PictureCamera(600.0, (320.0, 240.0))
    seen = head_in_crop(rotation, translation, crop_of_head(rotation, translation, camera), camera)
    told = place_of(torch.zeros(1, 3))[0].numpy()
    assert abs(told[:2] - seen.place[:2]).max() < 0.01
    # The crop is of the middle of the face, 2 cm nearer than the head's origin.
    assert told[2] == pytest.approx(seen.place[2], rel=0.05)


def test_the_detector_tells_boxes_about_their_cells() -> None:
    torch.manual_seed(0)
    detector = FaceDetector().eval()
    with torch.no_grad():
        told = detector(torch.zeros(1, 256, 256, 3, dtype=torch.uint8))
    middle = 0.5 * (told["boxes"][0, :, :2] + told["boxes"][0, :, 2:])
    torch.testing.assert_close(middle.reshape(32, 32, 2)[5, 20], torch.tensor([20.5, 5.5]) / 32, atol=0.02, rtol=0.0)
    assert float(told["score"].max()) < 0.1
    with pytest.raises(ValueError, match="the detector takes"):
        detector(torch.zeros(1, 192, 256, 3, dtype=torch.uint8))


def knobs(module: Face | TemporalResidual, batch: int, lookahead: float) -> dict[str, torch.Tensor]:
    return module.initial_state(batch) | {"knob_lookahead": torch.full((batch,), float(lookahead))}
