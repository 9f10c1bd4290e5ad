"""Whose face it is, where one sender has many: told by msgpack, OSC and Live Link, and absent where there is one."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import numpy as np
import pytest

from protocol import livelink, msgpack_codec, osc, osc_face
from protocol.frame import FaceFrame, ProtocolError
from protocol.golden.frames import frames

ONE: FaceFrame = next(iter(frames().values()))
NPC = replace(ONE, subject="npc-1")


def test_msgpack_carries_it_and_leaves_it_out_where_there_is_none() -> None:
    assert msgpack_codec.decode(msgpack_codec.encode(NPC)) == NPC
    assert msgpack_codec.decode(msgpack_codec.encode(NPC)) != ONE
    assert "subject" not in msgpack.unpackb(msgpack_codec.encode(ONE))


def test_the_longest_still_fits_a_datagram() -> None:
    longest = replace(ONE, subject="x" * 32, head="h" * 64, shape=np.ones(100, np.float32), seq=2**62)
    assert len(msgpack_codec.encode(longest)) <= msgpack_codec.MAX_DATAGRAM_BYTES
    assert all(len(datagram) <= msgpack_codec.MAX_DATAGRAM_BYTES for datagram in osc_face.encode(longest))


@pytest.mark.parametrize("subject", ["x" * 33, "a/b", "a b", "é", 7, None, "a*"])
def test_what_cannot_be_a_name_is_refused(subject: object) -> None:
    with pytest.raises(ProtocolError, match="subject is"):
        replace(ONE, subject=subject)
    fields = msgpack.unpackb(msgpack_codec.encode(ONE)) | {"subject": subject}
    with pytest.raises(ProtocolError, match="subject is"):
        msgpack_codec.decode(msgpack.packb(fields))


def test_osc_has_it_in_front_of_every_address() -> None:
    def addresses(frame: FaceFrame) -> list[str]:
        return [one.address for packet in osc_face.encode(frame, per_shape=True) for one in osc.decode_packet(packet)]

    assert addresses(NPC) == [f"/npc-1{address}" for address in addresses(ONE)]
    assert addresses(ONE)[-1] == "/avatar/frame"


def test_live_link_sends_it_as_its_subject() -> None:
    options = livelink.LiveLinkOptions(subject="Anna")
    assert livelink.decode(livelink.encode(NPC, options)).subject == "npc-1"
    assert livelink.decode(livelink.encode(ONE, options)).subject == "Anna"
