// The JavaScript client against the golden bytes, mutated bytes, and a network and a clock that the tests make up.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  ARKIT_SHAPES, FaceStream, JitterBuffer, ProtocolError, between, decode, presets, quaternionFromAxisAngle,
} from "../../driver/web/client/index.js";

const GOLDEN = new URL("../../protocol/golden/", import.meta.url);
const bytes = (name) => new Uint8Array(readFileSync(new URL(`${name}.bin`, GOLDEN)));
// Numbers of nanoseconds have more digits than JavaScript's; as texts they keep them.
const meaning = (name) =>
  JSON.parse(readFileSync(new URL(`${name}.json`, GOLDEN), "utf8").replace(/("\w+_ns": )(\d+)/g, '$1"$2"'));

for (const name of ["face_neutral", "face_wink", "face_dense", "face_detailed"]) {
  test(`${name} is read as it is meant`, () => {
    const face = decode(bytes(name)), expected = meaning(name);
    assert.equal(face.type, "face");
    assert.equal(face.seq, expected.seq);
    assert.equal(face.captureNs, BigInt(expected.capture_ns));
    assert.equal(face.publishNs, BigInt(expected.publish_ns));
    assert.equal(face.head, expected.head);
    const parts = {
      expression: face.expression, jaw: face.jaw, eyelids: face.eyelids, gaze: face.gaze, arkit: face.arkit,
      head_rotation: face.headRotation, head_translation: face.headTranslation, confidence: face.confidence,
    };
    for (const [part, values] of Object.entries(parts)) assert.deepEqual([...values], expected[part], part);
    assert.deepEqual(face.shape && [...face.shape], expected.shape ?? null);
    assert.deepEqual(face.detail && [...face.detail], expected.detail ?? null);
    for (const part of ["laughter", "speech", "valence", "arousal"]) assert.deepEqual([face[part]], expected[part]);
  });
}

test("the hello is read as it is meant, and names what the client names", () => {
  const hello = decode(bytes("hello")), expected = meaning("hello");
  assert.equal(hello.sender, expected.sender);
  assert.equal(hello.senderVersion, expected.sender_version);
  assert.equal(hello.rateHz, expected.rate_hz);
  assert.deepEqual(hello.parts.map(Object.values), expected.parts);
  assert.deepEqual(hello.arkit, [...ARKIT_SHAPES]);
  assert.deepEqual(hello.regions, expected.regions);
});

test("ten thousand mutated packets raise ProtocolError or are harmless", () => {
  let state = 12345;
  const random = (below) => (state = (state * 1103515245 + 12345) % 2 ** 31) % below;
  const originals = ["face_wink", "face_dense", "hello"].map(bytes);
  let refused = 0;
  for (let trial = 0; trial < 10_000; trial++) {
    let packet = originals[trial % originals.length].slice();
    for (let change = random(4); change >= 0; change--) packet[random(packet.length)] = random(256);
    if (trial % 3 === 0) packet = packet.slice(0, random(packet.length));
    try {
      decode(packet);
    } catch (error) {
      assert.ok(error instanceof ProtocolError, `${error.stack}`);
      refused += 1;
    }
  }
  assert.ok(refused > 3000, `only ${refused} were refused`);
});

test("what must be refused is refused, and for its own reason", () => {
  const map = (...pairs) => new Uint8Array([0x80 | pairs.length, ...pairs.flat()]);
  const text = (words) => [0xa0 | words.length, ...new TextEncoder().encode(words)];
  for (const [packet, reason] of [
    [new Uint8Array(), /ends too early/],
    [new Uint8Array([0x01]), /no msgpack map/],
    [map([...text("v"), 2]), /schema version 2/],
    [map([...text("v"), 1], [...text("type"), ...text("later")]), /type later/],
    [map([...text("v"), 1], [...text("v"), 1]), /twice/],
    [map([0x05, 0x01]), /key that is no text/],
    [map([...text("v"), 0xd4, 0x01, 0x00]), /type 0xd4/],
    [map([...text("v"), 0x91, 0x91, 0x91, 0x91, 0x91, 0x01]), /nested/],
    [new Uint8Array([0xdf, 0xff, 0xff, 0xff, 0xff]), /list of 4294967295/],
    [new Uint8Array([...bytes("hello"), 0]), /goes on for 1 bytes/],
    [new Uint8Array(70_000), /70000 bytes/],
  ]) {
    assert.throws(() => decode(packet), (error) => error instanceof ProtocolError && reason.test(error.message), `${reason}`);
  }
});

/** A face that opens its jaw by 0.01 with each frame at 60 Hz. */
function numbered(seq, startNs = 5_000_000_000n, changes = {}) {
  const face = decode(bytes("face_wink"));
  face.arkit.fill(0);
  face.arkit[17] = Math.min(1, 0.01 * (seq % 100));
  const atNs = startNs + (BigInt(seq) * 1_000_000_000n) / 60n;
  return { ...face, seq, publishNs: atNs, captureNs: atNs, ...changes };
}

/** Presence 1 and an even network up to frame `count`, arriving 40 ms after being published. */
function settled(count = 60, options = {}) {
  const buffer = new JitterBuffer(options);
  buffer.sample(0);
  for (let seq = 0; seq < count; seq++) {
    const nowMs = 40 + (seq * 1000) / 60;
    buffer.push(numbered(seq), nowMs);
    buffer.sample(nowMs);
  }
  return { buffer, nowMs: 40 + ((count - 1) * 1000) / 60 };
}

test("between frames the face is between them, one frame late on an even network", () => {
  const { buffer, nowMs } = settled();
  assert.ok(Math.abs(buffer.delayMs - 1000 / 60) < 1, `${buffer.delayMs}`);
  const halfFrame = buffer.sample(nowMs + 500 / 60).arkit[17];
  assert.ok(Math.abs(halfFrame - 0.585) < 0.001, `${halfFrame}`); // frames 58 and 59
});

test("bursts are played evenly, in order, and no more than needed late", () => {
  const buffer = new JitterBuffer();
  const played = [];
  for (let tick = 0; tick < 600; tick++) {
    const nowMs = (tick * 1000) / 60;
    // Three frames arrive together every 50 ms.
    if (tick % 3 === 0) for (let seq = tick - 2; seq <= tick; seq++) if (seq >= 0) buffer.push(numbered(seq), nowMs);
    const pose = buffer.sample(nowMs);
    if (tick > 300 && tick < 390) played.push(pose.arkit[17] + (pose.seq >= 400 ? 1 : 0));
  }
  const steps = played.slice(1).map((value, index) => value - played[index]);
  for (const step of steps.filter((one) => one > -0.5)) assert.ok(step > 0.002 && step < 0.018, `a step of ${step}`);
  assert.ok(buffer.delayMs > 33 && buffer.delayMs < 70, `${buffer.delayMs}`);
  assert.equal(buffer.lost, 0);
});

test("lost frames are counted and bridged", () => {
  const { buffer, nowMs } = settled(60);
  buffer.push(numbered(63), nowMs + 4000 / 60);
  assert.equal(buffer.lost, 3);
  const value = buffer.sample(nowMs + 3000 / 60).arkit[17];
  assert.ok(value > 0.59 && value < 0.63, `${value}`);
});

test("when frames stop the face is held, then eases to neutral, and comes back without a jump", () => {
  const { buffer, nowMs } = settled();
  assert.equal(buffer.sample(nowMs + 100).state, "live");
  const held = buffer.sample(nowMs + 500);
  assert.equal(held.state, "stale");
  assert.ok(Math.abs(held.arkit[17] - 0.59) < 1e-6);
  let last = held.arkit[17], biggest = 0;
  for (let at = 510; at < 2000; at += 10) {
    const pose = buffer.sample(nowMs + at);
    biggest = Math.max(biggest, Math.abs(pose.arkit[17] - last));
    last = pose.arkit[17];
  }
  assert.equal(buffer.pose.state, "lost");
  assert.equal(last, 0);
  assert.ok(Math.abs(buffer.pose.headQuaternion[3]) === 1);
  assert.ok(biggest < 0.05, `${biggest}`);
  buffer.push(numbered(180), nowMs + 2010);
  assert.ok(buffer.sample(nowMs + 2011).arkit[17] < 0.05);
  assert.equal(buffer.pose.state, "live");
});

test("a sender that starts anew is followed at once", () => {
  const { buffer, nowMs } = settled();
  buffer.push(numbered(0, 99n), nowMs + 20);
  buffer.push(numbered(1, 99n), nowMs + 37);
  assert.ok(buffer.sample(nowMs + 60).arkit[17] < 0.011);
  assert.equal(buffer.lost, 0);
});

test("a sender that starts anew on the same machine goes on by the same clock, with other numbers", () => {
  const { buffer, nowMs } = settled();
  for (const seq of [0, 1, 2]) {
    const face = numbered(60 + seq);
    buffer.push({ ...face, seq }, nowMs + ((seq + 1) * 1000) / 60);
  }
  const pose = buffer.sample(nowMs + 4000 / 60);
  assert.equal(pose.seq, 2);
  assert.equal(buffer.lost, 0);
});

test("a delay that grows stops the face for a moment, and never turns it back", () => {
  const { buffer, nowMs } = settled();
  const before = buffer.sample(nowMs + 16).arkit[17];
  for (let seq = 60; seq < 70; seq++) buffer.push(numbered(seq), nowMs + 150 + seq); // all held up on their way
  assert.ok(buffer.delayMs > 100, `${buffer.delayMs}`);
  const values = [17, 40, 80, 120, 160].map((at) => buffer.sample(nowMs + at).arkit[17]);
  assert.ok(values.every((value, index) => value >= (values[index - 1] ?? before) - 1e-9), `${before}, ${values}`);
});

test("before anything comes there is a neutral face", () => {
  const pose = new JitterBuffer().sample(123);
  assert.equal(pose.state, "waiting");
  assert.deepEqual(pose.headQuaternion, [0, 0, 0, 1]);
  assert.ok(pose.arkit.every((weight) => weight === 0));
});

test("rotations have the axes of the protocol", () => {
  const [x, y, z, w] = quaternionFromAxisAngle([0, Math.PI / 2, 0]);
  assert.ok(Math.abs(y - Math.SQRT1_2) + Math.abs(w - Math.SQRT1_2) + Math.abs(x) + Math.abs(z) < 1e-12);
  assert.deepEqual(quaternionFromAxisAngle([0, 0, 0]), [0, 0, 0, 1]);
  const short = between([0, 0, 0, 1], [0, -1e-3, 0, -1], 0.5);
  assert.ok(short[3] > 0.99, "the short way round");
});

test("vowels are read off the mouth as the VMC output reads them", () => {
  const weights = (values) => ARKIT_SHAPES.map((name) => values[name] ?? 0);
  const open = presets(weights({ jawOpen: 0.8, eyeBlinkLeft: 0.9 }));
  assert.ok(Math.abs(open.aa - 0.8) < 1e-9 && open.ou === 0 && open.blinkLeft === 0.9 && open.blinkRight === 0);
  assert.ok(presets(weights({ jawOpen: 0.5, mouthFunnel: 1 })).oh > 0.4);
  assert.equal(presets(weights({ mouthSmileLeft: 1, mouthSmileRight: 1 })).ih, 0);
});

class FakeSocket {
  static made = [];
  constructor(url) {
    this.url = url;
    FakeSocket.made.push(this);
  }
  close() {
    this.onclose?.();
  }
}

test("the stream reads packets, passes over bad ones with one warning, and connects again", async (context) => {
  const warnings = [];
  context.mock.method(console, "warn", (text) => warnings.push(text));
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const seen = [];
  const stream = new FaceStream("ws://x", { WebSocket: FakeSocket, onFace: (face) => seen.push(face.seq) });
  const socket = FakeSocket.made.at(-1);
  socket.onopen();
  socket.onmessage({ data: bytes("hello").buffer });
  for (const seq of [0, 1, 2]) socket.onmessage({ data: bytes("face_wink").slice().buffer });
  for (let times = 0; times < 3; times++) socket.onmessage({ data: new Uint8Array([1]).buffer });
  socket.onmessage({ data: "text" });
  assert.equal(stream.hello.rateHz, 60);
  assert.deepEqual(seen, [4321, 4321, 4321]);
  assert.equal(stream.received, 3);
  assert.equal(stream.bad, 4);
  assert.equal(warnings.length, 2);
  socket.onclose();
  assert.equal(stream.isConnected, false);
  context.mock.timers.tick(300);
  assert.notEqual(FakeSocket.made.at(-1), socket);
  stream.close();
  const count = FakeSocket.made.length;
  context.mock.timers.tick(10_000);
  assert.equal(FakeSocket.made.length, count, "closed means closed");
});

test("a page that never asks for the rate keeps no more arrivals than one that does", (context) => {
  let nowMs = 0;
  context.mock.method(performance, "now", () => nowMs);
  const stream = new FaceStream("ws://x", { WebSocket: FakeSocket });
  for (; nowMs < 60_000; nowMs += 20) stream.receive(bytes("face_wink").slice().buffer);
  assert.ok(stream.arrivals.length <= 51, `${stream.arrivals.length} arrivals are kept`);
  assert.equal(stream.rateHz, 50);
  stream.close();
});
