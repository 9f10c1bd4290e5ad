"""Irradiance is the integral that it stands for; the sensor exposes, rolls off and is noisy as it says."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("moderngl", reason="the renderer needs moderngl")
from training.render.light import Environment, draw_environment
from training.render.sensor import Sensor, draw_sensor, exposure, take

CLEAN = Sensor(0.2, (1.0, 1.0, 1.0), 0.5, 2.2, 0.0, 0.0, 0.0, 0.0, 0.0, 96, None)


def shaded(sums: np.ndarray, n: np.ndarray) -> np.ndarray:
    x, y, z = n
    basis = np.array([1.0, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y])
    return basis @ sums


def test_even_light_is_even() -> None:
    sums = Environment(np.ones((64, 128, 3), np.float32)).irradiance()
    for n in np.eye(3):
        np.testing.assert_allclose(shaded(sums, n), 1.0, atol=0.01)


def test_irradiance_is_the_cosine_weighted_integral() -> None:
    rng = np.random.default_rng(0)
    environment = draw_environment(rng, [])
    rows, columns, _ = environment.radiance.shape
    down = (np.arange(rows) + 0.5)[:, None] * np.pi / rows
    around = ((np.arange(columns) + 0.5) / columns - 0.5) * 2 * np.pi
    towards = np.stack(
        [np.sin(down) * np.sin(around), np.cos(down) + 0 * around, -np.sin(down) * np.cos(around)], axis=-1
    )
    area = np.sin(down) * (np.pi / rows) * (2 * np.pi / columns)
    sums = environment.irradiance()
    for n in rng.normal(size=(6, 3)):
        n /= np.linalg.norm(n)
        exact = np.einsum("rc,rcb->b", np.clip(towards @ n, 0, None) * area / np.pi, environment.radiance)
        np.testing.assert_allclose(shaded(sums, n), exact, rtol=0.12)


def test_behind_looks_where_the_map_says() -> None:
    radiance = np.zeros((64, 128, 3), np.float32)
    radiance[32, 96] = 1.0  # a quarter to the right of straight ahead: +x
    right, ahead = np.array([[[1.0, -0.02, 0.0]]], np.float32), np.array([[[0.0, 0.0, -1.0]]], np.float32)
    assert Environment(radiance).behind(right).max() > 0.2
    assert Environment(radiance).behind(ahead).max() == 0.0


def test_exposure_brings_the_picture_to_its_aim() -> None:
    light = np.random.default_rng(0).uniform(0.0, 0.02, (96, 96, 3)).astype(np.float32)
    taken = take(np.random.default_rng(0), light, CLEAN, exposure(light, CLEAN))
    assert ((taken / 255.0) ** 2.2).mean() == pytest.approx(CLEAN.aim, rel=0.05)


def test_a_dim_picture_is_noisier() -> None:
    light = np.full((96, 96, 3), 0.2, np.float32)
    deviations = [
        take(np.random.default_rng(0), light, replace(CLEAN, shot=shot), 1.0).std() for shot in (0.0, 1e-4, 1e-3)
    ]
    assert deviations[0] == 0.0
    assert deviations[2] > 2.0 * deviations[1] > 0.0


def test_motion_smears_along_itself() -> None:
    light = np.zeros((96, 96, 3), np.float32)
    light[48, 48] = 50.0
    taken = take(np.random.default_rng(0), light, CLEAN, 1.0, motion_px=(12.0, 0.0))[..., 0] > 100
    assert 9 <= taken.any(axis=0).sum() <= 15
    assert taken.any(axis=1).sum() <= 3


def test_every_sensor_takes_a_picture() -> None:
    rng = np.random.default_rng(0)
    light = rng.uniform(0.0, 1.0, (192, 192, 3)).astype(np.float32)
    for _ in range(40):
        sensor = draw_sensor(rng, 192)
        taken = take(rng, light, sensor, exposure(light, sensor))
        assert taken.shape == (192, 192, 3)
        assert 2 < taken.mean() < 250
