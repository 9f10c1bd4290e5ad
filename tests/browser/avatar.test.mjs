// The avatar codec's decoder and receiver against the golden bytes, and a network that the tests make up.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  AvatarDecoder, AvatarReceiver, JitterBuffer, ProtocolError, SHAPE_INDEX, motionOf,
} from "../../driver/web/client/index.js";

const GOLDEN = new URL("../../protocol/golden/", import.meta.url);
const INDICES = [0, 1, 2, 3, 4];
const bytes = (index) => new Uint8Array(readFileSync(new URL(`avatar_${index}.bin`, GOLDEN)));
const meaning = (index) => JSON.parse(readFileSync(new URL(`avatar_${index}.json`, GOLDEN), "utf8"));

test("the golden packets are read as they are meant", () => {
  const decoder = new AvatarDecoder();
  for (const index of INDICES) {
    const face = decoder.decode(bytes(index)), expected = meaning(index);
    assert.equal(face.seq, expected.seq);
    assert.equal(decoder.session, expected.session);
    assert.equal(face.publishNs, BigInt(expected.publish_ns));
    assert.equal(face.captureNs, BigInt(expected.capture_ns));
    assert.deepEqual([...face.arkit], expected.arkit);
    assert.deepEqual([...face.headRotation], expected.head_rotation);
    assert.deepEqual([...face.headTranslation], expected.head_translation);
    assert.deepEqual([...face.confidence], expected.confidence);
    for (const name of ["laughter", "speech", "valence", "arousal"]) assert.equal(face[name], expected[name]);
  }
});

test("a face that leans on what has not come is none", () => {
  const decoder = new AvatarDecoder();
  const leaning = INDICES.filter((index) => bytes(index)[6] > 0);
  assert.ok(leaning.length >= 2);
  for (const index of leaning) assert.equal(decoder.decode(bytes(index)), null);
  assert.ok(decoder.decode(bytes(0)));
  assert.equal(decoder.session, 7);
});

test("the motion is that of the weights", () => {
  const weights = new Float32Array(52);
  weights[SHAPE_INDEX.jawOpen] = 1;
  weights[SHAPE_INDEX.eyeBlinkLeft] = 1;
  weights[SHAPE_INDEX.eyeLookDownRight] = 1;
  const motion = motionOf(weights);
  assert.ok(motion.jaw[0] > 0.2 && Math.abs(motion.jaw[1]) < 1e-3);
  assert.ok(motion.eyelids[0] > 0.99 && motion.eyelids[1] < 0.01);
  assert.ok(motion.gaze[2] > 0.4 && motion.gaze[0] === 0, "positive looks down");
});

test("six thousand mutated packets raise ProtocolError or are harmless", () => {
  let state = 4321;
  const random = (below) => (state = (state * 1103515245 + 12345) % 2 ** 31) % below;
  let refused = 0;
  for (let trial = 0; trial < 6_000; trial++) {
    const decoder = new AvatarDecoder();
    decoder.decode(bytes0);
    let packet = originals[trial % originals.length].slice();
    for (let change = random(4); change >= 0; change--) packet[random(packet.length)] = random(256);
    if (trial % 3 === 0) packet = packet.slice(0, random(packet.length));
    try {
      const face = decoder.decode(packet);
      if (face) assert.ok(face.arkit.every((weight) => weight >= 0 && weight <= 1));
    } catch (error) {
      assert.ok(error instanceof ProtocolError, `${error.stack}`);
      refused += 1;
    }
  }
  assert.ok(refused > 900, `only ${refused} were refused`);
});
const bytes0 = bytes(0), originals = INDICES.map(bytes);

/** A decoded face that opens its jaw by 0.01 with each frame at 30 Hz, and arrives 40 ms later on an even network. */
function numbered(seq) {
  const face = new AvatarDecoder().decode(bytes0);
  face.arkit.fill(0);
  face.arkit[17] = 0.01 * seq;
  const publishNs = 5_000_000_000n + (BigInt(seq) * 1_000_000_000n) / 30n;
  return { ...face, seq, publishNs };
}

test("frames in the wrong order are put right, doubled ones passed over, lost ones bridged", () => {
  const buffer = new JitterBuffer({ delayMs: 110, easeMs: 1 });
  const order = [0, 2, 1, 1, 4, 3, 5, 7, 6, 8, 10, 11];
  order.forEach((seq, place) => buffer.push(numbered(seq), 40 + (place * 1000) / 30));
  assert.equal(buffer.lost, 1);
  buffer.sample(0);
  const played = [];
  for (let at = 160; at < 40 + 110 + 333; at += 10) played.push(buffer.sample(at).arkit[17]);
  const steps = played.slice(1).map((value, index) => value - played[index]);
  assert.ok(steps.every((step) => step >= -1e-6 && step < 0.004), `${steps}`);
  assert.ok(Math.abs(played.at(-1) - 0.109) < 0.002, `${played.at(-1)}`);
});

test("a frame that comes after its time stays out", () => {
  const buffer = new JitterBuffer({ delayMs: 0, easeMs: 1 });
  for (const seq of [0, 1, 3]) buffer.push(numbered(seq), (seq * 1000) / 30);
  assert.equal(buffer.sample(100).seq, 3);
  buffer.push(numbered(2), 101);
  buffer.sample(101);
  assert.equal(buffer.pose.seq, 3);
  assert.equal(buffer.lost, 1);
});

test("the receiver counts, and follows a new sender at its key frame", () => {
  const receiver = new AvatarReceiver();
  receiver.push(bytes(3), 0);
  for (const index of INDICES) receiver.push(bytes(index), 400 * index);
  receiver.push(new Uint8Array([1, 2, 3]), 1601);
  assert.deepEqual([receiver.received, receiver.early, receiver.bad, receiver.lost], [5, 1, 1, 0]);
  assert.equal(receiver.sample(1650).state, "live");
  const other = bytes(0);
  other[1] = 9;
  receiver.push(other, 1700);
  assert.equal(receiver.sample(1701).seq, 65_536 + 65_534);
  assert.deepEqual([receiver.received, receiver.lost], [6, 0]);
});
