/** A VRM 0 or VRM 1 avatar: shapes by its expressions, neck and head by its bones, eyes by its own look-at. */

import { VRMUtils } from "@pixiv/three-vrm";
import * as THREE from "three";
import { ARKIT_SHAPES, between, presets } from "avatar-driver-client";
import { shapeIndex } from "/page/morph_head.js";

const NECK_SHARE = 0.5; // of the head's turn; the head adds the rest
const ARMS_DOWN_RAD = 1.25; // avatars come with their arms stretched out
const HEAD_ABOVE_ORIGIN_M = -0.07; // where the head's bone, at the neck's top, is put
const PERFECT_SYNC_SHAPES = 26; // an avatar with at least half of ARKit's shapes needs no vowels
const DEGREES = THREE.MathUtils.RAD2DEG;

export class VrmAvatar {
  /** @param {import("@pixiv/three-vrm").VRM} vrm */
  constructor(vrm) {
    this.vrm = vrm;
    this.object = new THREE.Group().add(vrm.scene);
    this.isVrm0 = vrm.meta.metaVersion === "0";
    VRMUtils.rotateVRM0(vrm); // VRM 0 avatars look the other way
    const bone = (name) => vrm.humanoid.getNormalizedBoneNode(name);
    this.neck = bone("neck");
    this.head = bone("head");
    this.turn(bone("leftUpperArm"), [0, 0, -Math.sin(ARMS_DOWN_RAD / 2), Math.cos(ARMS_DOWN_RAD / 2)]);
    this.turn(bone("rightUpperArm"), [0, 0, Math.sin(ARMS_DOWN_RAD / 2), Math.cos(ARMS_DOWN_RAD / 2)]);
    this.expressions = vrm.expressionManager;
    const hasEyes = bone("leftEye") || bone("rightEye") || vrm.lookAt?.applier.constructor.type === "expression";
    this.lookAt = hasEyes ? vrm.lookAt : null;
    /** @type {{ name: string, shape: number }[]} */
    this.shapes = Object.keys(this.expressions?.expressionMap ?? {})
      .map((name) => ({ name, shape: shapeIndex(name) }))
      .filter(({ shape }) => shape !== undefined && !(this.lookAt && ARKIT_SHAPES[shape].startsWith("eyeLook")));
    this.isPerfectSync = this.shapes.length >= PERFECT_SYNC_SHAPES;
    if (this.lookAt) this.lookAt.autoUpdate = false; // we say where it looks
    vrm.update(0);
    vrm.scene.updateWorldMatrix(true, true);
    const place = this.head.getWorldPosition(new THREE.Vector3());
    vrm.scene.position.add(new THREE.Vector3(-place.x, HEAD_ABOVE_ORIGIN_M - place.y, -place.z));
    this.object.traverse((mesh) => { mesh.frustumCulled = false; });
  }

  get shapeCount() {
    return this.shapes.length;
  }

  /** @param {import("avatar-driver-client").Pose} pose @param {number} passedS */
  wear(pose, passedS) {
    for (const { name, shape } of this.shapes) this.expressions.setValue(name, pose.arkit[shape]);
    if (!this.isPerfectSync && this.expressions) {
      for (const [name, value] of Object.entries(presets(pose.arkit))) this.expressions.setValue(name, value);
    }
    const still = [0, 0, 0, 1];
    this.turn(this.neck, between(still, pose.headQuaternion, NECK_SHARE));
    this.turn(this.head, between(still, pose.headQuaternion, this.neck ? 1 - NECK_SHARE : 1));
    if (this.lookAt) {
      // Avatars turn both eyes together. Positive is down and to the subject's left, here as on the wire.
      this.lookAt.pitch = (DEGREES * (pose.gaze[0] + pose.gaze[2])) / 2;
      this.lookAt.yaw = (DEGREES * (pose.gaze[1] + pose.gaze[3])) / 2;
    }
    this.vrm.update(passedS);
  }

  /** A rotation in our axes to a bone, whose X and Z point the other way in VRM 0. */
  turn(bone, [x, y, z, w]) {
    if (bone) bone.quaternion.set(this.isVrm0 ? -x : x, y, this.isVrm0 ? -z : z, w);
  }

  takeOff() {
    this.object.removeFromParent();
    VRMUtils.deepDispose(this.vrm.scene);
  }
}
