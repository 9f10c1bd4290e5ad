"""What the store is told about a drawn face is what the picture shows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("moderngl", reason="pictures need moderngl")
from models.head.arkit import ArkitMap
from models.head.crop import HeadInCrop, PictureCamera, crop_of_head, head_in_picture
from models.head.flame import open_head
from models.head.landmarks import FACE_POINTS, IRISES, LIPS
from models.head.rotation import matrix_from_axis_angle
from training.data.build_acted_shapes import act
from training.data.build_synthetic_faces import build, draw_sheet
from training.data.face_store import MARGIN, PICTURE_PX, FaceClip, FaceClipInfo, FaceStore
from training.render import studio as studio_module
from training.render.acting import EACH, Acts
from training.render.canvas import Lighting, Solid
from training.render.framing import Shot, head_points
from training.render.light import Environment
from training.render.meshes import box
from training.render.people import Person
from training.render.sensor import Sensor
from training.render.studio import Set, Studio, Unit, plan_moments, plan_unit

CLEAN = Sensor(0.2, (1.0, 1.0, 1.0), 0.5, 2.2, 0.0, 0.0, 0.0, 0.0, 0.0, 192, None)
CAMERA = PictureCamera(700.0, (320.0, 240.0))
INFO = FaceClipInfo("one", "somebody", "render", "synthetic", "free", "train")


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(None)


@pytest.fixture(scope="module")
def person(studio: Studio) -> Person:
    """Nothing but a head: no glasses, no hair."""
    somebody = studio.cast.person(np.random.default_rng(3))
    somebody.fixed = []
    return somebody


def acts(**values: float | list[float]) -> Acts:
    rows = {"expression": 50, "jaw": 3, "eyelids": 2, "gaze": 4}
    return Acts(**{name: np.broadcast_to(np.float32(values.get(name, 0.0)), (1, size)) for name, size in rows.items()})


def shot(yaw_rad: float = 0.0) -> Shot:
    rotation, place = matrix_from_axis_angle([0.1, yaw_rad, 0.2]), np.array([0.06, -0.03, -0.6])
    own = crop_of_head(rotation, place, CAMERA)
    return Shot(CAMERA, rotation[None], place[None], [replace(own, side_px=own.side_px * MARGIN)])


def seen_by(studio: Studio, person: Person, moment: Acts, view: Shot, things: list[Solid]) -> FaceClip:
    light = Lighting(
        np.array([[1.0] * 3] + [[0.0] * 3] * 8, np.float32),
        np.eye(3, dtype=np.float32)[:2],
        np.zeros((2, 3), np.float32),
    )
    around = Set(Environment(np.ones((32, 64, 3), np.float32)), light, CLEAN, things, np.zeros((len(things), 3)))
    # The same random numbers for each picture: only the face differs.
    return studio.film(np.random.default_rng(0), person, moment, view, around, INFO)


def test_the_mouth_s_pixels_change_where_its_points_move(studio: Studio, person: Person) -> None:
    closed, opened = (seen_by(studio, person, acts(jaw=[jaw, 0, 0]), shot(), []) for jaw in (0.0, 0.3))
    changed = np.abs(closed.pictures[0].astype(int) - opened.pictures[0]).sum(axis=2) > 60
    points = np.stack([clip.truths["points"].reshape(-1, 2) for clip in (closed, opened)])
    moves = np.linalg.norm(points[1] - points[0], axis=1)
    assert moves[np.isin(FACE_POINTS, LIPS)].max() > 0.03
    assert moves[np.isin(FACE_POINTS, IRISES)].max() < 1e-6
    rows, columns = np.nonzero(changed)
    moved = 192 * points[:, moves > 0.01].reshape(-1, 2)
    inside = (
        (columns > moved[:, 0].min() - 6)
        & (columns < moved[:, 0].max() + 6)
        & (rows > moved[:, 1].min() - 6)
        & (rows < moved[:, 1].max() + 12)
    )
    assert len(rows) > 100
    assert inside.mean() > 0.97


def test_the_nose_s_tip_is_where_the_silhouette_ends(studio: Studio, person: Person) -> None:
    """Seen from the side before a bright wall, the dark face ends at its foremost point."""
    view = shot(yaw_rad=1.2)
    clip = seen_by(studio, person, acts(), view, [])
    points = clip.truths["points"].reshape(-1, 2)
    x, y = points[FACE_POINTS.index(1)]
    row = clip.pictures[0][int(192 * y)].astype(float).mean(axis=1)
    edge = np.flatnonzero(np.abs(row - row[-1]) > 15).max()  # turned to its left, it looks to the right
    assert edge == pytest.approx(192 * x, abs=6)


def test_pose_is_told_in_the_stored_crop(studio: Studio, person: Person) -> None:
    view = shot(yaw_rad=0.4)
    truths = {name: values[0] for name, values in seen_by(studio, person, acts(), view, []).truths.items()}
    told = HeadInCrop(truths["rotation"].reshape(3, 3).astype(float), truths["place"].astype(float))
    rotation, translation = head_in_picture(told, view.crops[0], CAMERA)
    np.testing.assert_allclose(rotation, view.rotations[0], atol=1e-5)
    np.testing.assert_allclose(translation, view.translations[0], atol=1e-5)
    assert truths["focal"][0] == pytest.approx(CAMERA.focal_px / view.crops[0].side_px)


def test_what_stands_before_the_mouth_hides_it_alone(studio: Studio, person: Person) -> None:
    card = studio.canvas.solid(box([0.06, 0.028, 0.001]).moved(np.eye(3), [0.0, -0.042, 0.1]))
    bare, hidden = (seen_by(studio, person, acts(), shot(), things).truths for things in ([], [card]))
    mouth = np.isin(FACE_POINTS, LIPS)
    assert bare["points_seen"][0, mouth].mean() > 0.9
    assert hidden["points_seen"][0, mouth].max() == 0.0
    np.testing.assert_allclose(bare["visibility"][0], 1.0, atol=0.06)
    assert hidden["visibility"][0, 0] == 0.0
    assert hidden["visibility"][0, 3] < 0.75  # a third of the head's points are on the lips
    assert hidden["visibility"][0, 1:3].min() > 0.94


def test_closed_lids_hide_the_irises(studio: Studio, person: Person) -> None:
    wide, shut = (seen_by(studio, person, acts(eyelids=lids), shot(), []).truths for lids in (0.0, 1.0))
    iris = np.isin(FACE_POINTS, IRISES)
    assert wide["points_seen"][0, iris].mean() > 0.5
    assert shut["points_seen"][0, iris].max() == 0.0
    assert shut["visibility"][0, 2] == pytest.approx(1.0, abs=0.06)  # closed eyes are not covered ones


def test_in_profile_the_far_side_is_not_seen_but_not_covered(studio: Studio, person: Person) -> None:
    truths = seen_by(studio, person, acts(), shot(yaw_rad=1.2), []).truths
    left = head_points(open_head().v_template)[:, 0] > 0.05
    assert truths["points_seen"][0, left].mean() < 0.1
    assert truths["points_seen"][0, ~left].mean() > 0.5
    assert truths["visibility"][0, 3] > 0.9


def test_the_same_unit_is_the_same_again(studio: Studio) -> None:
    for unit in (Unit(5, 7, "nobody", 2), Unit(5, 8, "stills", 2), Unit(5, 9, "clip", 4)):
        first, again = studio.make(unit), studio.make(unit)
        for one, other in zip(first, again, strict=True):
            assert one.info == other.info
            assert np.array_equal(one.pictures, other.pictures)
            for name, values in one.truths.items():
                assert np.array_equal(values, other.truths[name])
    others = studio.make(Unit(6, 8, "stills", 2))
    assert not np.array_equal(others[0].pictures, first[0].pictures[:1])


def test_a_fifth_of_the_pictures_come_as_clips() -> None:
    units = [plan_unit(0, number) for number in range(2000)]
    pictures = sum(unit.pictures for unit in units)
    assert sum(unit.pictures for unit in units if unit.kind == "clip") > 0.2 * pictures
    assert 0.03 < sum(unit.pictures for unit in units if unit.kind == "nobody") / pictures < 0.12


def test_a_store_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studio_module, "_STILLS", 2)
    monkeypatch.setattr(studio_module, "_NOBODY", 2)
    monkeypatch.setattr(studio_module, "_CLIP", (3, 4))
    build(tmp_path / "whole", 8, None, 1, 1)
    build(tmp_path / "parts", 3, None, 1, 1)
    build(tmp_path / "parts", 8, None, 1, 1)
    for name in ("pictures.u8", "truths.f32", "index.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    store = FaceStore(tmp_path / "whole")
    assert len(store.pictures) >= 8
    draw_sheet(store, tmp_path / "sheet.png", 0)
    assert (tmp_path / "sheet.png").stat().st_size > 10_000


def test_somebody_acts_every_shape_in_one_place(studio: Studio) -> None:
    clip, again = (act(studio, ArkitMap(open_head()), 2) for _ in range(2))
    assert clip.pictures.shape == (1 + len(EACH), PICTURE_PX, PICTURE_PX, 3)
    assert clip.info.split == "test"
    np.testing.assert_array_equal(clip.pictures, again.pictures)
    for name in ("rotation", "place", "shape", "gaze"):
        assert np.ptp(clip.truths[name], axis=0).max() == 0.0, name
    opened = 1 + EACH.index("jawOpen")
    assert np.abs(clip.pictures[opened].astype(float) - clip.pictures[0]).mean() > 1.0


def test_moments_are_one_person_in_one_place(studio: Studio, tmp_path: Path) -> None:
    (clip,) = studio.make(plan_moments(0, 3))
    assert len(clip.pictures) == 12
    assert clip.info.person.startswith("moments-")
    assert np.abs(clip.truths["expression"][0]).max() < 1e-6
    assert np.ptp(clip.truths["expression"], axis=0).max() > 0.5
    head = clip.truths["rotation"].reshape(-1, 3, 3)
    assert np.degrees(np.arccos(np.clip((head[1:] * head[0]).sum(axis=(1, 2)) / 2 - 0.5, -1, 1))).max() < 12.0
    build(tmp_path / "moments", 20, None, seed=0, workers=1, plan=plan_moments)
    store = FaceStore(tmp_path / "moments")
    assert store.counts.tolist() == [12, 12]
    assert [info.split for info in store.infos] == ["val", "train"]
