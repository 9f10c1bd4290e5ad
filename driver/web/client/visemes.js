/** Vowels and blinks for avatars without the 52 shapes. */

import { ARKIT_SHAPES } from "./packet.js";

/** Index of each shape in `arkit`. @type {Readonly<Record<string, number>>} */
export const SHAPE_INDEX = Object.freeze(Object.fromEntries(ARKIT_SHAPES.map((name, index) => [name, index])));

/**
 * VRM's presets aa ih ou ee oh blinkLeft blinkRight, 0..1, from the 52 weights: how far the mouth is open, rounded and
 * spread, read as the VMC output reads it. The vowels never add up to more than 1, because avatars add their shapes.
 * @param {ArrayLike<number>} arkit
 */
export function presets(arkit) {
  /** @param {...string} names */
  const weight = (...names) => names.reduce((sum, name) => sum + arkit[SHAPE_INDEX[name]], 0) / names.length;
  const opened = Math.max(0, weight("jawOpen") - weight("mouthClose"));
  const rounded = Math.max(weight("mouthFunnel"), weight("mouthPucker"));
  const widest = Math.max(weight("mouthSmileLeft", "mouthSmileRight"), weight("mouthStretchLeft", "mouthStretchRight"));
  const spread = widest * (1 - rounded);
  const vowels = {
    aa: opened * (1 - rounded) * (1 - spread),
    ih: (1 - opened) * spread * Math.min(1, 4 * opened), // a closed smile says nothing
    ou: (1 - opened) * rounded,
    ee: opened * spread,
    oh: opened * rounded,
  };
  const total = Math.max(1, Object.values(vowels).reduce((sum, value) => sum + value));
  return {
    ...Object.fromEntries(Object.entries(vowels).map(([name, value]) => [name, value / total])),
    blinkLeft: weight("eyeBlinkLeft"),
    blinkRight: weight("eyeBlinkRight"),
  };
}
