"""The preview's page over its wire: who is let in, what a page is sent and when, and that nobody waits for it."""

from __future__ import annotations

import dataclasses
import math
import socket
import time
import urllib.request

import numpy as np
import pytest
from support.asymmetric import HEAD_YAW_RAD, asymmetric_face
from support.stream import sink_context, wait_until

pytest.importorskip("viser", reason="the preview is viser's page")

from support.viser_page import messages, open_page, read_until
from websockets.exceptions import ConnectionClosed

from driver.errors import SinkError
from driver.framing import FrameBuilder, FrameSettings
from driver.personal_face import PersonalFace
from driver.preview.camera_view import WatchedTracker
from driver.preview.page import Preview, Shown
from driver.types import FaceTrack, VideoFrame
from models.head.arkit import ArkitMap
from models.head.flame import FaceRig, open_head

JPEG = b"\xff\xd8\xff"


class FixedTracker:
    """Sees four landmarks in every picture."""

    POINTS = np.array([[10, 10, 0], [30, 10, 0], [10, 30, 0], [60, 40, 0]], np.float32)

    def process(self, item):
        return FaceTrack(self.POINTS, 1.0, (80, 60), item.capture_ns)

    def close(self):
        pass


@pytest.fixture
def tracker():
    return WatchedTracker(FixedTracker())


@pytest.fixture
def preview(tracker):
    arkit = ArkitMap(open_head())
    builder = FrameBuilder(FrameSettings(), "open-head/1", arkit)
    shown = Shown(builder, arkit, "mediapipe", False, face=PersonalFace(arkit), camera=tracker)
    preview = Preview(0, sink_context(), shown)
    yield preview
    preview.close()


def sees(preview, client):
    wait_until(lambda: preview.clients() == 1)
    return client


def is_update(name, prop):
    return lambda message: message.get("name") == name and prop in (message.get("updates") or {})


def test_the_page_is_served(preview):
    with urllib.request.urlopen(preview.address, timeout=10) as answer:
        page = answer.read()
    assert answer.status == 200
    assert b"<html" in page[:2000].lower()


def test_the_asymmetric_face_is_sent_as_the_data_says(preview):
    """Numbers on the wire: head 20 degrees to its left, at its place; the left lid down, the right one up."""
    with open_page(preview.address) as page:
        sees(preview, page)
        face = asymmetric_face()
        preview.send(face, b"")
        update = read_until(
            page, lambda message: message["type"] == "SetOrientationMessage" and message["name"] == "/head"
        )
        half = HEAD_YAW_RAD / 2
        np.testing.assert_allclose(update["wxyz"], [math.cos(half), 0, math.sin(half), 0], atol=1e-6)

    with open_page(preview.address) as page:  # a page that comes later gets all of it at once
        place = read_until(page, lambda message: message["type"] == "SetPositionMessage" and message["name"] == "/head")
        np.testing.assert_allclose(place["position"], face.head_translation, atol=1e-6)

    expected = FaceRig(open_head()).vertices(face.expression, face.jaw, face.eyelids, face.gaze)
    for ids, mesh in preview._head._parts:
        np.testing.assert_array_equal(mesh.vertices, expected[ids])


def test_vertices_on_the_wire_are_those_of_the_face(preview):
    with open_page(preview.address) as page:
        sees(preview, page)
        preview.send(asymmetric_face(), b"")
        update = read_until(page, is_update("/head/skin0", "vertices"))
    sent = np.frombuffer(update["updates"]["vertices"], np.float32).reshape(-1, 3)
    face = asymmetric_face()
    expected = FaceRig(open_head()).vertices(face.expression, face.jaw, face.eyelids, face.gaze)
    np.testing.assert_array_equal(sent, expected[preview._head._parts[0][0]])


def test_meters_and_latency_come_along(preview):
    with open_page(preview.address) as page:
        sees(preview, page)
        for seq in range(60):
            preview.send(dataclasses.replace(asymmetric_face(seq), capture_ns=0, publish_ns=32_000_000), b"")
            time.sleep(0.01)

        wanted = {"eyeBlinkLeft", "p50 32, p95 32, worst 32 ms"}

        def completes(message):
            content = str(message.get("updates"))
            wanted.difference_update([words for words in wanted if words in content])
            return not wanted

        read_until(page, completes)


def test_no_picture_leaves_before_it_is_asked_for_and_none_after(preview, tracker):
    picture = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)

    def run(count):
        for seq in range(count):
            assert tracker.process(VideoFrame(picture, seq, seq)).presence == 1.0
            preview.send(asymmetric_face(seq), b"")
            time.sleep(0.02)

    def received(page, during_s):
        packets, deadline_s = b"", time.monotonic() + during_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                packets += page.recv(timeout=left_s)
            except TimeoutError:
                break
        return packets

    with open_page(preview.address) as page:
        sees(preview, page)
        run(20)
        assert JPEG not in received(page, 0.5)
        assert tracker._newest is None
        preview._camera.switch.value = True
        run(30)
        wait_until(lambda: preview._camera._image is not None)
        assert JPEG in received(page, 0.5)
    wait_until(lambda: preview.clients() == 0)
    run(5)
    wait_until(lambda: not preview._camera.switch.value)
    assert not tracker.is_wanted
    assert tracker._newest is None
    with open_page(preview.address) as page:  # nothing is left for who comes later
        sees(preview, page)
        run(5)
        assert JPEG not in received(page, 0.5)


def test_a_calibration_that_nobody_follows_is_dropped(preview):
    calibrating = preview._calibrating
    with open_page(preview.address) as page:
        sees(preview, page)
        calibrating._toggle()
        assert calibrating._face.watch is not None
    wait_until(lambda: preview.clients() == 0)
    preview.send(asymmetric_face(), b"")
    wait_until(lambda: calibrating._face.watch is None)


def test_a_page_from_elsewhere_is_told_nothing(preview):
    preview.send(asymmetric_face(), b"")
    with pytest.raises(ConnectionClosed) as closed:
        open_page(preview.address, origin="https://elsewhere.example").recv(timeout=10)
    assert closed.value.rcvd.code == 1008
    with open_page(preview.address, origin=preview.address.rstrip("/")) as page:
        assert messages(page.recv(timeout=10))


def test_a_stalled_page_delays_no_frame_and_no_other_page(preview):
    stalled = open_page(preview.address)
    wait_until(lambda: preview.clients() == 1)
    waited_s = []
    face = asymmetric_face()
    for seq in range(150):  # 30 of them are more than the sockets hold
        frame = dataclasses.replace(face, seq=seq, jaw=np.array([0.002 * seq, 0, 0], np.float32))
        before_s = time.perf_counter()
        preview.send(frame, b"")
        waited_s.append(time.perf_counter() - before_s)
        time.sleep(0.01)
    assert np.median(waited_s) < 0.002
    with open_page(preview.address) as page:
        wait_until(lambda: preview.clients() == 2)
        preview.send(dataclasses.replace(face, jaw=np.array([0.4, 0, 0], np.float32)), b"")
        expected = FaceRig(open_head()).vertices(face.expression, [0.4, 0, 0], face.eyelids, face.gaze)
        expected = expected[preview._head._parts[0][0]].tobytes()
        read_until(
            page,
            lambda message: (
                is_update("/head/skin0", "vertices")(message) and message["updates"]["vertices"] == expected
            ),
        )
    before_s = time.perf_counter()
    preview.close()
    assert time.perf_counter() - before_s < 3.0
    stalled.socket.close()


def test_nobody_looking_costs_nothing(preview):
    before = preview._head._parts[0][1].vertices.copy()
    for seq in range(5):
        preview.send(asymmetric_face(seq), b"")
        time.sleep(0.05)
    np.testing.assert_array_equal(preview._head._parts[0][1].vertices, before)


def test_a_busy_port_and_a_missing_viser_are_sentences(monkeypatch):
    arkit = ArkitMap(open_head())
    shown = Shown(FrameBuilder(FrameSettings(), "open-head/1", arkit), arkit, "mediapipe", False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SinkError, match=f"another program listens on port {port}"):
            Preview(port, sink_context(), shown)
    monkeypatch.setitem(__import__("sys").modules, "viser", None)
    with pytest.raises(SinkError, match=r"needs viser; run pip install 'avatar-driver\[preview\]'"):
        Preview(0, sink_context(), shown)


def test_it_says_where_it_is_and_nothing_on_standard_output(capfd):
    notices = []
    arkit = ArkitMap(open_head())
    shown = Shown(FrameBuilder(FrameSettings(), "open-head/1", arkit), arkit, "mediapipe", False)
    preview = Preview(0, sink_context(notices), shown)
    preview.close()
    preview.close()
    assert notices == [f"open {preview.address} in a browser to see the preview"]
    assert capfd.readouterr().out == ""
