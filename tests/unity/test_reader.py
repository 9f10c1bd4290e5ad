"""The Unity client without Unity: its C# compiled by Mono, and compared with the Python side packet by packet."""

import math
import random
import socket
import struct
import subprocess
import time
from dataclasses import replace

import msgpack
import numpy as np
import pytest
from support.asymmetric import HEAD_YAW_RAD, asymmetric_face
from support.csharp import compile_program, missing_mono

from protocol import recording_format
from protocol.frame import ARKIT_SHAPES, PARTS, ProtocolError
from protocol.golden.frames import dense, frames, wink
from protocol.golden.packets import FOLDER, HELLO
from protocol.msgpack_codec import Hello, decode, encode, encode_hello

pytestmark = pytest.mark.skipif(missing_mono() is not None, reason=str(missing_mono()))


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The package with the test program; Runtime/Core by itself first, as it must not know UnityEngine."""
    return compile_program(tmp_path_factory.mktemp("csharp"))


def run(program, *arguments):
    return subprocess.run(
        ["mono", str(program), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )


def read(program, packets, path):
    path.write_bytes(b"".join(struct.pack("<i", len(packet)) + packet for packet in packets))
    done = run(program, "read", path)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def described(frame):
    """The line that the C# program prints for a frame."""
    values = [
        "-" if (part_values := frame.part(part.name)) is None else part_values.astype("<f4").tobytes().hex().upper()
        for part in PARTS
    ]
    head = frame.head.encode().hex().upper()
    return " ".join(["face", str(frame.seq), str(frame.capture_ns), str(frame.publish_ns), head, *values])


def expected(packet):
    try:
        content = decode(packet)
    except ProtocolError:
        return None
    return "hello" if isinstance(content, Hello) else described(content)


def test_the_edit_mode_tests_pass(program):
    done = run(program, "edit-mode-tests")
    lines = done.stdout.splitlines()
    assert not [line for line in lines if not line.startswith("passed")], done.stdout
    assert done.returncode == 0
    assert len(lines) > 30


def test_the_golden_packets_are_read_to_the_same_values(program, tmp_path):
    packets = [(FOLDER / f"face_{name}.bin").read_bytes() for name in frames()]
    packets.append((FOLDER / "hello.bin").read_bytes())
    lines = read(program, packets, tmp_path / "packets")
    assert lines == [expected(packet) for packet in packets]
    assert [line.split()[0] for line in lines] == ["face", "face", "face", "face", "hello"]


def test_packets_in_other_dress_are_read_to_the_same_values(program, tmp_path):
    """Other orders, wider numbers, and keys that only a later release knows."""
    content = msgpack.unpackb(encode(dense()))
    backwards = dict(reversed(content.items()))
    unknown = {"x": [1, {"y": [None, True, -5, 2**40, "z" * 300, b"b" * 300, 0.5]}] * 20, b"key": 1, **content}
    packets = [
        msgpack.packb(backwards),
        msgpack.packb(unknown, use_single_float=True),
        msgpack.packb({**content, "speech": 1, "valence": -1, "arousal": 0}),
        msgpack.packb({**content, "head": "köpf"}),
        msgpack.packb({**content, "head": "h" * 64}),
        msgpack.packb({**content, "seq": 2**63 - 1}),
        msgpack.packb({**content, "gaze": np.full(4, np.pi / 2, "<f4").tobytes()}),
    ]
    assert read(program, packets, tmp_path / "packets") == [expected(packet) for packet in packets]


def test_faulty_packets_are_refused(program, tmp_path):
    content = msgpack.unpackb(encode(wink()))

    def changed(**fields):
        return msgpack.packb({**content, **fields})

    required = [part.name for part in PARTS if not part.is_optional] + ["v", "type", "seq", "head", "publish_ns"]
    packets = {f"without {name}": msgpack.packb({**content, name: None}) for name in required}
    packets |= {
        f"no {name}": msgpack.packb({key: value for key, value in content.items() if key != name}) for name in required
    }
    packets |= {
        "a key twice": b"\xde\x00\x13" + encode(wink())[3:] + msgpack.packb("seq") + msgpack.packb(9),
        "another version": changed(v=2),
        "an unknown type": changed(type="body"),
        "a negative count": changed(seq=-1),
        "a count over 2^63-1": changed(seq=2**63),
        "a count with a fraction": changed(seq=1.0),
        "a long id": changed(head="h" * 65),
        "an empty id": changed(head=""),
        "an id with a control character": changed(head="a\nb"),
        "too many jaws": changed(jaw=b"\0" * 16),
        "a jaw as a list": changed(jaw=[0.0, 0.0, 0.0]),
        "a jaw out of range": changed(jaw=np.full(3, 1.1, "<f4").tobytes()),
        "a jaw that is not a number": changed(jaw=np.full(3, np.nan, "<f4").tobytes()),
        "a speech out of range": changed(speech=1.1),
        "an extension": changed(extra=msgpack.ExtType(5, b"x")),
        "a list": msgpack.packb([1, 2]),
        "too long": changed(extra=b"\0" * 65_500),
    }
    assert [expected(packet) for packet in packets.values()] == [None] * len(packets)
    lines = read(program, packets.values(), tmp_path / "packets")
    accepted = [name for name, line in zip(packets, lines, strict=True) if not line.startswith("refused")]
    assert not accepted


def mutated(packet, chance):
    data = bytearray(packet)
    for _ in range(chance.randint(1, 4)):
        if not data:
            break
        kind, at = chance.randrange(4), chance.randrange(len(data))
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at] = chance.choice((0x00, 0x7F, 0x80, 0xC0, 0xC1, 0xC7, 0xDF, 0xDD, 0xFF))
        elif kind == 2 and at > 0:
            del data[at:]
        else:
            start = chance.randrange(len(data))
            data[start : start + chance.randint(0, 8)] = data[at : at + chance.randint(0, 8)]
    return bytes(data)


def test_mutated_packets_are_judged_as_python_judges_them(program, tmp_path):
    """Each packet that Python accepts must give the same values; neither side may do anything but accept or refuse."""
    chance = random.Random("mutated for C#")
    sources = [*map(encode, frames().values()), encode_hello(HELLO)]
    packets = [mutated(chance.choice(sources), chance) for _ in range(20_000)]
    lines = read(program, packets, tmp_path / "packets")
    accepted = 0
    for packet, line in zip(packets, lines, strict=True):
        meaning = expected(packet)
        if meaning is not None:
            accepted += 1
            assert line == meaning
        elif not line.startswith("refused"):
            # Only where the client looks less closely on purpose: into hellos, unknown keys and unprintable ids.
            assert line == "hello" or has_unknown_key(packet) or not is_printable_head(line), (packet, line)
    assert accepted > 1_000


def has_unknown_key(packet):
    known = {part.name.encode() for part in PARTS} | {b"v", b"type", b"seq", b"capture_ns", b"publish_ns", b"head"}
    return not msgpack.unpackb(packet, raw=True).keys() <= known


def is_printable_head(line):
    return bytes.fromhex(line.split()[4]).decode().isprintable()


def test_reading_makes_no_garbage(program):
    done = run(program, "garbage", FOLDER / "face_dense.bin", 300_000)
    collections, microseconds = done.stdout.split()
    # One object of 24 bytes for each reading would fill the 4 MB nursery of Mono's collector once at least.
    assert int(collections) == 0
    print(f"{float(microseconds):.1f} microseconds for each frame")


class Receiver:
    """The C# receiver as a process: `ask` gives its counters and the newest frame."""

    def __init__(self, program):
        self.process = subprocess.Popen(
            ["mono", str(program), "receive"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.process.stdout.readline())
        self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, *packets):
        for packet in packets:
            self.sender.sendto(packet, ("127.0.0.1", self.port))

    def ask(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        received, lost, late, damaged, seq, shape = self.process.stdout.readline().split()
        return int(received), int(lost), int(late), int(damaged), int(seq), float(shape)

    def wait_for(self, packets):
        """Ask until so many packets are accounted for; everything that was seen as newest, and the last answer."""
        seen, answer = [], (0,) * 6
        deadline_s = time.monotonic() + 30
        while answer[0] + answer[2] + answer[3] < packets:
            assert time.monotonic() < deadline_s, f"only {answer} of {packets} packets arrived"
            answer = self.ask()
            seen += [answer[4]] if answer[4] >= 0 else []
        return seen, answer

    def stop(self):
        output, errors = self.process.communicate(timeout=30)
        self.sender.close()
        return output, errors


@pytest.fixture
def receiver(program):
    receiver = Receiver(program)
    yield receiver
    if receiver.process.poll() is None:
        receiver.stop()


def face(seq, **changes):
    return encode(replace(wink(), seq=seq, **changes))


def test_the_newest_frame_wins_and_everything_is_counted(receiver):
    receiver.send(
        face(100), face(101), face(105), encode_hello(HELLO), b"nonsense", face(104), face(105), b"", face(106)
    )
    seen, (received, lost, late, damaged, _, _) = receiver.wait_for(8)
    assert seen[-1] == 106
    assert seen == sorted(seen)
    assert (received, lost, late, damaged) == (4, 3, 2, 2)
    output, errors = receiver.stop()
    assert output.strip() == "stopped"
    assert errors.count("said only once") == 1
    assert "not a msgpack map" in errors


def test_a_sender_that_starts_anew_is_followed(receiver):
    receiver.send(face(5000), face(0), face(1))
    seen, (received, lost, late, _, _, _) = receiver.wait_for(3)
    assert seen[-1] == 1
    assert (received, lost, late) == (3, 0, 0)


def test_the_identity_stays_for_frames_that_do_not_carry_it(receiver):
    shape = np.linspace(-1, 0.5, 100, dtype=np.float32)
    receiver.send(face(1, shape=shape), face(2))
    _, (_, _, _, _, _, _) = receiver.wait_for(2)
    receiver.send(face(3))
    _, answer = receiver.wait_for(3)
    assert answer[5] == 0.5
    receiver.send(face(4, head="another/1"))
    _, answer = receiver.wait_for(4)
    assert answer[5] == 0.0


def test_a_frame_reaches_the_avatar(program):
    done = run(program, "avatar")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        "bound 3 Waiting",
        "live Live 100 62.5 0.625",
        "stale Stale 100 62.5 0.625",
        "gone Lost 0 0 0",
    ]
    # The golden face has expression 1.5, -0.75, ..., 0.25; Exp51 is beyond what there is.
    assert lines[4:6] == ["flame 3 150 -75 25", "from zero 2 0.75 -0.375"]
    assert lines[6].startswith(
        "another head 0 warning: Flame Face wants coefficients of my-flame and gets those of open-h"
    )
    # Half of 0.625; a quarter of the wink; jawOpen is spoken for; the stronger of two; found by its name.
    assert lines[7] == "mapped 4 31.25 25 False 75 0"
    assert lines[8].startswith("second False error: Port ")
    assert "close the program that uses it" in lines[8]
    assert len(lines) == 9


def test_the_asymmetric_face_has_unitys_signs(program, tmp_path):
    """Unity's +X is the subject's right for a face that looks along +Z."""
    (tmp_path / "packet").write_bytes(encode(asymmetric_face()))
    done = run(program, "axes", tmp_path / "packet")
    points = {line.split()[0]: np.array(line.split()[1:], float) for line in done.stdout.splitlines()}
    assert points["nose"] == pytest.approx([-math.sin(HEAD_YAW_RAD), 0, math.cos(HEAD_YAW_RAD)], abs=1e-6)
    assert points["left_ear"][2] < -0.3  # turned to the left: the left ear goes back
    for eye in ("left_eye", "right_eye"):
        assert points[eye][1] == pytest.approx(math.sin(math.radians(15)), abs=1e-6)
        assert points[eye][0] == pytest.approx(math.sin(math.radians(12)) * math.cos(math.radians(15)), abs=1e-6)
    assert points["chin"][0] > 0.05  # to the right
    assert points["chin"][1] < -0.1  # open
    assert points["position"] == pytest.approx([-0.02, -0.01, -0.6])
    assert points["lids"].tolist() == [1, 0, 0]


def recording(frames):
    records = [encode_hello(HELLO), *map(encode, frames)]
    return recording_format.encode_header(1) + b"".join(map(recording_format.encode_record, records))


def read_recordings(program, recordings, path):
    path.write_bytes(b"".join(struct.pack("<i", len(data)) + data for data in recordings))
    done = run(program, "recordings", path)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_recordings_are_read_to_the_same_values(program, tmp_path):
    sent = [replace(dense(), seq=7), replace(dense(), seq=8, shape=None), replace(dense(), seq=9, shape=None)]
    whole = recording(sent)
    cut = whole[:-5]
    unknown = whole + recording_format.encode_record(b"later", kind=9)
    lines = read_recordings(program, [whole, cut, unknown, recording([])], tmp_path / "recordings")
    last = described(replace(sent[2], shape=sent[0].shape))
    assert lines == [f"3 9 True {last}", f"2 8 True {last}".replace("face 9", "face 8"), f"3 9 True {last}", "0 -"]


def test_mutated_recordings_are_read_or_refused(program, tmp_path):
    chance = random.Random("mutated recordings")
    wholes = [recording([]), recording([wink()]), recording([wink(), dense()])]
    recordings = [mutated(wholes[2], chance) for _ in range(2_000)]
    lines = read_recordings(program, recordings + wholes, tmp_path / "recordings")
    assert len(lines) == 2_003
    assert sum(line.startswith("refused") for line in lines) > 500
    # What is read are the frames that were written, or the first of them: checksums let nothing else through.
    assert {line for line in lines if not line.startswith("refused")} == set(lines[2_000:])


def test_the_sample_plays_a_recording(program, tmp_path):
    def opened(seq, weight):
        arkit = np.zeros(52, np.float32)
        arkit[ARKIT_SHAPES.index("jawOpen")] = weight
        return replace(wink(), seq=seq, publish_ns=10**9 + seq * 50_000_000, arkit=arkit)

    path = tmp_path / "talk.adrec"
    path.write_bytes(recording([opened(0, 0.0), opened(1, 0.5), opened(2, 1.0)]))
    done = run(program, "player", path)
    assert done.returncode == 0, done.stderr
    # 20 frames a second, shown at 30: two thirds of the way, one third, ...
    shown = ["frame 0", "shown 0.000", "shown 0.333", "frame 1", "shown 0.667", "frame 2", *["shown 1.000"] * 3]
    assert done.stdout.splitlines() == shown
