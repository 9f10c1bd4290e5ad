"""Crops against a pinhole: what a network says in a crop is what is so in the picture."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.head.crop import (
    CROP_MIDDLE_M,
    CROP_SIDE_M,
    Crop,
    PictureCamera,
    crop_of_head,
    crop_of_points,
    head_in_crop,
    head_in_picture,
    turn_to_crop,
)
from models.head.rotation import axis_angle_from_matrix, matrix_from_axis_angle

CAMERA = PictureCamera(900.0, (640.0, 360.0))


def pixel(point: np.ndarray, camera: PictureCamera = CAMERA) -> np.ndarray:
    x, y, z = point
    return np.array(camera.centre_px) + camera.focal_px * np.array([x, -y]) / -z


def test_a_crop_shows_the_head_upright_and_whole() -> None:
    rotation = matrix_from_axis_angle([0.0, 0.0, 0.4])  # counterclockwise about the viewer's axis
    translation = np.array([0.1, 0.05, -0.8])
    crop = crop_of_head(rotation, translation, CAMERA)
    middle = pixel(rotation @ np.array(CROP_MIDDLE_M) + translation)
    np.testing.assert_allclose([crop.x_px, crop.y_px], middle, atol=1e-9)
    above = pixel(rotation @ np.add(CROP_MIDDLE_M, (0.0, CROP_SIDE_M / 4, 0.0)) + translation)
    back = crop.from_picture()
    seen = back[:, :2] @ above + back[:, 2]
    np.testing.assert_allclose(seen, [0.5, 0.25], atol=1e-6)


def test_the_expression_of_a_turned_head_moves_no_crop_and_yaw_changes_no_size() -> None:
    sides = [
        crop_of_head(matrix_from_axis_angle([0.0, yaw, 0.0]), np.array([0.0, 0.0, -0.8]), CAMERA).side_px
        for yaw in (0.0, 0.5, 1.0)
    ]
    assert max(sides) / min(sides) < 1.02


@pytest.mark.parametrize("where", [(0.0, 0.0, -0.6), (0.3, -0.1, -0.9), (-0.35, 0.15, -0.7)])
def test_a_head_goes_into_a_crop_and_back(where: tuple[float, float, float]) -> None:
    rotation = matrix_from_axis_angle([0.2, -0.5, 0.3])
    crop = crop_of_head(rotation, np.array(where), CAMERA)
    seen = head_in_crop(rotation, np.array(where), crop, CAMERA)
    again, translation = head_in_picture(seen, crop, CAMERA)
    np.testing.assert_allclose(again, rotation, atol=1e-12)
    np.testing.assert_allclose(translation, where, atol=1e-12)
    assert seen.place[2] * CROP_SIDE_M == pytest.approx(1.0, abs=0.05)


def test_a_face_in_the_corner_that_looks_at_the_camera_is_frontal() -> None:
    """Its own z axis points at the camera: a network sees no yaw."""
    where = np.array([0.35, 0.12, -0.7])
    z = -where / np.linalg.norm(where)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    rotation = np.stack([x, np.cross(z, x), z], axis=1)
    # A point on the axis of gaze is in the crop's middle.
    at = pixel(where)
    seen = turn_to_crop(Crop(float(at[0]), float(at[1]), 200.0, 0.0), CAMERA) @ rotation
    assert abs(axis_angle_from_matrix(seen)[:2]).max() < 1e-9


def test_the_crop_s_camera_sees_what_the_warped_picture_shows() -> None:
    """Points of a small head, through the crop's camera with weak perspective, lie where the warp puts them."""
    rotation, where = matrix_from_axis_angle([0.1, 0.3, -0.25]), np.array([0.2, 0.1, -1.2])
    crop = crop_of_head(rotation, where, CAMERA)
    seen = head_in_crop(rotation, where, crop, CAMERA)
    back = crop.from_picture()
    for point in np.random.default_rng(0).normal(scale=0.03, size=(20, 3)):
        warped = back[:, :2] @ pixel(rotation @ point + where) + back[:, 2]
        turned = seen.rotation @ point
        predicted = seen.place[:2] + seen.place[2] * np.array([turned[0], -turned[1]])
        np.testing.assert_allclose(warped, predicted, atol=0.035)


def test_a_guess_from_five_points_is_near_the_head_s_crop() -> None:
    for yaw, roll in ((0.0, 0.0), (0.0, 0.5), (0.6, -0.3), (-0.6, 0.2)):
        rotation = matrix_from_axis_angle([0.0, 0.0, roll]) @ matrix_from_axis_angle([0.0, yaw, 0.0])
        where = np.array([0.05, 0.0, -0.9])
        places = ([-0.031, 0.03, 0.03], [0.031, 0.03, 0.03], [0.0, -0.038, 0.045])
        guess = crop_of_points(*(pixel(rotation @ np.array(place) + where) for place in places))
        assert guess.differs(crop_of_head(rotation, where, CAMERA)) < 0.2


def test_how_crops_differ_knows_that_angles_are_round() -> None:
    assert Crop(0.0, 0.0, 100.0, math.pi - 0.01).differs(Crop(0.0, 0.0, 100.0, -math.pi + 0.01)) == pytest.approx(0.02)
    assert Crop(0.0, 0.0, 100.0, 0.0).differs(Crop(30.0, 40.0, 100.0, 0.0)) == pytest.approx(0.5)
