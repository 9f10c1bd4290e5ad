"""The golden files say what the codecs do today, and mean what their JSON says."""

import io
import json

import pytest

from protocol import avatar_codec, ifacialmocap, livelink, osc, oscquery, vtube_studio
from protocol.golden.packets import FOLDER, avatar_meaning, face_meaning, files
from protocol.msgpack_codec import Hello, decode, encode, encode_hello
from protocol.recording_format import RecordingReader

REPAIR = "the wire has changed; if that was meant, run `python -m protocol.golden` and commit what it writes"


def on_disk():
    return {path.name: path.read_bytes() for path in (*FOLDER.glob("*.bin"), *FOLDER.glob("*.json"))}


def golden(name):
    return (FOLDER / f"{name}.bin").read_bytes(), json.loads((FOLDER / f"{name}.json").read_text())


def names(prefix):
    found = sorted(path.stem for path in FOLDER.glob(f"{prefix}*.bin"))
    assert found
    return found


def test_golden_files_are_up_to_date():
    wanted, found = files(), on_disk()
    changed = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    assert not changed, f"{', '.join(changed)}: {REPAIR}"


@pytest.mark.parametrize("name", names("face_"))
def test_faces_mean_what_their_json_says(name):
    data, meaning = golden(name)
    frame = decode(data)
    assert face_meaning(frame) == meaning
    assert encode(frame) == data


def test_the_hello_means_what_its_json_says():
    data, meaning = golden("hello")
    hello = decode(data)
    assert isinstance(hello, Hello)
    assert (hello.sender, hello.head, hello.rate_hz) == (meaning["sender"], meaning["head"], meaning["rate_hz"])
    assert [[row.name, row.size, row.unit, row.minimum, row.maximum] for row in hello.parts] == meaning["parts"]
    assert [list(hello.arkit), list(hello.regions)] == [meaning["arkit"], meaning["regions"]]
    assert encode_hello(hello) == data


@pytest.mark.parametrize("name", names("osc_") + names("vmc_") + names("vrchat_"))
def test_osc_means_what_its_json_says(name):
    data, meaning = golden(name)
    assert [[message.address, *message.arguments] for message in osc.decode_packet(data)] == meaning


@pytest.mark.parametrize("name", names("livelink"))
def test_live_link_means_what_its_json_says(name):
    data, meaning = golden(name)
    packet = livelink.decode(data)
    assert (packet.subject, packet.frame_number) == (meaning["subject"], meaning["frame_number"])
    if meaning["values"] is None:
        assert packet.values is None
    else:
        assert dict(zip(livelink.CHANNELS, packet.values.tolist(), strict=True)) == meaning["values"]


@pytest.mark.parametrize("name", names("ifacialmocap"))
def test_ifacialmocap_means_what_its_json_says(name):
    data, meaning = golden(name)
    packet = ifacialmocap.decode(data)
    assert (packet.version, packet.is_tracked) == (meaning["version"], meaning["is_tracked"])
    assert dict(zip(ifacialmocap.NAMES, (100 * packet.weights).tolist(), strict=True)) == pytest.approx(
        meaning["weights"]
    )
    for pose in ("head_deg", "head_m", "right_eye_deg", "left_eye_deg"):
        assert list(getattr(packet, pose)) == meaning[pose]


@pytest.mark.parametrize("name", names("vtube_studio"))
def test_vtube_studio_means_what_its_json_says(name):
    data, meaning = golden(name)
    message = vtube_studio.decode(data)
    assert (message.type, message.request_id) == (meaning["messageType"], meaning["requestID"])
    assert message.data == meaning["data"]


def test_avatar_packets_mean_what_their_json_says():
    state = avatar_codec.DecoderState()
    for name in names("avatar_"):
        data, meaning = golden(name)
        face, state = avatar_codec.decode(data, state)
        assert face is not None
        assert avatar_meaning(face) == meaning


def test_the_recording_means_what_its_json_says():
    data, meaning = golden("recording")
    reader = RecordingReader(io.BytesIO(data))
    expected = [(kind, golden(name)[0] if name else b"later") for kind, name in meaning["records"]]
    assert [(record.kind, record.payload) for record in reader] == expected
    assert (reader.created_ns, reader.dropped_bytes) == (meaning["created_ns"], meaning["dropped_bytes"])


def test_the_oscquery_tree_means_what_its_json_says():
    data, meaning = golden("oscquery")
    assert [[one.address, one.tags, list(one.value)] for one in oscquery.decode_tree(data)] == meaning
