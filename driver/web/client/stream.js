/** The face from a WebSocket of avatar-driver: connects, connects again, and says what to draw now. */

import { JitterBuffer } from "./jitter.js";
import { ProtocolError } from "./msgpack.js";
import { decode } from "./packet.js";

const FIRST_WAIT_MS = 250, LONGEST_WAIT_MS = 4000;
const RATE_WINDOW_MS = 1000;

export const DEFAULT_URL = "ws://127.0.0.1:5573";

/**
 * Begins to connect when it is made and goes on until `close`.
 *
 *     const stream = new FaceStream("ws://127.0.0.1:5573");
 *     const pose = stream.sample();   // in requestAnimationFrame
 */
export class FaceStream {
  /** @param {string} [url] @param {Partial<import("./index.js").StreamOptions>} [options] */
  constructor(url = DEFAULT_URL, options = {}) {
    this.url = url;
    this.options = options;
    this.buffer = new JitterBuffer(options);
    /** @type {import("./index.js").Hello | null} */ this.hello = null;
    this.received = 0;
    this.bad = 0;
    this.isConnected = false;
    /** @type {number[]} */ this.arrivals = [];
    this.waitMs = FIRST_WAIT_MS;
    this.isClosed = false;
    /** @type {Set<string>} */ this.said = new Set();
    this.connect();
  }

  /** What to draw at `nowMs`; the same object each time. */
  sample(nowMs = performance.now()) {
    return this.buffer.sample(nowMs);
  }

  /** Frames that are missing from the sequence. */
  get lost() {
    return this.buffer.lost;
  }

  /** Frames a second, over the last second. */
  get rateHz() {
    this.forgetArrivals(performance.now());
    return this.arrivals.length / (RATE_WINDOW_MS / 1000);
  }

  /** Those of more than a second ago, whether anybody asks for the rate or not. @param {number} nowMs */
  forgetArrivals(nowMs) {
    while (this.arrivals.length && this.arrivals[0] < nowMs - RATE_WINDOW_MS) this.arrivals.shift();
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }

  connect() {
    const Socket = this.options.WebSocket ?? globalThis.WebSocket;
    const socket = (this.socket = new Socket(this.url));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.isConnected = true;
      this.waitMs = FIRST_WAIT_MS;
    };
    socket.onmessage = (event) => this.receive(event.data);
    socket.onerror = () => {}; // close follows
    socket.onclose = () => {
      this.isConnected = false;
      if (this.isClosed) return;
      this.timer = setTimeout(() => this.connect(), this.waitMs);
      this.waitMs = Math.min(LONGEST_WAIT_MS, 2 * this.waitMs);
    };
  }

  /** @param {unknown} data */
  receive(data) {
    const nowMs = performance.now();
    try {
      if (!(data instanceof ArrayBuffer)) throw new ProtocolError("the message is text; packets are binary");
      const packet = decode(data);
      if (packet.type === "hello") {
        this.hello = packet;
        this.options.onHello?.(packet);
        return;
      }
      this.received += 1;
      this.arrivals.push(nowMs);
      this.forgetArrivals(nowMs);
      this.buffer.push(packet, nowMs);
      this.options.onFace?.(packet);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.bad += 1;
      if (!this.said.has(error.message)) {
        this.said.add(error.message);
        console.warn(`avatar-driver: ${error.message}`);
      }
    }
  }
}
