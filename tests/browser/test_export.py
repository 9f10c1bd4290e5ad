"""What `export --to glb` writes, played by three.js in a real browser."""

import base64

import numpy as np
import pytest
from support.browser import Browser, require_node_modules
from support.recorded import moving, recorded
from support.stream import sink_context

from driver.export import export
from driver.gltf_head import TARGETS
from driver.publish import open_sink
from protocol.axes import from_axis_angle

LOAD = """(async () => {
  const { GLTFLoader } = await import("three/addons/loaders/GLTFLoader.js");
  const { AnimationMixer } = await import("three");
  const data = Uint8Array.from(atob("%s"), (letter) => letter.charCodeAt(0)).buffer;
  const gltf = await new GLTFLoader().parseAsync(data, "");
  const mixer = new AnimationMixer(gltf.scene);
  mixer.clipAction(gltf.animations[0]).play();
  globalThis.played = (time) => {
    mixer.setTime(time);
    const node = gltf.scene.getObjectByName("Head");
    let skin; node.traverse((mesh) => { if (mesh.material?.name === "skin") skin = mesh; });
    return [Object.keys(skin.morphTargetDictionary), skin.morphTargetInfluences,
      node.quaternion.toArray(), node.position.toArray()];
  };
  return gltf.animations[0].duration;
})()"""


def test_three_js_plays_the_recording(tmp_path):
    frames = [moving(seq) for seq in range(120)]
    export(recorded(tmp_path / "talk.adrec", frames), tmp_path / "talk.glb", "glb", pytest.fail)
    sink = open_sink(f"ws://127.0.0.1:0?modules={require_node_modules()}", sink_context())
    with Browser(tmp_path, (320, 320)) as browser:
        browser.open(sink.name.replace("ws://", "http://"))
        browser.wait_for("globalThis.avatarDriver?.worn")
        data = base64.b64encode((tmp_path / "talk.glb").read_bytes()).decode()
        assert browser.evaluate(LOAD % data) == pytest.approx(119 / 60, abs=1e-4)
        for seq in (0, 1, 40, 77, 118):
            names, influences, quaternion, position = browser.evaluate(f"played({seq / 60})")
            assert names == list(TARGETS)
            assert influences[:52] == pytest.approx(frames[seq].arkit.tolist(), abs=2e-3)
            expected = np.array(from_axis_angle(frames[seq].head_rotation))
            assert abs(expected @ quaternion) == pytest.approx(1.0, abs=1e-5)
            assert position == pytest.approx([0.001 * (seq - 59.5), 0, 0], abs=1e-4)
        # Dropped onto the page, it plays by itself.
        browser.choose_file("#file", tmp_path / "talk.glb")
        browser.wait_for("avatarDriver.worn.mixer?.time > 0.2")
        assert browser.errors == []
    sink.close()
