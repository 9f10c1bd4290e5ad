/** Any object whose morph targets have ARKit's names: the open head, and most glTF avatars made for face tracking. */

import { ARKIT_SHAPES, SHAPE_INDEX } from "avatar-driver-client";

// The open head's one target beyond the 52: it brings the chin back onto its arc, half-way open.
const JAW_ARC = "jawOpenArc";

const INDEX_BY_PLAIN_NAME = new Map(ARKIT_SHAPES.map((name, index) => [name.toLowerCase(), index]));

/** Index of the ARKit shape that a target's name means ("jawOpen", "JawOpen", "Face.eyeBlink_L"), or undefined. */
export function shapeIndex(name) {
  const bare = name.slice(name.lastIndexOf(".") + 1);
  return INDEX_BY_PLAIN_NAME.get(bare.replace(/_L$/, "Left").replace(/_R$/, "Right").toLowerCase());
}

export class MorphHead {
  /** @param {import("three").Object3D} object */
  constructor(object) {
    this.object = object;
    /** @type {{ influences: number[], target: number, shape: number }[]} */
    this.links = [];
    this.arcs = [];
    const found = new Set();
    object.traverse((mesh) => {
      mesh.frustumCulled = false; // morphs and turns may leave the box that was computed at rest
      for (const [name, target] of Object.entries(mesh.morphTargetDictionary ?? {})) {
        const shape = shapeIndex(name);
        if (name === JAW_ARC) this.arcs.push({ influences: mesh.morphTargetInfluences, target });
        if (shape === undefined) continue;
        found.add(shape);
        this.links.push({ influences: mesh.morphTargetInfluences, target, shape });
      }
    });
    this.shapeCount = found.size;
  }

  /** @param {import("avatar-driver-client").Pose} pose */
  wear(pose) {
    for (const { influences, target, shape } of this.links) influences[target] = pose.arkit[shape];
    const opening = pose.arkit[SHAPE_INDEX.jawOpen];
    for (const { influences, target } of this.arcs) influences[target] = 4 * opening * (1 - opening);
    this.object.quaternion.fromArray(pose.headQuaternion);
  }

  takeOff() {
    this.object.removeFromParent();
  }
}
