"""The JavaScript client in Node: its own tests, its types, our own reader's verdicts, every frame of a live stream."""

import dataclasses
import json
import random
import shutil
import struct
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from support.browser import require_node_modules
from support.stream import numbered, sink_context, wait_until

from driver.publish import open_sink
from protocol.avatar_codec import AvatarOptions, DecoderState, EncoderState
from protocol.avatar_codec import decode as decode_avatar
from protocol.avatar_codec import encode as encode_avatar
from protocol.frame import ProtocolError
from protocol.golden.packets import files
from protocol.hello import Hello
from protocol.msgpack_codec import decode, encode

FOLDER = Path(__file__).parent
CLIENT = FOLDER.parents[1] / "driver" / "web" / "client"


@pytest.fixture(scope="module")
def node() -> list[str]:
    """The command, with its own WebSocket."""
    if shutil.which("node") is None:
        pytest.skip("needs Node.js: apt-get install nodejs")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    major = int(version.strip("v\n").split(".")[0])
    if major < 20:
        pytest.skip(f"needs Node.js 20 for its WebSocket; this one is {version.strip()}")
    return ["node"] if major >= 22 else ["node", "--experimental-websocket", "--no-warnings"]


def test_the_clients_own_tests_pass(node):
    tests = ("client.test.mjs", "avatar.test.mjs")
    ran = subprocess.run([*node, "--test", *tests], cwd=FOLDER, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout
    assert "# pass 0" not in ran.stdout


def test_the_types_agree_with_the_code(node):
    compiler = require_node_modules() / "typescript" / "bin" / "tsc"
    ran = subprocess.run([*node, compiler, "-p", "."], cwd=FOLDER, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout


def test_the_package_is_complete_and_the_page_and_the_tests_use_the_same_releases():
    manifest = json.loads((CLIENT / "package.json").read_text())
    assert manifest["types"] == "./index.d.ts"
    assert (CLIENT / "README.md").is_file()
    assert "dependencies" not in manifest
    page = (CLIENT.parent / "index.html").read_text()
    tested = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    for package in ("three", "@pixiv/three-vrm"):
        assert f"/npm/{package}@{tested[package]}/" in page


def test_packets_are_refused_and_accepted_as_by_our_own_reader(node):
    chance = random.Random(1)
    originals = [data for name, data in files().items() if name.startswith(("face", "hello")) and name.endswith("bin")]
    packets = [mutated(chance, chance.choice(originals)) for _ in range(4000)]
    sent = b"".join(struct.pack("<I", len(packet)) + packet for packet in packets)
    ran = subprocess.run([*node, "judge.mjs"], cwd=FOLDER, input=sent, capture_output=True, check=True, timeout=120)
    verdicts = json.loads(ran.stdout)
    ours = [verdict(packet) for packet in packets]
    assert len(verdicts) == len(ours) == 4000
    assert set(ours) == {"", "face", "hello"}
    differing = [index for index in range(4000) if verdicts[index] != ours[index]]
    assert not differing, [(verdicts[index], packets[index]) for index in differing[:3]]


def mutated(chance, packet):
    data = bytearray(packet)
    for _ in range(chance.randrange(1, 4)):
        data[chance.randrange(min(len(data), chance.choice((40, 2000))))] = chance.randrange(256)
    return bytes(data[: chance.randrange(len(data))] if chance.random() < 0.2 else data)


def verdict(packet):
    try:
        return "hello" if isinstance(decode(packet), Hello) else "face"
    except ProtocolError:
        return ""


def test_avatar_packets_mean_the_same_to_our_own_decoder(node):
    """A long stream in which packets are lost, doubled, shuffled and mutated."""
    chance = random.Random(2)
    state, packets = EncoderState(session=3, seq=65_000), []
    for seq in range(1200):
        weights = np.clip(0.5 + 0.5 * np.sin(np.arange(52) + 0.03 * seq), 0, 1)
        frame = dataclasses.replace(numbered(4 * seq + 1, seq * 33_333_333), arkit=weights)
        packet, state = encode_avatar(frame, state, AvatarOptions(kbps=9.0))
        packets += [packet] * chance.choice((0, 1, 1, 1, 1, 2)) if packet else []
        if packet and chance.random() < 0.2:
            packets.append(mutated(chance, packet))
    packets = [packet for _, packet in sorted(enumerate(packets), key=lambda one: one[0] + 4 * chance.random())]
    sent = b"".join(struct.pack("<I", len(packet)) + packet for packet in packets)
    ran = subprocess.run(
        [*node, "avatar_judge.mjs"], cwd=FOLDER, input=sent, capture_output=True, check=True, timeout=60
    )
    theirs, ours, decoder = json.loads(ran.stdout), [], DecoderState()
    for packet in packets:
        try:
            face, decoder = decode_avatar(packet, decoder)
        except ProtocolError:
            ours.append("")
            continue
        if face is None:
            ours.append("early")
            continue
        values = (face.arkit, face.head_rotation, face.head_translation)
        ours.append([face.seq, face.publish_ns, *(value for part in values for value in part.tolist())])
    assert {"", "early"} < {verdict if isinstance(verdict, str) else "face" for verdict in ours}
    assert theirs == ours


def test_nodes_own_websocket_gets_every_frame_at_60_hz(node):
    count = 180
    sink = open_sink("ws://127.0.0.1:0", sink_context())
    with subprocess.Popen(
        [*node, "listen.mjs", sink.name, str(count - 1)], cwd=FOLDER, stdout=subprocess.PIPE, text=True
    ) as listener:
        wait_until(lambda: sink.clients() == 1)
        frames = [numbered(seq, 10**9 + seq * 16_666_667) for seq in range(count)]
        began_s = time.perf_counter()
        for seq, frame in enumerate(frames):
            time.sleep(max(0.0, began_s + seq / 60 - time.perf_counter()))
            sink.send(frame, encode(frame))
        hello, got = (json.loads(line) for line in listener.communicate(timeout=20)[0].splitlines())
    sink.close()
    assert hello == {"hello": "avatar-driver", "rateHz": 60}
    assert got["seqs"] == list(range(count))
    assert got["jaws"] == [float(frame.arkit[17]) for frame in frames]
    assert (got["lost"], got["bad"]) == (0, 0)
