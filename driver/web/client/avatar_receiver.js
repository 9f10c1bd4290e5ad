/** A remote peer's face: packets of the avatar codec in, from whatever carries datagrams, and what to draw out. */

import { AvatarDecoder } from "./avatar_codec.js";
import { JitterBuffer } from "./jitter.js";
import { ProtocolError } from "./msgpack.js";

/**
 *     const receiver = new AvatarReceiver();
 *     channel.onmessage = (event) => receiver.push(event.data);   // a WebRTC data channel, for example
 *     const pose = receiver.sample();                             // in requestAnimationFrame
 */
export class AvatarReceiver {
  /** @param {Partial<import("./index.js").JitterOptions>} [options] */
  constructor(options = {}) {
    this.decoder = new AvatarDecoder();
    this.buffer = new JitterBuffer(options);
    this.received = 0;
    this.early = 0;
    this.bad = 0;
  }

  /** Faces that are missing from the sequence, or came too late to be shown. */
  get lost() {
    return this.buffer.lost;
  }

  /** @param {ArrayBuffer | Uint8Array} packet @param {number} [nowMs] */
  push(packet, nowMs = performance.now()) {
    const { session } = this.decoder;
    try {
      const face = this.decoder.decode(packet);
      if (!face) {
        this.early += 1;
        return;
      }
      if (session >= 0 && session !== this.decoder.session) this.buffer.reset();
      this.received += 1;
      this.buffer.push(face, nowMs);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.bad += 1;
    }
  }

  /** What to draw at `nowMs`; the same object each time. */
  sample(nowMs = performance.now()) {
    return this.buffer.sample(nowMs);
  }
}
