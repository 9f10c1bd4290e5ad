/** Camera, light and the drawing loop. Metres; the head's origin is the scene's. */

import * as THREE from "three";

const FIELD_OF_VIEW_DEG = 20;
const HEIGHT_M = 0.36; // what fits the picture, and where its middle is, in the head's frame
const CENTRE_M = new THREE.Vector3(0, -0.015, 0);
const BACKGROUND = "#e8e9ed";

export class Stage {
  /** @param {HTMLCanvasElement} canvas @param {string | null} background a CSS colour, or "transparent" */
  constructor(canvas, background) {
    this.canvas = canvas;
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true, alpha: background === "transparent" });
    this.scene = new THREE.Scene();
    if (background !== "transparent") this.scene.background = new THREE.Color(background ?? BACKGROUND);
    this.camera = new THREE.PerspectiveCamera(FIELD_OF_VIEW_DEG, 1, 0.05, 20);
    const distance = HEIGHT_M / 2 / Math.tan((FIELD_OF_VIEW_DEG / 2) * THREE.MathUtils.DEG2RAD);
    this.camera.position.copy(CENTRE_M).add(new THREE.Vector3(0, 0, distance));
    this.scene.add(new THREE.HemisphereLight("#ffffff", "#b8a59a", 2.0));
    const key = new THREE.DirectionalLight("#fff6ec", 2.8);
    key.position.set(-0.45, 0.55, 0.75);
    this.scene.add(key);
    this.drawn = 0;
  }

  /** @param {{ object: THREE.Object3D }} worn */
  show(worn) {
    this.scene.add(worn.object);
  }

  /** Calls `before` with the seconds since the last picture, then draws; for as long as the page lives. */
  run(before) {
    const clock = new THREE.Timer();
    this.renderer.setAnimationLoop((nowMs) => {
      clock.update(nowMs);
      this.fit();
      before(clock.getDelta());
      this.renderer.render(this.scene, this.camera);
      this.drawn += 1;
    });
  }

  /** Follow the window's size. */
  fit() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = Math.min(devicePixelRatio, 2);
    if (this.canvas.width === Math.floor(width * ratio) && this.canvas.height === Math.floor(height * ratio)) return;
    this.renderer.setPixelRatio(ratio);
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
  }
}
