"""100,000 mutated packets and recordings: whatever arrives, the decoders raise ProtocolError or nothing."""

import io
import random

import pytest

from protocol import avatar_codec, ifacialmocap, livelink, osc, oscquery, vtube_studio
from protocol.frame import ProtocolError
from protocol.golden.packets import files
from protocol.msgpack_codec import MAX_PACKET_BYTES, decode
from protocol.recording_format import KIND_PACKET, RecordingReader

GOLDEN = {name.removesuffix(".bin"): data for name, data in files().items() if name.endswith(".bin")}
# Numbers that lengths and counts are made of at their edges.
EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, MAX_PACKET_BYTES + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


AVATAR_STATE = avatar_codec.DecoderState()
for index in range(5):
    _, AVATAR_STATE = avatar_codec.decode(GOLDEN[f"avatar_{index}"], AVATAR_STATE)


def read_recording(data):
    for record in RecordingReader(io.BytesIO(data)):
        if record.kind == KIND_PACKET:
            decode(record.payload)


def read_avatar(data):
    """After the golden key frames, so that most packets lean on something."""
    avatar_codec.decode(data, AVATAR_STATE)


READERS = {"face": decode, "hello": decode, "osc": osc.decode_packet, "vmc": osc.decode_packet}
READERS |= {"livelink": livelink.decode, "recording": read_recording}
READERS |= {
    "avatar": read_avatar,
    "vtube": vtube_studio.decode,
    "ifacialmocap": ifacialmocap.decode,
    "vrchat": osc.decode_packet,
    "oscquery": oscquery.decode_tree,
}


def flip_bits(data, chance):
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def truncate(data, chance):
    del data[chance.randrange(len(data)) :]


def splice(data, chance):
    other = chance.choice(list(GOLDEN.values()))
    first, last = sorted(chance.randrange(len(other)) for _ in range(2))
    start = chance.randrange(len(data))
    data[start : start + chance.randint(0, last - first + 8)] = other[first:last]


def edit_length(data, chance):
    width = chance.choice((1, 2, 4))
    at = chance.randrange(max(1, len(data) - width))
    number = chance.choice(EDGES) & (256**width - 1)
    data[at : at + width] = number.to_bytes(width, chance.choice(("little", "big")))


def replace_run(data, chance):
    at, length = chance.randrange(len(data)), chance.randint(1, 64)
    data[at : at + length] = chance.choice((b"\0", b"\xff", b"\x91", b"\x7f\xc0")) * length


MUTATIONS = (flip_bits, truncate, splice, edit_length, replace_run)


@pytest.mark.parametrize("part", range(4))
def test_mutated_bytes_raise_only_protocol_errors(part):
    chance = random.Random(f"mutations {part}")
    names = sorted(GOLDEN)
    refused = 0
    for _ in range(25_000):
        name = chance.choice(names)
        data = bytearray(GOLDEN[name])
        for _ in range(chance.randint(1, 3)):
            if data:
                chance.choice(MUTATIONS)(data, chance)
        try:
            READERS[name.split("_")[0]](bytes(data))
        except ProtocolError:
            refused += 1
    # Most changes touch numbers that may have any value; the rest must have been noticed.
    assert 5_000 < refused < 25_000
