"""The avatar codec: what travels comes back within its steps, whatever the network does to the packets."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.avatar_codec import (
    MAX_BYTES,
    AvatarOptions,
    DecoderState,
    EncoderState,
    decode,
    encode,
)
from protocol.avatar_values import MULTIPLIERS, STEPS, integers_of
from protocol.frame import PARTS, ProtocolError
from protocol.golden.frames import dense, wink

PERIOD_NS = 33_333_333
CARRIED = ("arkit", "head_rotation", "head_translation", "laughter", "speech", "valence", "arousal", "confidence")


def talking(count, seed=0, first_ns=10**12):
    """Frames at 30 Hz whose every carried value wanders within its range."""
    chance = np.random.default_rng(seed)
    values = {part.name: np.array(wink().part(part.name)) for part in PARTS if part.name in CARRIED}
    frames = []
    for index in range(count):
        for part in PARTS:
            if part.name in CARRIED:
                step = 0.02 * min(2.0, part.maximum - part.minimum)
                moved = values[part.name] + step * chance.standard_normal(part.size)
                values[part.name] = np.clip(moved, part.minimum, part.maximum)
        given = {name: float(value[0]) if value.size == 1 else value for name, value in values.items()}
        at_ns = first_ns + index * PERIOD_NS
        frames.append(replace(wink(), seq=index, publish_ns=at_ns, capture_ns=at_ns - 40_000_000, **given))
    return frames


FREE = AvatarOptions(kbps=1000.0, key_every=15)
FRESH = EncoderState(session=5)
NOTHING = DecoderState()


def sent(frames, options=FREE, state=FRESH):
    packets = []
    for frame in frames:
        packet, state = encode(frame, state, options)
        packets.append(packet)
    return packets


def received(packets, state=NOTHING):
    faces = []
    for packet in packets:
        face, state = decode(packet, state)
        faces.append(face)
    return faces


def carried(face):
    return np.concatenate([np.atleast_1d(getattr(face, name)) for name in CARRIED])


def assert_same(face, frame, multiplier=1):
    steps = STEPS[: len(carried(frame))]
    # Coarse steps round what has been rounded to fine ones.
    most = 0.5 if multiplier == 1 else 0.5 + multiplier / 2
    np.testing.assert_array_less(abs(carried(face) - carried(frame)), most * steps + 1e-5)


@pytest.mark.parametrize("frames", [talking(60), [dense()] * 3], ids=["talking", "dense"])
def test_every_frame_comes_back_within_half_a_step(frames):
    for face, frame in zip(received(sent(frames)), frames, strict=True):
        assert_same(face, frame)
        assert face.publish_ns % 65_536_000_000 == frame.publish_ns // 10**6 % 65_536 * 10**6
        age_ns = min(frame.publish_ns - frame.capture_ns, 1_020_000_000)
        assert abs(face.publish_ns - face.capture_ns - age_ns) <= 2_000_001


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000), loss=st.floats(0, 0.7), shuffled=st.booleans())
def test_what_arrives_is_right_or_nothing_in_any_order(seed, loss, shuffled):
    frames = talking(50, seed)
    packets = sent(frames)
    chance = np.random.default_rng(seed)
    arriving = [index for index in range(50) if chance.random() >= loss]
    arriving += [index for index in arriving if chance.random() < 0.1]  # doubled
    if shuffled:
        arriving.sort(key=lambda index: index + chance.uniform(0, 6))
    state, first_seq = DecoderState(), None
    for index in arriving:
        face, state = decode(packets[index], state)
        if face is not None:
            first_seq = face.seq - index if first_seq is None else first_seq
            assert face.seq - index == first_seq
            assert_same(face, frames[index])


def test_a_lost_frame_harms_no_other_and_a_lost_key_frame_every_other():
    frames = talking(60)
    packets = sent(frames)
    keys = [index for index, packet in enumerate(packets) if packet[6] == 0]
    assert keys == [0, 15, 30, 45]
    lost_one = received(packets[:7] + packets[8:])
    assert None not in lost_one
    for lost_key in (15, 30):
        faces = received(packets[:lost_key] + packets[lost_key + 1 :])
        faces.insert(lost_key, None)
        missing = [index for index, face in enumerate(faces) if face is None]
        assert lost_key in missing
        assert max(missing) < lost_key + 30
        assert not any(one + 1 in missing and one != lost_key for one in missing)


def test_who_comes_later_waits_for_the_next_key_frame_and_a_second_one_for_all():
    faces = received(sent(talking(60))[20:])
    assert [face is not None for face in faces[:10]] == [False] * 10
    assert all(faces[index] is not None for index in range(10, 40, 1) if (index - 10) % 15 % 2 == 0)
    assert None not in faces[25:]


def test_numbers_and_times_wrap_unseen():
    frames = talking(120, first_ns=65_535_000_000)
    start = EncoderState(session=5, seq=65_500)
    faces = received(sent(frames, state=start))
    assert [face.seq - faces[0].seq for face in faces] == list(range(120))
    times_ms = [face.publish_ns // 10**6 for face in faces]
    assert all(33 <= step <= 34 for step in np.diff(times_ms))


def test_a_sender_that_starts_anew_is_followed_at_its_key_frame():
    old, new = sent(talking(40)), sent(talking(40, seed=9), state=EncoderState(session=6))
    faces = received([*old, *new[1:3], *new])
    assert faces[40:42] == [None, None]
    assert_same(faces[-1], talking(40, seed=9)[-1])


def test_numbers_that_fall_far_back_are_a_new_stream():
    frames = talking(80)
    old = sent(frames[:40], state=EncoderState(session=5, seq=5000))
    faces = received([*old, *sent(frames[40:], state=EncoderState(session=5, seq=100))])
    assert None not in faces
    assert [face.seq - faces[40].seq for face in faces[40:]] == list(range(40))


def test_the_bit_rate_is_kept_by_coarser_steps_and_then_by_fewer_frames():
    frames = talking(300)
    free = sum(map(len, sent(frames)))
    rates = {}
    for kbps in (20.0, 12.0, 8.0, 3.0):
        packets = sent(frames, AvatarOptions(kbps=kbps))
        there = [packet for packet in packets if packet is not None]
        rates[kbps] = (len(there), max(packet[0] & 3 for packet in there))
        # What was not spent in the half second before the first frame may be spent too.
        assert sum(map(len, there)) * 8 <= 1000 * kbps * (10 + 0.5)
        for face, frame in zip(received(packets[:1]), frames[:1], strict=True):
            assert_same(face, frame, 8)
    assert free * 8 / 10 > 14_000
    assert rates[20.0][0] == rates[12.0][0] == 300
    assert rates[20.0][1] == 0 < rates[12.0][1]
    assert rates[3.0][0] < 300


def test_coarser_steps_are_no_coarser_than_they_say():
    frames = talking(100)
    packets = sent(frames, AvatarOptions(kbps=10.0))
    quantisers = [packet[0] & 3 for packet in packets]
    assert len(set(quantisers)) > 1
    for face, frame, quantiser in zip(received(packets), frames, quantisers, strict=True):
        assert_same(face, frame, MULTIPLIERS[quantiser])


def test_what_is_out_of_range_is_held_at_the_border():
    far = replace(wink(), head_translation=(99.0, -99.0, -99.0), head_rotation=(3.1415926, 0.0, -3.1415926))
    (face,) = received(sent([far]))
    assert face.head_translation == pytest.approx([16.384, -16.384, -32.768])
    assert face.head_rotation == pytest.approx([3.141, 0.0, -3.141])


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "has 0 bytes"),
        (b"\xa4" + bytes(5), "has 6 bytes"),
        (b"\xa4" + bytes(MAX_BYTES), "has 513 bytes"),
        (b"\xa3" + bytes(20), "begins with 0xA3"),
        (b"\xa8" + bytes(20), "begins with 0xA8"),
        (b"\xa4" + bytes(6) + b"\xff" * 20, "out of range"),
        (b"\xa4" + bytes(6) + b"\x01" + bytes(3), "go on after their end"),
    ],
)
def test_bad_packets_are_refused(packet, reason):
    with pytest.raises(ProtocolError, match=reason):
        decode(packet, DecoderState())


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=7, max_size=600), st.integers(0, 3), st.integers(0, 30))
def test_any_bytes_are_a_face_or_refused(tail, quantiser, distance):
    _, state = decode(sent(talking(1))[0], DecoderState())
    packet = bytes((0xA4 + quantiser, 5)) + state.newest_seq.to_bytes(4, "little")[:2] + tail[:2] + bytes((distance,))
    try:
        face, _ = decode(packet + tail[2:], state)
    except ProtocolError:
        return
    assert face is None or np.isfinite(carried(face)).all()


@pytest.mark.parametrize(
    ("name", "value"), [("kbps", 0.5), ("kbps", float("nan")), ("key_every", 0), ("key_every", 121)]
)
def test_options_out_of_range_are_refused(name, value):
    with pytest.raises(ProtocolError, match="it must be in 1"):
        AvatarOptions(**{name: value})


def test_a_face_that_does_not_change_is_hardly_more_than_a_header():
    first, second = sent([dense()] * 2)
    assert len(first) > 100
    assert len(second) == 7


def test_the_numbers_of_a_frame():
    assert integers_of(dense()).shape == STEPS.shape == (67,)
