"""The pictures of the open head in docs/head:  python -m training.head.pictures [--out FOLDER]"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from models.head.arkit import ArkitMap
from models.head.flame import FaceRig, Floats, HeadModel, open_head
from models.head.picture import Picture, render
from protocol.frame import ARKIT_SHAPES

_QUALITY = 85
# Shapes that a front view hides.
_TURNED_RAD = {"jawForward": 1.1, "tongueOut": 0.6, "mouthFunnel": 0.5, "mouthPucker": 0.5, "cheekPuff": 0.4}
# Shapes that need an open jaw to be themselves.
_OPENED = {"mouthClose": 1.0, "tongueOut": 0.3}


def sheet(pictures: Sequence[tuple[str, Picture]], columns: int) -> Picture:
    """Pictures of one size side by side, each with its label: uint8 [H, W, 3]."""
    height, width, _ = pictures[0][1].shape
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * width, rows * height), "white")
    draw = ImageDraw.Draw(page)
    for index, (label, picture) in enumerate(pictures):
        corner = (index % columns * width, index // columns * height)
        page.paste(Image.fromarray(picture), corner)
        draw.text((corner[0] + 6, corner[1] + 4), label, fill=(40, 40, 40))
    return np.asarray(page)


def neutral_sheet(head: HeadModel) -> Picture:
    vertices = head.v_template
    views = (("front", 0.0), ("three quarters", 0.65), ("side", 1.55))
    return sheet([(name, render(vertices, head, yaw_rad=yaw)) for name, yaw in views], columns=3)


def arkit_sheet(head: HeadModel) -> Picture:
    """Each of the 52 shapes at weight 1; mouthClose on an open jaw, as it is defined."""
    rig, arkit = FaceRig(head), ArkitMap(head)
    pictures = []
    for index, name in enumerate(ARKIT_SHAPES):
        weights = np.zeros(len(ARKIT_SHAPES))
        weights[ARKIT_SHAPES.index("jawOpen")] = _OPENED.get(name, 0.0)
        weights[index] = 1.0
        vertices = rig.vertices(*arkit.to_motion(weights))
        label = f"{name} + jawOpen {_OPENED[name]:g}" if name in _OPENED else name
        pictures.append((label, _portrait(vertices, head, _TURNED_RAD.get(name, 0.0))))
    return sheet(pictures, columns=8)


def identity_sheet(head: HeadModel, count: int = 10) -> Picture:
    """The first `count` identity components: -2 sd above, +2 sd below."""
    pictures = []
    for amount in (-2.0, 2.0):
        for index in range(count):
            shape = np.zeros(head.shape_count)
            shape[index] = amount
            pictures.append((f"identity {index} at {amount:+g} sd", _portrait(head.shaped(shape), head, 0.35)))
    return sheet(pictures, columns=count)


def expression_sheet(head: HeadModel, count: int = 10) -> Picture:
    """The first `count` expression components: -2 sd above, +2 sd below."""
    rig = FaceRig(head)
    pictures = []
    for amount in (-2.0, 2.0):
        for index in range(count):
            expression = np.zeros(head.expression_count)
            expression[index] = amount
            vertices = rig.vertices(expression, np.zeros(3), np.zeros(2), np.zeros(4))
            pictures.append((f"expression {index} at {amount:+g} sd", _portrait(vertices, head, 0.0)))
    return sheet(pictures, columns=count)


def people_sheet(head: HeadModel, count: int = 10) -> Picture:
    """Random identities, one standard deviation in every component."""
    rng = np.random.default_rng(1)
    people = (head.shaped(rng.normal(size=head.shape_count)) for _ in range(count))
    return sheet([(f"random {i}", _portrait(person, head, 0.2)) for i, person in enumerate(people)], columns=count // 2)


def _portrait(vertices: Floats, head: HeadModel, yaw_rad: float) -> Picture:
    return render(vertices, head, yaw_rad=yaw_rad, size=(200, 220), height_m=0.27, centre_m=(0.0, 0.0, -0.02))


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the pictures of the open head.")
    parser.add_argument("--out", type=Path, default=Path("docs/head"))
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    head = open_head()
    for name, picture in (
        ("neutral", neutral_sheet(head)),
        ("arkit", arkit_sheet(head)),
        ("identity", identity_sheet(head)),
        ("expression", expression_sheet(head)),
        ("people", people_sheet(head)),
    ):
        path = folder / f"{name}.jpg"
        Image.fromarray(picture).save(path, quality=_QUALITY)
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
