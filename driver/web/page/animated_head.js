/** A glTF with an animation of its own, such as an exported recording: it plays over and over, whatever the driver says. */

import { AnimationMixer } from "three";

export class AnimatedHead {
  /** @param {import("three/addons/loaders/GLTFLoader.js").GLTF} gltf */
  constructor(gltf) {
    this.object = gltf.scene;
    this.object.traverse((mesh) => { mesh.frustumCulled = false; });
    this.mixer = new AnimationMixer(gltf.scene);
    this.mixer.clipAction(gltf.animations[0]).play();
  }

  /** @param {unknown} pose is not worn @param {number} passedS */
  wear(pose, passedS) {
    this.mixer.update(passedS);
  }

  takeOff() {
    this.object.removeFromParent();
  }
}
