"""PROTOCOL.md agrees with the code, and its examples run as they are printed (but for the port)."""

import math
import re
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zmq
from websockets.sync.server import serve

from protocol import avatar_codec, ifacialmocap, livelink, osc_face, vmc, vrchat, vtube_studio
from protocol.avatar_levels import LEVELS
from protocol.frame import ARKIT_SHAPES, PARTS
from protocol.golden.frames import dense, wink
from protocol.golden.packets import HELLO
from protocol.msgpack_codec import encode, encode_hello
from protocol.recording_format import encode_header, encode_record
from protocol.vtube_studio_face import OWN_PARAMETERS, tracking_values

DOCUMENT = (Path(__file__).parents[2] / "protocol" / "PROTOCOL.md").read_text(encoding="utf-8")
EXAMPLES = {
    code.split(":")[0].removeprefix("# "): code for code in re.findall(r"^```python\n(.*?)^```", DOCUMENT, re.M | re.S)
}


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def sending(send):
    """Calls `send(seq)` 200 times a second until the end."""
    stop = threading.Event()

    def loop():
        seq = 0
        while not stop.wait(0.005):
            send(seq)
            seq += 1

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def run_example(name, *arguments, ports=None):
    code = EXAMPLES[name]
    for documented, actual in (ports or {}).items():
        assert code.count(str(documented)) == 1
        code = code.replace(str(documented), str(actual))
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_example_is_run_here():
    assert sorted(EXAMPLES) == ["avatar", "osc", "recording", "udp", "ws", "zmq"]


def test_the_zeromq_example():
    context = zmq.Context()
    publisher = context.socket(zmq.PUB)
    publisher.setsockopt(zmq.LINGER, 0)
    port = publisher.bind_to_random_port("tcp://127.0.0.1")

    def send(seq):
        publisher.send(encode_hello(HELLO) if seq % 10 == 0 else encode(replace(wink(), seq=seq)))

    with sending(send):
        lines = run_example("zmq", ports={5571: port})
    publisher.close()
    context.term()
    assert len(lines) == 101
    assert re.fullmatch(r"\d+ 0\.25 0\.625", lines[50])
    # Every tenth number was a hello's.
    assert lines[-1] == "100 frames, 11 lost"


def test_the_websocket_example():
    def attend(client):
        client.send(encode_hello(HELLO))
        for seq in range(100):
            client.send(encode(replace(wink(), seq=seq)))

    with serve(attend, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        lines = run_example("ws", ports={5573: server.socket.getsockname()[1]})
        server.shutdown()
        thread.join()
    assert lines[0] == "hello open-head/1 60.0"
    assert lines[1:] == [f"{seq} 52" for seq in range(100)]


def test_the_udp_example():
    port = free_port(socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

        def send(seq):
            late = replace(wink(), seq=max(0, seq - 50), capture_ns=0)
            for frame in (replace(wink(), seq=seq), late):
                sender.sendto(encode(frame), ("127.0.0.1", port))

        with sending(send):
            lines = run_example("udp", ports={5572: port})
    seen = [int(line.split()[0]) for line in lines]
    assert len(seen) >= 5
    assert seen == sorted(set(seen))
    assert all(line.endswith(" 21.098766 ms old") for line in lines[1:])


def test_the_osc_example():
    port = free_port(socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

        def send(seq):
            for datagram in osc_face.encode(replace(dense(), seq=seq)):
                sender.sendto(datagram, ("127.0.0.1", port))

        with sending(send):
            lines = run_example("osc", ports={9010: port})
    assert len(lines) == 101
    assert lines[-1] == "0 lost"
    assert "flame-2023-open" in lines[0]
    assert lines[0].endswith(str(dense().arkit.tolist()[17]))


def test_the_avatar_example():
    port = free_port(socket.SOCK_DGRAM)
    state = avatar_codec.EncoderState(session=200)
    frames = [
        replace(
            wink(),
            publish_ns=10**12 + seq * 33_333_333,
            arkit=np.abs(np.sin(np.arange(52) + seq / 9)),
            head_rotation=np.array([0.0, 3 * np.sin(seq / 30), 0.1]),
        )
        for seq in range(3000)
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

        def send(seq):
            nonlocal state
            kbps = 3.0 if seq % 100 < 30 else 1000.0
            packet, state = avatar_codec.encode(frames[seq], state, avatar_codec.AvatarOptions(kbps=kbps))
            if packet is not None:
                seq_of_packet[state.seq - 1] = seq
                sender.sendto(packet, ("127.0.0.1", port))

        seq_of_packet = {}
        with sending(send):
            lines = run_example("avatar", ports={5574: port})
    assert len(lines) == 100
    for line in lines:
        seq, _, jaw, _, turned = line.split()
        frame = frames[seq_of_packet[int(seq)]]
        assert float(jaw) == pytest.approx(frame.arkit[17], abs=5 / LEVELS[17])
        assert float(turned) == pytest.approx(frame.head_rotation[1], abs=5e-3)


def test_the_recording_example(tmp_path):
    packets = [encode_hello(HELLO), *(encode(replace(wink(), publish_ns=10**9 + seq * 10**7)) for seq in range(50))]
    recording = encode_header(0) + b"".join(map(encode_record, packets)) + encode_record(packets[-1])[:-1]
    path = tmp_path / "take.adrec"
    path.write_bytes(recording)
    assert run_example("recording", str(path)) == ["50 frames, 0.490 s"]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_the_table_of_parts(part):
    row = re.search(rf"^\| `{part.name}` \| (\d+) \| (\S*) ?\| (\S+) \|", DOCUMENT, re.M)
    assert row is not None
    size, unit, limits = row.groups()
    spelled = {math.pi: "π", math.pi / 2: "π/2"}
    high = spelled.get(part.maximum, f"{part.maximum:g}")
    assert int(size) == part.size
    assert limits == (f"-{high}..{high}" if part.minimum < 0 else f"0..{high}")
    assert unit == ("" if ".." in part.unit else part.unit)


def test_the_number_of_values():
    always = sum(part.size for part in PARTS if not part.is_optional)
    assert f"{always} values" in DOCUMENT


def test_the_order_of_the_shapes():
    found = {int(index): name for index, name in re.findall(r"(\d+) `([a-zA-Z]+)`", DOCUMENT.split("## The order")[1])}
    assert tuple(found[index] for index in range(52)) == ARKIT_SHAPES


def test_addresses_and_ports_are_documented():
    for address in osc_face.ADDRESSES:
        assert f"| `{address}` |" in DOCUMENT
    for port in (
        5571,
        5572,
        osc_face.DEFAULT_PORT,
        vmc.ASSISTANT_PORT,
        livelink.DEFAULT_PORT,
        ifacialmocap.DEFAULT_PORT,
        vrchat.DEFAULT_PORT,
        avatar_codec.DEFAULT_PORT,
    ):
        assert f"127.0.0.1:{port}" in DOCUMENT
    assert f"ws://127.0.0.1:{vtube_studio.DEFAULT_PORT}" in DOCUMENT
    assert f"(performer: {vmc.PERFORMER_PORT})" in DOCUMENT


def test_the_parameters_of_vtube_studio_are_documented():
    section = DOCUMENT.split("## VTube Studio")[1].split("\n## ")[0]
    named = set(re.findall(r"`([A-Z][A-Za-z]+)`", section))
    assert set(tracking_values(wink())) <= named
    assert {parameter.name for parameter in OWN_PARAMETERS[52:]} <= named
