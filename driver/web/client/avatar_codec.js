/** Packets of the avatar codec (`--out avatar://`): a face in some 35 bytes. PROTOCOL.md describes them. */

import { DIFFERENCE_CHANCES, HIGHEST, KEY_CHANCES, LEVELS, LOWEST, STEPS } from "./avatar_table.js";
import { ProtocolError } from "./msgpack.js";
import { OPEN_HEAD_MOTION } from "./open_head_motion.js";
import { SHAPE_INDEX } from "./visemes.js";
import { RangeDecoder } from "./range_decoder.js";

const MARK = 0xa4;
const MULTIPLIERS = [1, 2, 4, 8];
const HEADER_BYTES = 7, MAX_BYTES = 512;
const TURN = 2 ** 16;
// A key frame that is further back than this is no late one: the sender has started anew, or was away for long.
const LATEST_PACKETS = 64;
const KEPT_KEYS = 4;

const LOW = [...LEVELS.map(() => 0), ...LOWEST], HIGH = [...LEVELS, ...HIGHEST];
const STEP = [...LEVELS.map((level) => 1 / level), ...STEPS];
const REST = LOW.map(() => 0);

/**
 * Keeps what faces lean on, from packet to packet. Give it every packet as it comes: late, twice, or not at all.
 * `session` of the last face is another one when another sender has begun.
 */
export class AvatarDecoder {
  /** Key frames by number, as whole numbers. @type {Map<number, number[]>} */
  keys = new Map();
  session = -1;
  newestSeq = 0;
  newestMs = 0;

  /**
   * The face in a packet; null for one that leans on a key frame that has not come. ProtocolError when a rule is broken.
   * @param {ArrayBuffer | Uint8Array} packet
   * @returns {import("./index.js").Face | null}
   */
  decode(packet) {
    const data = packet instanceof Uint8Array ? packet : new Uint8Array(packet);
    if (data.length < HEADER_BYTES || data.length > MAX_BYTES) {
      throw new ProtocolError(`the avatar packet has ${data.length} bytes; it must have ${HEADER_BYTES}..${MAX_BYTES}`);
    }
    const quantiser = data[0] - MARK;
    if (!(quantiser >= 0 && quantiser < MULTIPLIERS.length)) {
      throw new ProtocolError(`the avatar packet begins with ${data[0]}; use the same release on both sides`);
    }
    const session = data[1], distance = data[6];
    const shortSeq = data[2] + 256 * data[3], shortMs = data[4] + 256 * data[5];
    let seq = unwrapped(shortSeq, this.newestSeq), publishMs = unwrapped(shortMs, this.newestMs);
    const isKnown = session === this.session;
    const isNew = distance === 0 && (!isKnown || seq < this.newestSeq - LATEST_PACKETS);
    const reference = distance === 0 ? REST : isKnown ? this.keys.get(seq - distance) : undefined;
    if (!reference) return null;
    const numbers = decoded(data.subarray(HEADER_BYTES), reference, distance === 0, quantiser);
    if (isNew) {
      this.keys.clear();
      this.session = session;
      this.newestSeq = this.newestMs = 0;
      [seq, publishMs] = [TURN + shortSeq, TURN + shortMs];
    }
    if (distance === 0) {
      this.keys.set(seq, numbers);
      const oldest = [...this.keys.keys()].sort((a, b) => b - a)[KEPT_KEYS];
      if (oldest !== undefined) this.keys.delete(oldest);
    }
    if (seq > this.newestSeq) [this.newestSeq, this.newestMs] = [seq, publishMs];
    return face(numbers, seq, publishMs);
  }
}

/** The open head's motion that the 52 weights stand for. @param {ArrayLike<number>} arkit */
export function motionOf(arkit) {
  const weights = Array.from(arkit, (weight) => Math.min(1, Math.max(0, weight)));
  weights[SHAPE_INDEX.mouthClose] = Math.min(weights[SHAPE_INDEX.mouthClose], weights[SHAPE_INDEX.jawOpen]);
  const motion = new Float64Array(OPEN_HEAD_MOTION[0].length);
  weights.forEach((weight, shape) => {
    if (weight) OPEN_HEAD_MOTION[shape].forEach((change, index) => { motion[index] += weight * change; });
  });
  /** @param {number} from @param {number} to @param {number} least @param {number} greatest */
  const part = (from, to, least, greatest) =>
    Float32Array.from(motion.subarray(from, to), (value) => Math.min(greatest, Math.max(least, value)));
  return {
    expression: part(0, 50, -20, 20),
    jaw: part(50, 53, -1, 1),
    eyelids: part(53, 55, 0, 1),
    gaze: part(55, 59, -Math.PI / 2, Math.PI / 2),
  };
}

/** @param {Uint8Array} body @param {number[]} reference @param {boolean} isKey @param {number} quantiser */
function decoded(body, reference, isKey, quantiser) {
  const coder = new RangeDecoder(body);
  const chances = (isKey ? KEY_CHANCES : DIFFERENCE_CHANCES)[quantiser];
  const numbers = reference.map((start, index) => {
    const sign = start <= LOW[index] ? 1 : start >= HIGH[index] ? -1 : 0;
    const difference = coder.number(chances[index][0], chances[index][1], sign);
    return Math.min(HIGH[index], Math.max(LOW[index], start + MULTIPLIERS[quantiser] * difference));
  });
  coder.finish();
  return numbers;
}

/** @param {number[]} numbers @param {number} seq @param {number} publishMs @returns {import("./index.js").Face} */
function face(numbers, seq, publishMs) {
  const values = Float32Array.from(numbers, (number, index) => number * STEP[index]);
  const arkit = values.slice(0, 52);
  const ageMs = Math.round(1000 * numbers[66] * STEP[66]);
  return {
    type: "face",
    seq,
    captureNs: BigInt(Math.max(0, publishMs - ageMs)) * 1_000_000n,
    publishNs: BigInt(publishMs) * 1_000_000n,
    head: "open-head/1",
    ...motionOf(arkit),
    headRotation: values.slice(52, 55),
    headTranslation: values.slice(55, 58),
    shape: null,
    detail: null,
    arkit,
    laughter: values[58],
    speech: values[59],
    valence: values[60],
    arousal: values[61],
    confidence: values.slice(62, 66),
  };
}

/** The number that is `short` modulo 2^16 and nearest to `near`. @param {number} short @param {number} near */
function unwrapped(short, near) {
  const apart = (((short - near + TURN / 2) % TURN) + TURN) % TURN;
  return near + apart - TURN / 2;
}
