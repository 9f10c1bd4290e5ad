"""Our own OSC addresses, read back by the decoder and by an independent server's parser."""

import dataclasses

import pytest
from pythonosc import osc_packet

from protocol import osc, osc_face
from protocol.frame import ARKIT_SHAPES, PARTS
from protocol.golden.frames import dense, frames, wink


def by_address(datagrams):
    messages = [message for datagram in datagrams for message in osc.decode_packet(datagram)]
    assert len({message.address for message in messages}) == len(messages)
    return dict(messages)


@pytest.mark.parametrize("name", frames())
def test_every_value_arrives(name):
    frame = frames()[name]
    values = by_address(osc_face.encode(frame))
    for address, parts in osc_face.ADDRESSES.items():
        arrays = [frame.part(part) for part in parts if frame.part(part) is not None]
        assert values.get(address, ()) == tuple(value for array in arrays for value in array.tolist())
    assert values["/avatar/frame"] == (frame.seq, frame.capture_ns, frame.publish_ns, frame.head)


def test_every_part_has_an_address():
    assert sorted(name for names in osc_face.ADDRESSES.values() for name in names) == sorted(
        part.name for part in PARTS
    )


def test_the_documented_order_of_values():
    values = by_address(osc_face.encode(wink()))
    assert values["/avatar/jaw"] == (0.25, 0.0625, -0.03125)
    assert values["/avatar/eyelids"] == (1.0, 0.125)
    assert values["/avatar/gaze"] == (0.0, 0.0, -0.125, -0.25)
    assert values["/avatar/head"] == (0.125, 0.5, 0.0625, 0.0625, -0.03125, -0.625)
    assert values["/avatar/voice"] == (0.125, 0.875)
    assert values["/avatar/emotion"] == (0.5, -0.25)
    assert values["/avatar/confidence"] == (1.0, 0.75, 0.5, 0.25)


@pytest.mark.parametrize("per_shape", [False, True])
def test_the_frame_message_is_last_and_everything_fits(per_shape):
    longest = dataclasses.replace(dense(), head="h" * 64)
    datagrams = osc_face.encode(longest, per_shape=per_shape)
    assert max(map(len, datagrams)) <= 1472
    assert osc.decode_packet(datagrams[-1])[-1].address == "/avatar/frame"


def test_frames_without_identity_need_one_datagram():
    assert len(osc_face.encode(dataclasses.replace(wink(), head="h" * 64))) == 1


def test_shapes_have_addresses_of_their_own_on_request():
    values = by_address(osc_face.encode(wink(), per_shape=True))
    assert values["/avatar/arkit/eyeBlinkLeft"] == (1.0,)
    assert values["/avatar/arkit/jawOpen"] == (0.625,)
    assert tuple(values[f"/avatar/arkit/{name}"][0] for name in ARKIT_SHAPES) == values["/avatar/arkit"]
    assert "/avatar/arkit/jawOpen" not in by_address(osc_face.encode(wink()))


def test_an_independent_parser_reads_the_same():
    for datagram in osc_face.encode(dense(), per_shape=True):
        theirs = [
            (timed.message.address, tuple(timed.message.params)) for timed in osc_packet.OscPacket(datagram).messages
        ]
        assert theirs == [tuple(message) for message in osc.decode_packet(datagram)]
