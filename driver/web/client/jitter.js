/**
 * Between the network, where frames come in bursts, and the screen, which draws when it wants to: frames are played by
 * the sender's clock, a little late, and interpolated to the instant that is drawn.
 */

import { between, quaternionFromAxisAngle } from "./rotation.js";

const PARTS = /** @type {const} */ (["arkit", "expression", "jaw", "eyelids", "gaze", "headTranslation", "confidence"]);
const NUMBERS = /** @type {const} */ (["laughter", "speech", "valence", "arousal"]);
const SIZES = { arkit: 52, expression: 50, jaw: 3, eyelids: 2, gaze: 4, headTranslation: 3, confidence: 4 };

// Two seconds at 60 Hz: long enough to see how uneven the network is, short enough to follow it.
const WINDOW_FRAMES = 120;
// More would be old news: a hidden tab wakes up to the newest second.
const MOST_FRAMES = 64;
// How far the sender's clock may seem to jump before it must be another sender's.
const NEW_CLOCK_MS = 2000;
// After a quiet spell the delay sinks by this share with each frame; it rises at once.
const DELAY_FALL = 0.02;

/** @type {import("./index.js").JitterOptions} */
export const DEFAULTS = Object.freeze({ delayMs: null, mostDelayMs: 150, staleMs: 250, lostMs: 1000, easeMs: 400 });

/** Frames go in with `push`, what to draw comes out of `sample`. Times are `performance.now()`'s, in ms. */
export class JitterBuffer {
  /** @type {{ atMs: number, turn: number[], face: import("./index.js").Face }[]} */
  frames = [];
  /** How long each of the last frames was on its way, by clocks whose zeros differ. @type {number[]} */
  transits = [];
  /** Zero of the sender's clock here. @type {bigint | null} */
  originNs = null;
  /** @type {number | null} */
  arrivedMs = null;
  /** @type {number | null} */
  sampledMs = null;
  baseMs = 0;
  delay = 0;
  periodMs = 0;
  playedMs = -Infinity;
  presence = 0;
  lost = 0;
  pose = neutralPose();

  /** @param {Partial<import("./index.js").JitterOptions>} [options] */
  constructor(options = {}) {
    this.options = { ...DEFAULTS, ...options };
  }

  /** Forget the sender; what is shown stays and eases away. */
  reset() {
    this.frames = [];
    this.transits = [];
    this.originNs = this.arrivedMs = null;
    this.baseMs = this.delay = this.periodMs = 0;
    this.playedMs = -Infinity;
  }

  /** How late frames are played, in ms, beyond the fastest way through the network. */
  get delayMs() {
    return this.options.delayMs ?? this.delay;
  }

  /**
   * Take a frame that came at `nowMs`. Those that come twice, or too late to be shown, are passed over.
   * @param {import("./index.js").Face} face @param {number} nowMs
   */
  push(face, nowMs) {
    if (this.frames.length && !this.continues(face, nowMs)) this.reset();
    this.originNs ??= face.publishNs;
    const atMs = Number(face.publishNs - this.originNs) / 1e6;
    const newest = this.frames.at(-1);
    let place = this.frames.length;
    while (place > 0 && this.frames[place - 1].face.seq >= face.seq) place -= 1;
    this.arrivedMs = nowMs;
    if (newest && place === this.frames.length) {
      this.lost += face.seq - newest.face.seq - 1;
      const stepMs = (atMs - newest.atMs) / (face.seq - newest.face.seq);
      this.periodMs += (stepMs - this.periodMs) * (this.periodMs ? 0.1 : 1);
    } else if (newest) {
      if (this.frames[place].face.seq === face.seq) return;
      if (place > 0) this.lost -= 1;
    }
    this.measure(nowMs - atMs);
    // One that is too late is the first to go when it is played.
    this.frames.splice(place, 0, { atMs, turn: quaternionFromAxisAngle(face.headRotation), face });
    if (this.frames.length > MOST_FRAMES) this.frames.shift();
  }

  /**
   * False for another sender: its clock is another one, or its numbers and times are not in the same order.
   * @param {import("./index.js").Face} face @param {number} nowMs
   */
  continues(face, nowMs) {
    const atMs = Number(face.publishNs - (this.originNs ?? 0n)) / 1e6;
    const newest = this.frames[this.frames.length - 1];
    return (
      Math.abs(nowMs - atMs - this.baseMs) <= NEW_CLOCK_MS && face.seq > newest.face.seq === atMs > newest.atMs
    );
  }

  /** @param {number} transitMs from publishing to arrival */
  measure(transitMs) {
    this.transits.push(transitMs);
    if (this.transits.length > WINDOW_FRAMES) this.transits.shift();
    const sorted = [...this.transits].sort((a, b) => a - b);
    this.baseMs = sorted[0];
    const unevenMs = sorted[Math.floor(0.95 * (sorted.length - 1))] - this.baseMs;
    const wantedMs = Math.min(this.options.mostDelayMs, unevenMs + this.periodMs);
    this.delay += (wantedMs - this.delay) * (wantedMs > this.delay ? 1 : DELAY_FALL);
  }

  /** What to draw at `nowMs`. The object is the same each time, with new values. @param {number} nowMs */
  sample(nowMs) {
    const { staleMs, lostMs, easeMs } = this.options;
    const quietMs = this.arrivedMs === null ? Infinity : nowMs - this.arrivedMs;
    const heard = quietMs < staleMs ? "live" : quietMs < lostMs ? "stale" : "lost";
    const state = this.arrivedMs === null ? "waiting" : heard;
    const isHere = state === "live" || state === "stale";
    const passedMs = this.sampledMs === null ? 0 : Math.max(0, nowMs - this.sampledMs);
    this.sampledMs = nowMs;
    this.presence = Math.min(1, Math.max(0, this.presence + (isHere ? passedMs : -passedMs) / easeMs));
    if (this.frames.length) this.interpolate(Math.max(this.playedMs, nowMs - this.baseMs - this.delayMs));
    else if (!isHere && this.presence === 0) clear(this.pose);
    this.pose.state = state;
    this.pose.presence = this.presence;
    return this.pose;
  }

  /** @param {number} atMs by the sender's clock */
  interpolate(atMs) {
    const { frames, pose } = this;
    this.playedMs = atMs;
    while (frames.length > 1 && frames[1].atMs <= atMs) frames.shift();
    const from = frames[0], to = frames[1] ?? from;
    const share = to === from ? 0 : Math.min(1, Math.max(0, (atMs - from.atMs) / (to.atMs - from.atMs)));
    const present = this.presence;
    for (const name of PARTS) {
      const a = from.face[name], b = to.face[name], values = pose[name];
      for (let index = 0; index < values.length; index++) {
        values[index] = present * (a[index] + share * (b[index] - a[index]));
      }
    }
    for (const name of NUMBERS) pose[name] = present * (from.face[name] + share * (to.face[name] - from.face[name]));
    pose.headQuaternion = between([0, 0, 0, 1], between(from.turn, to.turn, share), present);
    pose.seq = from.face.seq;
    pose.head = from.face.head;
  }
}

/** @returns {import("./index.js").Pose} */
function neutralPose() {
  const arrays = Object.fromEntries(PARTS.map((name) => [name, new Float32Array(SIZES[name])]));
  return /** @type {any} */ (clear({ ...arrays, head: "", seq: -1, state: "waiting", presence: 0 }));
}

/** @param {any} pose */
function clear(pose) {
  for (const name of PARTS) pose[name].fill(0);
  for (const name of NUMBERS) pose[name] = 0;
  pose.headQuaternion = [0, 0, 0, 1];
  return pose;
}
