"""The page in a real headless Chromium: frames arrive, the face moves as it should, and looks it."""

from __future__ import annotations

import base64
import dataclasses
import math
import threading
import time
from functools import cache

import numpy as np
import pytest
from support.asymmetric import GAZE_PITCH_RAD, GAZE_YAW_RAD, HEAD_YAW_RAD, WEIGHTS, asymmetric_face
from support.browser import Browser, require_node_modules
from support.stream import sink_context
from support.vrm import write_vrm

from driver.gltf_head import JAW_ARC, TARGETS
from driver.publish import open_sink
from models.head.arkit import ArkitMap, mirrored_weights
from models.head.flame import FaceRig, open_head
from models.head.rotation import matrix_from_axis_angle, matrix_from_gaze
from protocol.frame import ARKIT_SHAPES
from protocol.msgpack_codec import encode

SIZE = (480, 480)
RATE_HZ = 60.0


class Sender:
    """Sends `face` 60 times a second until it is closed."""

    def __init__(self, url):
        self.sink = open_sink(url, sink_context())
        self.face = asymmetric_face()
        self.sent = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def page(self):
        return self.sink.name.replace("ws://", "http://")

    def _run(self):
        began_s = time.perf_counter()
        while not self._ended.wait(max(0.0, began_s + self.sent / RATE_HZ - time.perf_counter())):
            now_ns = time.perf_counter_ns()
            frame = dataclasses.replace(self.face, seq=self.sent, capture_ns=now_ns, publish_ns=now_ns)
            self.sink.send(frame, encode(frame))
            self.sent += 1

    def stop(self):
        self._ended.set()
        self._thread.join()

    def close(self):
        self.stop()
        self.sink.close()


@pytest.fixture(scope="module")
def sender():
    sender = Sender(f"ws://127.0.0.1:0?modules={require_node_modules()}")
    yield sender
    sender.close()


@pytest.fixture(scope="module")
def shared_browser(sender, tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser"), SIZE) as browser:
        browser.open(f"{sender.page}?bare=1")
        browser.wait_for("globalThis.avatarDriver?.worn")
        yield browser


@pytest.fixture
def browser(shared_browser, sender):
    """The page without its panel, wearing the open head anew, with the sender's asymmetric face on it."""
    sender.face = asymmetric_face()
    shared_browser.evaluate("globalThis.wornBefore = avatarDriver.worn; document.getElementById('own').click()")
    shared_browser.wait_for("avatarDriver.worn !== wornBefore && avatarDriver.stream.buffer.pose.presence === 1")
    settle(shared_browser, sender)
    yield shared_browser
    assert shared_browser.errors == []


def settle(browser, sender):
    """Until what is sent now is on the screen."""
    browser.wait_for(f"avatarDriver.stream.buffer.pose.seq > {sender.sent + 1}")
    drawn = browser.evaluate("avatarDriver.stage.drawn")
    browser.wait_for(f"avatarDriver.stage.drawn > {drawn + 1}")


def influences(browser):
    """Morph influences by name, of the mesh that is the skin."""
    script = """(() => {
      let found; avatarDriver.worn.object.traverse((mesh) => {
        if (mesh.morphTargetDictionary && mesh.material.name === "skin") found = mesh; });
      return Object.fromEntries(Object.entries(found.morphTargetDictionary).map(
        ([name, index]) => [name, found.morphTargetInfluences[index]]));
    })()"""
    return browser.evaluate(script)


def front(browser, script):
    """Where the +Z of an object points in the scene."""
    return browser.evaluate(f"(() => {{ const m = ({script}).matrixWorld.elements; return [m[8], m[9], m[10]]; }})()")


def test_frames_arrive_and_are_counted(browser, sender):
    assert browser.evaluate("avatarDriver.stream.isConnected")
    assert browser.evaluate("avatarDriver.stream.hello.sender") == "avatar-driver"
    first, sent = browser.evaluate("avatarDriver.stream.received"), sender.sent
    time.sleep(1.0)
    received, sent = browser.evaluate("avatarDriver.stream.received") - first, sender.sent - sent
    assert sent > 30
    assert abs(received - sent) <= 8, f"{received} of {sent}"
    assert browser.evaluate("[avatarDriver.stream.lost, avatarDriver.stream.bad]") == [0, 0]


def test_the_asymmetric_face_has_the_right_signs(browser):
    found = influences(browser)
    assert set(found) == set(TARGETS)
    for name in ARKIT_SHAPES:
        assert found[name] == pytest.approx(WEIGHTS.get(name, 0.0), abs=1e-6), name
    assert found[JAW_ARC] == pytest.approx(4 * 0.35 * 0.65, abs=1e-6)
    # The subject's left is +X, which is the right of the picture.
    expected = [math.sin(HEAD_YAW_RAD), 0.0, math.cos(HEAD_YAW_RAD)]
    assert front(browser, "avatarDriver.worn.object") == pytest.approx(expected, abs=1e-5)
    quaternion = browser.evaluate("avatarDriver.worn.object.quaternion.toArray()")
    assert quaternion == pytest.approx([0, math.sin(HEAD_YAW_RAD / 2), 0, math.cos(HEAD_YAW_RAD / 2)], abs=1e-5)


def test_the_picture_shows_the_mouth_as_far_open_as_it_should_be(browser, sender):
    openings = np.arange(11) / 10
    expected = [drawn(weights(jawOpen=opening), np.zeros(3)) for opening in openings]
    for opening in (0.2, 0.7):
        sender.face = dataclasses.replace(asymmetric_face(), arkit=weights(jawOpen=opening), head_rotation=np.zeros(3))
        settle(browser, sender)
        shot = browser.screenshot()
        likeness = [alike(shot, picture) for picture in expected]
        assert openings[int(np.argmax(likeness))] == opening, likeness
        assert max(likeness) > 0.9


def test_the_asymmetric_face_looks_as_our_own_renderer_draws_it(browser):
    shot, face = browser.screenshot(), asymmetric_face()
    right = alike(shot, drawn(face.arkit, face.head_rotation), mouth_only=False)
    mirrored = drawn(mirrored_weights(face.arkit), face.head_rotation * [1, -1, -1])
    both_open = weights(**(WEIGHTS | {"eyeBlinkLeft": 0.0}))
    other_jaw = weights(**(WEIGHTS | {"jawRight": 0.0, "jawLeft": 0.5}))
    assert right > 0.95
    for wrong in (mirrored, drawn(both_open, face.head_rotation), drawn(other_jaw, face.head_rotation)):
        assert alike(shot, wrong, mouth_only=False) < right - 0.004


def test_when_the_driver_stops_the_face_eases_to_neutral_and_comes_back(browser, sender):
    other = Sender("ws://127.0.0.1:0")
    connect_to(browser, other)
    other.close()
    browser.wait_for("avatarDriver.stream.buffer.pose.state === 'lost' && avatarDriver.stream.buffer.presence === 0")
    drawn_before = browser.evaluate("avatarDriver.stage.drawn")
    browser.wait_for(f"avatarDriver.stage.drawn > {drawn_before + 1}")
    assert max(influences(browser).values()) == 0
    assert front(browser, "avatarDriver.worn.object") == pytest.approx([0, 0, 1], abs=1e-6)
    browser.wait_for("document.getElementById('state').textContent.includes('the driver has stopped')")
    connect_to(browser, sender)
    browser.wait_for("avatarDriver.stream.buffer.presence === 1")
    browser.errors.clear()  # the browser's own words on refused connections


def connect_to(browser, sender):
    browser.evaluate(f"avatarDriver.stream.url = {sender.sink.name!r}; avatarDriver.stream.socket.close()")
    browser.wait_for("avatarDriver.stream.isConnected && avatarDriver.stream.buffer.pose.state === 'live'")


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("expressions", ["presets", "perfect_sync"])
def test_a_vrm_file_is_worn(browser, sender, tmp_path, version, expressions):
    rotation = np.array([0.3, HEAD_YAW_RAD, -0.2], np.float32)  # down, to the left, towards the left shoulder
    sender.face = dataclasses.replace(asymmetric_face(), head_rotation=rotation)
    browser.choose_file("#file", write_vrm(tmp_path / "avatar.vrm", version, expressions))
    browser.wait_for("avatarDriver.worn.vrm")
    settle(browser, sender)
    assert browser.evaluate("document.getElementById('problem').textContent") == ""
    found = influences(browser)
    if expressions == "perfect_sync":
        gone = [name for name in WEIGHTS if name.startswith("eyeLook")]  # the eyes are bones
        expected = {name: 0.0 if name in gone else weight for name, weight in WEIGHTS.items()}
    else:
        # The right corner's smile makes the open mouth a little spread: part of aa becomes ee.
        spread = WEIGHTS["mouthSmileRight"] / 2
        expected = {
            "jawOpen": 0.35 * (1 - spread),
            "mouthSmileLeft": 0.35 * spread,
            "mouthStretchLeft": (1 - 0.35) * spread,
            "mouthPucker": 0.0,
            "eyeBlinkLeft": 1.0,
            "eyeBlinkRight": 0.0,
        }
    for name, weight in expected.items():
        assert found[name] == pytest.approx(weight, abs=1e-5), name
    bone = "avatarDriver.worn.vrm.humanoid.getRawBoneNode({!r})"
    mesh = "avatarDriver.worn.object.getObjectByName('Head')"
    assert front(browser, mesh) == pytest.approx(turned(rotation), abs=1e-4)
    sign = 1 if version == 1 else -1  # the bones of VRM 0 have their backs to where the avatar looks
    assert [sign * one for one in front(browser, bone.format("neck"))] == pytest.approx(turned(rotation / 2), abs=1e-4)
    # The eyes look up, and to the subject's right of where the head points.
    ahead = matrix_from_axis_angle(rotation) @ matrix_from_gaze(GAZE_PITCH_RAD, GAZE_YAW_RAD)[:, 2]
    for eye in ("leftEye", "rightEye"):
        assert [sign * one for one in front(browser, bone.format(eye))] == pytest.approx(ahead, abs=1e-3)


def turned(rotation):
    """Where a head looks that is turned by `rotation`."""
    return matrix_from_axis_angle(rotation)[:, 2]


def test_a_file_can_be_dropped_and_a_wrong_one_is_one_sentence(browser, tmp_path):
    avatar = base64.b64encode(write_vrm(tmp_path / "avatar.vrm", 1, "presets").read_bytes()).decode()
    drop = """(() => { const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob("%s"), (c) => c.charCodeAt(0))], "%s"));
      dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true })); })()"""
    browser.evaluate(drop % (avatar, "avatar.vrm"))
    browser.wait_for("avatarDriver.worn.vrm")
    browser.evaluate(drop % (base64.b64encode(b"no avatar").decode(), "letter.vrm"))
    browser.wait_for("document.getElementById('problem').textContent")
    assert browser.evaluate("document.getElementById('problem').textContent").startswith(
        "letter.vrm cannot be read as VRM or binary glTF"
    )
    assert browser.evaluate("Boolean(avatarDriver.worn.vrm)"), "what was worn before must stay"


def test_a_page_from_elsewhere_on_this_machine_may_use_the_client(browser):
    other = Sender("ws://127.0.0.1:0")
    browser.evaluate(
        f"import('{other.page}/client/index.js').then(({{ FaceStream }}) => {{"
        f" globalThis.second = new FaceStream('{other.sink.name}'); }})"
    )
    browser.wait_for("second.received > 10")
    assert browser.evaluate("second.sample().arkit.length") == 52
    browser.evaluate("second.close()")
    other.close()


def weights(**values):
    return np.array([values.get(name, 0.0) for name in ARKIT_SHAPES], np.float32)


def drawn(arkit, head_rotation):
    """The face as our own renderer draws it, through the page's camera."""
    picture = pytest.importorskip("models.head.picture", reason="needs moderngl to draw what is expected")
    half_angle = math.radians(10)
    distance_m = 0.18 / math.tan(half_angle)
    arkit_map, rig = rigged()
    vertices = rig.vertices(
        *arkit_map.to_motion(arkit), head_rotation=head_rotation, head_translation=[0, 0.015, -distance_m]
    )
    width, height = SIZE
    camera = picture.Camera(height / 2 / math.tan(half_angle), (width / 2, height / 2), SIZE)
    return picture.render_through(camera, vertices, open_head())


@cache
def rigged():
    return ArkitMap(open_head()), FaceRig(open_head())


def alike(one, other, mouth_only=True):
    """Correlation of two pictures' brightness and redness, whose light differs, over the mouth or the whole face."""
    rows, columns = (slice(230, 350), slice(180, 300)) if mouth_only else (slice(130, 350), slice(120, 360))

    def features(picture):
        part = picture[rows, columns].astype(np.float64)
        channels = [part.sum(axis=2), part[:, :, 0] - part[:, :, 1]]
        return np.concatenate([((one - one.mean()) / one.std()).ravel() for one in channels])

    return float(np.mean(features(one) * features(other)))
