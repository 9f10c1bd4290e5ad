/** Packets of avatar-driver: one face, or the hello that introduces the stream. PROTOCOL.md describes them. */

import { ProtocolError, unpack } from "./msgpack.js";

export const SCHEMA_VERSION = 1;
const MAX_PACKET_BYTES = 65507;
const MAX_TEXT_BYTES = 64;
const MAX_PART_SIZE = 16384;

/** Apple's names, in the order of the `arkit` weights. */
export const ARKIT_SHAPES = Object.freeze([
  "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft",
  "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
  "eyeSquintRight", "eyeWideRight", "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose", "mouthFunnel",
  "mouthPucker", "mouthLeft", "mouthRight", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft",
  "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
  "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight",
  "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft",
  "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft",
  "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
]);

/** Name on the wire, name here, values, least and greatest. */
const ARRAYS = /** @type {const} */ ([
  ["expression", "expression", 50, -20, 20],
  ["jaw", "jaw", 3, -1, 1],
  ["eyelids", "eyelids", 2, 0, 1],
  ["gaze", "gaze", 4, -Math.PI / 2, Math.PI / 2],
  ["head_rotation", "headRotation", 3, -Math.PI, Math.PI],
  ["head_translation", "headTranslation", 3, -100, 100],
  ["shape", "shape", 100, -20, 20],
  ["detail", "detail", 128, -100, 100],
  ["arkit", "arkit", 52, 0, 1],
  ["confidence", "confidence", 4, 0, 1],
]);
const OPTIONAL = new Set(["shape", "detail"]);
const NUMBERS = /** @type {const} */ ([["laughter", 0], ["speech", 0], ["valence", -1], ["arousal", -1]]);
// float32 rounding of a bound (pi, for example) may land just outside it.
const TOLERANCE = 1e-5;

/**
 * The face or the hello in one packet; ProtocolError for anything that breaks the rules.
 * @param {ArrayBuffer | Uint8Array} data
 * @returns {import("./index.js").Face | import("./index.js").Hello}
 */
export function decode(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  if (bytes.length > MAX_PACKET_BYTES) {
    throw new ProtocolError(`the packet has ${bytes.length} bytes; the most is ${MAX_PACKET_BYTES}`);
  }
  const fields = unpack(bytes);
  if (!(fields instanceof Map)) throw new ProtocolError("the packet is no msgpack map");
  const version = fields.get("v");
  if (version !== SCHEMA_VERSION) {
    throw new ProtocolError(
      `the packet has schema version ${version} and this client reads ${SCHEMA_VERSION}; use the same release`,
    );
  }
  const type = fields.get("type");
  if (type === "face") return face(fields);
  if (type === "hello") return hello(fields);
  throw new ProtocolError(`the packet has type ${type}; it must be 'face' or 'hello'`);
}

/** @param {Map<unknown, any>} fields */
function face(fields) {
  /** @type {Record<string, any>} */
  const found = {
    type: "face",
    seq: Number(integer(fields, "seq")),
    captureNs: integer(fields, "capture_ns"),
    publishNs: integer(fields, "publish_ns"),
    head: headId(fields),
    shape: null,
    detail: null,
  };
  for (const [wireName, name, size, least, greatest] of ARRAYS) {
    if (OPTIONAL.has(wireName) && !fields.has(wireName)) continue;
    found[name] = floats(fields.get(wireName), wireName, size, least, greatest);
  }
  for (const [name, least] of NUMBERS) {
    const value = fields.get(name);
    if (typeof value !== "number" || !isWithin(value, least, 1)) {
      throw new ProtocolError(`${name} is ${value}; it must be a number within ${least}..1`);
    }
    found[name] = value;
  }
  return /** @type {any} */ (found);
}

/** @param {Map<unknown, any>} fields */
function hello(fields) {
  const parts = list(fields, "parts").map(partSchema);
  const rateHz = fields.get("rate_hz");
  if (typeof rateHz !== "number" || !(rateHz > 0 && rateHz <= 1000)) {
    throw new ProtocolError(`the hello's rate_hz is ${rateHz}; it must be within 0..1000`);
  }
  return /** @type {any} */ ({
    type: "hello",
    sender: text(fields.get("sender"), "sender"),
    senderVersion: text(fields.get("sender_version"), "sender_version"),
    head: text(fields.get("head"), "head"),
    rateHz,
    parts,
    arkit: names(fields, "arkit"),
    regions: names(fields, "regions"),
    detail: fields.has("detail") ? text(fields.get("detail"), "detail") : null,
  });
}

/** @param {unknown} data @param {string} name @param {number} size @param {number} least @param {number} greatest */
function floats(data, name, size, least, greatest) {
  if (!(data instanceof Uint8Array) || data.length !== 4 * size) {
    throw new ProtocolError(`${name} must be a bin of ${4 * size} bytes (float32)`);
  }
  const values = new Float32Array(size);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let index = 0; index < size; index++) {
    const value = view.getFloat32(4 * index, true);
    if (!isWithin(value, least, greatest)) {
      throw new ProtocolError(`${name} holds ${value}; it must be finite and within ${least}..${greatest}`);
    }
    values[index] = value;
  }
  return values;
}

/** False for NaN, too. @param {number} value @param {number} least @param {number} greatest */
function isWithin(value, least, greatest) {
  return value >= least - TOLERANCE && value <= greatest + TOLERANCE;
}

/** @param {Map<unknown, any>} fields @param {string} name */
function integer(fields, name) {
  const value = fields.get(name);
  const isInteger = typeof value === "bigint" || Number.isSafeInteger(value);
  if (!isInteger || value < 0 || value > 0x7fffffffffffffffn) {
    throw new ProtocolError(`${name} is ${value}; it must be an integer in 0..2^63-1`);
  }
  return BigInt(value);
}

/** An id to show: no line breaks, no other invisible letters. @param {Map<unknown, any>} fields */
function headId(fields) {
  const id = text(fields.get("head"), "head");
  if (/[\p{C}\p{Z}]/u.test(id.replaceAll(" ", ""))) throw new ProtocolError("head must be printable");
  return id;
}

/** @param {unknown} value @param {string} name */
function text(value, name) {
  if (typeof value !== "string" || value === "" || new TextEncoder().encode(value).length > MAX_TEXT_BYTES) {
    throw new ProtocolError(`${name} must be a text of 1..${MAX_TEXT_BYTES} bytes`);
  }
  return value;
}

/** @param {unknown} row */
function partSchema(row) {
  if (!Array.isArray(row) || row.length < 5) {
    throw new ProtocolError("a row of the hello's parts must be [name, size, unit, minimum, maximum]");
  }
  const [name, size, unit, minimum, maximum] = row;
  if (!Number.isInteger(size) || size < 1 || size > MAX_PART_SIZE) {
    throw new ProtocolError(`the hello's part ${name} has size ${size}; it must be within 1..${MAX_PART_SIZE}`);
  }
  if (typeof minimum !== "number" || typeof maximum !== "number" || !(minimum < maximum)) {
    throw new ProtocolError(`the hello's part ${name} spans ${minimum}..${maximum}; it must be a range of numbers`);
  }
  return { name: text(name, "a part's name"), size, unit: text(unit, "a part's unit"), minimum, maximum };
}

/** @param {Map<unknown, any>} fields @param {string} name @returns {any[]} */
function list(fields, name) {
  const value = fields.get(name);
  if (!Array.isArray(value)) throw new ProtocolError(`the hello's ${name} must be an array`);
  return value;
}

/** @param {Map<unknown, any>} fields @param {string} name @returns {string[]} */
function names(fields, name) {
  return list(fields, name).map((value) => text(value, `a name in the hello's ${name}`));
}
