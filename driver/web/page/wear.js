/** Loads what is worn: the open head, a VRM, any glTF with ARKit's shapes, or one that moves by itself. */

import { VRMLoaderPlugin, VRMUtils } from "@pixiv/three-vrm";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { AnimatedHead } from "/page/animated_head.js";
import { MorphHead } from "/page/morph_head.js";
import { VrmAvatar } from "/page/vrm_avatar.js";

const loader = new GLTFLoader();
loader.register((parser) => new VRMLoaderPlugin(parser));

/** The head that comes with the driver. */
export async function wearOpenHead() {
  return new MorphHead((await loader.loadAsync("/head.glb")).scene);
}

/** @param {string} url @param {string} name for messages */
export async function wearFile(url, name) {
  let gltf;
  try {
    gltf = await loader.loadAsync(url);
  } catch (error) {
    throw new Error(`${name} cannot be read as VRM or binary glTF: ${error.message}`);
  }
  const { vrm } = gltf.userData;
  if (vrm) {
    VRMUtils.removeUnnecessaryVertices(gltf.scene);
    VRMUtils.combineSkeletons(gltf.scene);
    return new VrmAvatar(vrm);
  }
  if (gltf.animations.length) return new AnimatedHead(gltf);
  const head = new MorphHead(gltf.scene);
  if (head.shapeCount) return head;
  throw new Error(`${name} has none of ARKit's shapes; take a VRM, or a glTF whose morph targets have Apple's names`);
}
