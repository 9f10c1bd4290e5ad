"""The avatar codec: a face for a remote peer, 30 times a second in less than 12 kbit/s, one datagram a frame.

A key frame stands alone. Every other frame says only what differs from a key frame, and from nothing else, so that a
lost frame harms no other. Frames lean on the newest key frame and on the one before by turns, so that with one key
frame lost every other frame still comes, until two more key frames have come. Nothing needs to be acknowledged: there
may be many receivers, and no way back.

Layout of a packet, little-endian:

    0     0xA4 + quantiser, 0..3; the upper six bits are the version
    1     session: another number is another sender, or one that has started anew
    2-3   sequence number, +1 with each packet, modulo 2^16
    4-5   time of sending in ms, modulo 2^16
    6     how many packets before this one the key frame was that it leans on; 0 for a key frame
    7-    67 differences, range-coded (`protocol.range_coder`), by the chances in `protocol.avatar_chances`

Number i is `reference + MULTIPLIERS[quantiser] * difference`, held within its range; the reference of a key frame is 0.
A difference that can only have one sign, because the reference lies on the border of the range, is sent without it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import numpy as np

from protocol.avatar_chances import DIFFERENCE_CHANCES, KEY_CHANCES
from protocol.avatar_values import COUNT, HIGHEST, LOWEST, MULTIPLIERS, AvatarFace, Integers, face_of, integers_of
from protocol.frame import FaceFrame, ProtocolError
from protocol.range_coder import RangeDecoder, RangeEncoder

DEFAULT_PORT = 5574
MAX_BYTES = 512

_MARK = 0xA4
_HEADER = struct.Struct("<BBHHB")
_TURN = 2**16
_NS_PER_MS = 1_000_000
# A key frame that is further back than this is no late one: the sender has started anew, or was away for long.
_LATEST_PACKETS = 64
# A late frame may lean on a key frame that is not the newest, nor the one before.
_KEPT_KEYS = 4
# What was not spent may be spent later, but not much later.
_SAVED_S = 0.5
# A packet in fine steps may cost so much of what is saved: in the long run a frame then costs its income, and as much
# is left for a key frame. One in the coarsest steps may cost all.
_SHARE = 0.5

_LOW, _HIGH = LOWEST.tolist(), HIGHEST.tolist()


@dataclass(frozen=True)
class AvatarOptions:
    """kbps       most kbit/s of payload (1 kbit = 1000 bits), on average over half a second; IP and UDP are not in it
    key_every  frames from one key frame to the next; who joins waits for the next
    """

    kbps: float = 12.0
    key_every: int = 4

    def __post_init__(self) -> None:
        if not 1.0 <= self.kbps <= 1000.0:
            raise ProtocolError(f"the avatar codec is given {self.kbps!r} kbit/s; it must be in 1..1000")
        if not 1 <= self.key_every <= 120:
            raise ProtocolError(f"the avatar codec is given a key frame every {self.key_every!r}; it must be in 1..120")


DEFAULTS = AvatarOptions()


@dataclass(frozen=True, eq=False)
class Key:
    """A key frame that others lean on: its sequence number and its numbers int64 [67] as the receiver has them."""

    seq: int
    integers: Integers


@dataclass(frozen=True, eq=False)
class EncoderState:
    """What an encoder remembers. Begin with `EncoderState(session)`, where session 0..255 is a new one for each run.

    seq          number of the next packet
    keys         the newest key frame and the one before
    quantiser    of the last packet
    saved_bits   what may be spent, at `saved_ns`; None before the first frame
    """

    session: int
    seq: int = 0
    keys: tuple[Key, ...] = ()
    quantiser: int = 0
    saved_bits: float = 0.0
    saved_ns: int | None = None


@dataclass(frozen=True, eq=False)
class DecoderState:
    """What a decoder remembers: key frames, newest first, and the newest packet's number and time, never wrapped."""

    session: int = -1
    keys: tuple[Key, ...] = ()
    newest_seq: int = 0
    newest_ms: int = 0


def encode(
    frame: FaceFrame, state: EncoderState, options: AvatarOptions = DEFAULTS
) -> tuple[bytes | None, EncoderState]:
    """The packet of one frame, and the next state; None for a frame that the bit rate has no room for.

    The finest of four quantisers is taken whose bits the rate has room for, but no more than one finer than the last.
    """
    state = _with_income(state, frame.publish_ns, options)
    is_key = not state.keys or state.seq - state.keys[0].seq >= options.key_every
    reference = None if is_key else state.keys[(state.seq - state.keys[0].seq) % len(state.keys)]
    distance = 0 if reference is None else state.seq - reference.seq
    publish_ms = frame.publish_ns // _NS_PER_MS
    wanted = integers_of(frame)
    for quantiser in range(max(0, state.quantiser - 1), len(MULTIPLIERS)):
        header = _HEADER.pack(_MARK + quantiser, state.session, state.seq % _TURN, publish_ms % _TURN, distance)
        body, integers = _encoded(wanted, reference, quantiser)
        bits = 8 * len(header + body)
        is_coarsest = quantiser == len(MULTIPLIERS) - 1
        if bits <= state.saved_bits * (1.0 if is_coarsest else _SHARE):
            keys = (Key(state.seq, integers), *state.keys[:1]) if is_key else state.keys
            left_bits = state.saved_bits - bits
            return header + body, replace(
                state, seq=state.seq + 1, keys=keys, quantiser=quantiser, saved_bits=left_bits
            )
    return None, replace(state, quantiser=len(MULTIPLIERS) - 1)


def _with_income(state: EncoderState, now_ns: int, options: AvatarOptions) -> EncoderState:
    most_bits = 1000 * options.kbps * _SAVED_S
    if state.saved_ns is None:
        return replace(state, saved_bits=most_bits, saved_ns=now_ns)
    income_bits = 1000 * options.kbps * max(0, now_ns - state.saved_ns) / 1e9
    return replace(state, saved_bits=min(most_bits, state.saved_bits + income_bits), saved_ns=now_ns)


def _encoded(wanted: Integers, reference: Key | None, quantiser: int) -> tuple[bytes, Integers]:
    """The differences as bytes, and the numbers that the receiver will have."""
    base = np.zeros(COUNT, np.int64) if reference is None else reference.integers
    multiplier = MULTIPLIERS[quantiser]
    differences = np.rint((wanted - base) / multiplier).astype(np.int64)
    coder = RangeEncoder()
    chances = _chances(reference is None, quantiser)
    for difference, start, low, high, chance in zip(
        differences.tolist(), base.tolist(), _LOW, _HIGH, chances, strict=True
    ):
        coder.number(difference, *chance, sign=_known_sign(start, low, high))
    return coder.finish(), np.clip(base + multiplier * differences, LOWEST, HIGHEST)


def decode(packet: bytes | bytearray | memoryview, state: DecoderState) -> tuple[AvatarFace | None, DecoderState]:
    """The face in one packet, and the next state; None for a face that leans on a key frame that has not come.

    Packets may come late, twice or not at all; `seq` of the face tells. ProtocolError when the packet breaks a rule.
    """
    data = bytes(packet)
    if not _HEADER.size <= len(data) <= MAX_BYTES:
        raise ProtocolError(f"the avatar packet has {len(data)} bytes; it must have {_HEADER.size}..{MAX_BYTES}")
    mark, session, short_seq, short_ms, distance = _HEADER.unpack_from(data)
    quantiser = mark - _MARK
    if not 0 <= quantiser < len(MULTIPLIERS):
        raise ProtocolError(
            f"the avatar packet begins with 0x{mark:02X}; it must be 0x{_MARK:02X}..0x{_MARK + 3:02X}: "
            "use the same release on both sides"
        )
    body = data[_HEADER.size :]
    seq = _unwrapped(short_seq, state.newest_seq)
    publish_ms = _unwrapped(short_ms, state.newest_ms)
    is_known = session == state.session
    reference = None
    if distance:
        reference = next((key for key in state.keys if is_known and key.seq == seq - distance), None)
        if reference is None:
            return None, state
    elif not is_known or seq < state.newest_seq - _LATEST_PACKETS:
        # Begins far from zero, so that packets from before this one have numbers too.
        state, seq, publish_ms = DecoderState(session), _TURN + short_seq, _TURN + short_ms
    integers = _decoded(body, reference, quantiser)
    if reference is None:
        keys = {key.seq: key for key in (*state.keys, Key(seq, integers))}
        state = replace(state, keys=tuple(keys[one] for one in sorted(keys, reverse=True)[:_KEPT_KEYS]))
    if seq > state.newest_seq:
        state = replace(state, newest_seq=seq, newest_ms=publish_ms)
    return face_of(integers, session, seq, publish_ms * _NS_PER_MS), state


def _decoded(body: bytes, reference: Key | None, quantiser: int) -> Integers:
    base = [0] * COUNT if reference is None else reference.integers.tolist()
    coder = RangeDecoder(body)
    chances = _chances(reference is None, quantiser)
    differences = [
        coder.number(*chance, sign=_known_sign(start, low, high))
        for start, low, high, chance in zip(base, _LOW, _HIGH, chances, strict=True)
    ]
    coder.finish()
    return np.clip(np.array(base) + MULTIPLIERS[quantiser] * np.array(differences), LOWEST, HIGHEST)


def _known_sign(start: int, low: int, high: int) -> int:
    return 1 if start <= low else -1 if start >= high else 0


def _chances(is_key: bool, quantiser: int) -> tuple[tuple[int, int], ...]:
    return (KEY_CHANCES if is_key else DIFFERENCE_CHANCES)[quantiser]


def _unwrapped(short: int, near: int) -> int:
    """The number that is `short` modulo 2^16 and nearest to `near`."""
    return near + (short - near + _TURN // 2) % _TURN - _TURN // 2
