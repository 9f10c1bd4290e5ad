"""What comes between camera and face: hands, microphones, cups, telephones, strands of hair, cards.

In the head's frame, around a point of the face's front; a scene moves them along.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.head.rotation import matrix_from_axis_angle
from training.render.canvas import Finish
from training.render.meshes import Mesh, ball, box, joined, rings, tube
from training.render.wear import Garment

Doubles = NDArray[np.float64]

# Where hands and things go: mouth, chin, cheeks, eyes, forehead, the side of the face; m in the head's frame.
_PLACES = np.array(
    [
        (0.0, -0.04, 0.085),
        (0.0, -0.085, 0.075),
        (0.05, -0.03, 0.06),
        (-0.05, -0.03, 0.06),
        (0.03, 0.03, 0.075),
        (-0.03, 0.03, 0.075),
        (0.0, 0.07, 0.08),
        (0.085, -0.02, 0.0),
        (-0.085, -0.02, 0.0),
    ]
)
_FINGERS = ((-0.034, 0.062, 0.0085), (-0.012, 0.078, 0.009), (0.011, 0.074, 0.0088), (0.032, 0.058, 0.0078))


def draw_occluder(rng: np.random.Generator, skin: tuple[float, float, float]) -> Garment:
    """One thing in front of, or at the side of, a face; `skin` is the linear colour of its owner's hands."""
    kind = rng.choice(
        ["hand", "microphone", "cup", "telephone", "strands", "card"], p=[0.45, 0.13, 0.1, 0.08, 0.14, 0.1]
    )
    place = _PLACES[rng.integers(len(_PLACES))] + rng.normal(0.0, 0.018, 3) * [1.0, 1.0, 0.4]
    place[2] += rng.uniform(0.0, 0.03)
    colour = tuple((rng.uniform(0.02, 0.9, 3) * rng.uniform(0.2, 1.0)).tolist())
    if kind == "hand":
        # Fingers up or aside, palm or back to the camera.
        turn = matrix_from_axis_angle([0.0, 0.0, rng.uniform(-1.8, 1.8)]) @ matrix_from_axis_angle(
            [rng.normal(0.0, 0.4), np.pi * rng.integers(2) + rng.normal(0.0, 0.5), 0.0]
        )
        mesh = hand(rng).moved(turn, place - turn @ np.array([0.0, rng.uniform(0.0, 0.09), 0.0]))
        return Garment(mesh, None, Finish(gloss=0.1, scatter=1.0, tint=skin))
    if kind == "microphone":
        place = np.array([rng.normal(0.0, 0.03), rng.uniform(-0.09, -0.04), rng.uniform(0.09, 0.2)])
        foot = place - [rng.normal(0.0, 0.08), 0.2, rng.uniform(-0.06, 0.0)]
        big = rng.uniform(0.018, 0.03)
        mesh = joined([ball(place, [big, 1.2 * big, big]), tube([place, foot], [0.8 * big, 0.5 * big])])
        return Garment(
            mesh, None, Finish(gloss=float(rng.uniform(0.0, 0.7)), tint=tuple((0.1 * np.array(colour)).tolist()))
        )
    if kind == "cup":
        place = np.array([rng.normal(0.0, 0.02), rng.uniform(-0.10, -0.05), 0.11])
        tilt = matrix_from_axis_angle([-rng.uniform(0.0, 0.9), 0.0, 0.0])
        wide = rng.uniform(0.03, 0.045)
        mesh = rings([-0.05, -0.0499, 0.05], [0.0, 0.85 * wide, wide], [0.0, 0.85 * wide, wide], [0.0, 0.0, 0.0])
        return Garment(mesh.moved(tilt, place), None, Finish(gloss=float(rng.uniform(0.1, 0.8)), tint=colour))
    if kind == "strands":
        return Garment(_strands(rng), None, Finish(gloss=0.2, tint=tuple((0.15 * np.array(colour)).tolist())))
    half = [0.037, 0.075, 0.004] if kind == "telephone" else [*rng.uniform(0.02, 0.09, 2), 0.001]
    turn = matrix_from_axis_angle(rng.normal(0.0, 0.5, 3))
    texture = rng.integers(0, 256, (int(rng.integers(1, 9)), int(rng.integers(1, 9)), 3)).astype(np.uint8)
    return Garment(box(half).moved(turn, place), texture, Finish(gloss=float(rng.uniform(0.0, 0.8))))


def hand(rng: np.random.Generator) -> Mesh:
    """A hand of capsules: the wrist at the origin, fingers towards +y bent towards +z; from a fist to spread."""
    bend, spread = rng.uniform(0.0, 1.3) * rng.uniform(), rng.uniform(-0.05, 0.25)
    side = rng.choice([-1.0, 1.0])
    parts = [
        ball([0.0, 0.045, 0.0], [0.042, 0.05, 0.016]),
        tube([[0.0, -0.25, 0.01], [0.0, -0.06, 0.0], [0.0, 0.02, 0.0]], [0.04, 0.03, 0.027]),
    ]
    for x, length, radius in _FINGERS:
        point, tilt = np.array([x, 0.085, 0.0]), 0.3 * bend
        path = [point - [0.3 * x, 0.03, 0.0], point]
        for share in (0.45, 0.32, 0.23):
            aside = spread * x / 0.034
            step = np.array([np.sin(aside), np.cos(aside) * np.cos(tilt), np.sin(tilt)])
            point = point + share * length * step
            path.append(point)
            tilt += bend * rng.uniform(0.7, 1.0)
        parts.append(tube(path, [radius, radius, 0.95 * radius, 0.9 * radius, 0.75 * radius]))
    out = rng.uniform(0.3, 1.1)
    thumb = np.array([0.03, 0.02, 0.0]) + np.array([np.sin(out), np.cos(out), 0.35]) * np.array(
        [[0.0], [0.035], [0.062]]
    )
    parts.append(tube(thumb, [0.012, 0.0105, 0.009]))
    mesh = joined(parts)
    return (
        mesh.moved(np.diag([side, 1.0, 1.0]), np.zeros(3))
        if side > 0
        else Mesh(mesh.vertices * np.array([-1.0, 1.0, 1.0], np.float32), mesh.triangles[:, ::-1].copy(), mesh.uv)
    )


def _strands(rng: np.random.Generator) -> Mesh:
    """Loose hair that hangs over a part of the face."""
    start_x, lean = rng.uniform(-0.06, 0.06), rng.uniform(-0.04, 0.04)
    strands = list[Mesh]()
    for _ in range(int(rng.integers(5, 22))):
        down = np.linspace(0.0, rng.uniform(0.06, 0.2), 7)
        x = start_x + rng.normal(0.0, 0.008) + lean * down / 0.1 + 0.004 * np.sin(down * 60.0 + rng.uniform(0, 6))
        y = 0.105 + rng.normal(0.0, 0.006) - down
        z = np.sqrt(np.clip(0.0625**2 - (0.75 * x) ** 2, 0.0, None)) + 0.022 + rng.uniform(0.0, 0.012)
        strands.append(tube(np.stack([x, y, z], axis=1), rng.uniform(0.0004, 0.0018), 4))
    return joined(strands)
