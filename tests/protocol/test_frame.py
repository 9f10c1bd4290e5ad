"""The motion space's own checks: sizes, ranges, numbers only, nothing that can be changed afterwards."""

import numpy as np
import pytest

from protocol.frame import ARKIT_SHAPES, PART_BY_NAME, PARTS, FaceFrame, ProtocolError, checked


def fields(**changes: object) -> dict[str, object]:
    base: dict[str, object] = {part.name: np.zeros(part.size) for part in PARTS if not part.is_scalar}
    return {"seq": 1, "capture_ns": 2, "publish_ns": 3, "head": "open-head/1", **base, **changes}


def frame(**changes: object) -> FaceFrame:
    return FaceFrame(**fields(**changes))  # type: ignore[arg-type]


def test_the_table_is_whole() -> None:
    assert len(ARKIT_SHAPES) == len(set(ARKIT_SHAPES)) == PART_BY_NAME["arkit"].size == 52
    assert sum(part.size for part in PARTS) == 353
    assert all(part.minimum < part.maximum for part in PARTS)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_each_part_has_its_bounds_and_its_size(part) -> None:
    inside = np.linspace(part.minimum, part.maximum, part.size)
    assert np.array_equal(checked(part.name, inside), inside.astype(np.float32))
    for value in (np.nan, np.inf, part.maximum + 0.01, part.minimum - 0.01, 1e300):
        values = np.zeros(part.size)
        values[-1] = value
        with pytest.raises(ProtocolError, match=part.name):
            checked(part.name, values)
    with pytest.raises(ProtocolError, match="shape"):
        checked(part.name, np.zeros(part.size + 1))


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": -1},
        {"seq": 2**63},
        {"seq": True},
        {"seq": 1.0},
        {"publish_ns": None},
        {"head": ""},
        {"head": "x" * 65},
        {"head": "a\nb"},
        {"head": 5},
        {"jaw": "open"},
        {"jaw": None},
        {"speech": 1.5},
        {"speech": float("nan")},
        {"arkit": [[0.0] * 52]},
        {"expression": [object()] * 50},
    ],
    ids=str,
)
def test_nonsense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        frame(**changes)


def test_frames_are_values() -> None:
    one = frame(speech=0.25)
    assert one == frame(speech=0.25)
    assert one != frame(speech=0.5)
    assert one != frame(jaw=[0.1, 0, 0], speech=0.25)
    assert one != frame(shape=None, speech=0.25)
    assert one != "a frame"
    with pytest.raises(ValueError, match="read-only"):
        one.jaw[0] = 1.0
    assert one.part("speech") == np.float32(0.25)
    assert frame(shape=None).part("shape") is None


def test_the_caller_s_array_stays_the_caller_s() -> None:
    jaw = np.zeros(3, np.float32)
    one = frame(jaw=jaw)
    jaw[0] = 0.3
    assert one.jaw[0] == 0.0


@pytest.mark.parametrize(
    ("confidence", "is_found"), [((0, 0, 0, 0), False), ((0.19, 0.1, 0, 0), False), ((0, 0, 0, 0.2), True)]
)
def test_a_face_is_found_when_any_region_is_known(confidence: tuple[float, ...], is_found: bool) -> None:
    assert frame(confidence=confidence).is_found is is_found
