/** The binary range decoder of the avatar codec: bits with known chances (256ths) out of bytes. See PROTOCOL.md. */

import { ProtocolError } from "./msgpack.js";

const FULL = 2 ** 32 - 1, SHORT = 2 ** 24;
const EVEN = 128;
// A magnitude is counted one by one up to here; what lies beyond is written in binary.
const COUNTED = 15, MOST_DIGITS = 16;

export class RangeDecoder {
  /** @param {Uint8Array} data */
  constructor(data) {
    this.data = data;
    this.range = FULL;
    this.code = 0;
    this.position = 0;
    for (let index = 0; index < 4; index++) this.code = 256 * this.code + this.next();
    if (this.code >= FULL) throw new ProtocolError("the range-coded bytes begin with a number that is out of range");
  }

  /** The next byte; behind the end there are zeros. */
  next() {
    return this.data[this.position++] ?? 0;
  }

  /** @param {number} chanceOfZero */
  bit(chanceOfZero) {
    const bound = Math.floor(this.range / 256) * chanceOfZero;
    const isOne = this.code >= bound;
    if (isOne) {
      this.code -= bound;
      this.range -= bound;
    } else {
      this.range = bound;
    }
    while (this.range < SHORT) {
      this.code = 256 * this.code + this.next();
      this.range *= 256;
    }
    return isOne;
  }

  /**
   * A whole number; `sign` is 1 or -1 where only one is possible, else 0.
   * @param {number} chanceOfZero @param {number} chanceOfMore @param {number} sign
   */
  number(chanceOfZero, chanceOfMore, sign) {
    if (!this.bit(chanceOfZero)) return 0;
    sign ||= this.bit(EVEN) ? -1 : 1;
    let rest = 0;
    while (rest < COUNTED && this.bit(256 - chanceOfMore)) rest += 1;
    if (rest === COUNTED) {
      let digits = 1;
      while (this.bit(EVEN)) {
        digits += 1;
        if (digits > MOST_DIGITS) {
          throw new ProtocolError(`a range-coded number has more than ${MOST_DIGITS} binary digits`);
        }
      }
      let beyond = 1;
      for (let digit = 1; digit < digits; digit++) beyond = 2 * beyond + (this.bit(EVEN) ? 1 : 0);
      rest += beyond - 1;
    }
    return sign * (rest + 1);
  }

  /** ProtocolError when bytes are left over. */
  finish() {
    if (this.data.length > this.position || this.data.at(-1) === 0) {
      throw new ProtocolError("the range-coded bytes go on after their end");
    }
  }
}
