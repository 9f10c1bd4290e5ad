/**
 * Reads msgpack: what PROTOCOL.md allows in a packet, and refuses the rest with a ProtocolError.
 * Source: https://github.com/msgpack/msgpack/blob/master/spec.md
 */

const MAX_DEPTH = 4;
const MAX_ITEMS = 1024;

/** A packet breaks the wire's rules; the message says which. */
export class ProtocolError extends Error {
  name = "ProtocolError";
}

/**
 * The one value in `bytes`. Maps come as Map, bin as Uint8Array (a view, not a copy), integers as number where a number
 * holds them exactly and as bigint beyond.
 * @param {Uint8Array} bytes
 */
export function unpack(bytes) {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (reader.position !== bytes.length) {
    throw new ProtocolError(`the packet goes on for ${bytes.length - reader.position} bytes after its end`);
  }
  return value;
}

const TEXT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = 0;
  }

  /** @param {number} depth @returns {any} */
  value(depth) {
    if (depth > MAX_DEPTH) throw new ProtocolError(`the packet is nested deeper than ${MAX_DEPTH}`);
    const kind = this.bytes[this.take(1)];
    if (kind <= 0x7f) return kind;
    if (kind <= 0x8f) return this.map(kind & 0x0f, depth);
    if (kind <= 0x9f) return this.array(kind & 0x0f, depth);
    if (kind <= 0xbf) return this.text(kind & 0x1f);
    if (kind >= 0xe0) return kind - 0x100;
    switch (kind) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.bin(this.size(1));
      case 0xc5: return this.bin(this.size(2));
      case 0xc6: return this.bin(this.size(4));
      case 0xca: return this.view.getFloat32(this.take(4));
      case 0xcb: return this.view.getFloat64(this.take(8));
      case 0xcc: case 0xcd: case 0xce: return this.size(1 << (kind - 0xcc));
      case 0xcf: return exact(this.view.getBigUint64(this.take(8)));
      case 0xd0: return this.view.getInt8(this.take(1));
      case 0xd1: return this.view.getInt16(this.take(2));
      case 0xd2: return this.view.getInt32(this.take(4));
      case 0xd3: return exact(this.view.getBigInt64(this.take(8)));
      case 0xd9: return this.text(this.size(1));
      case 0xda: return this.text(this.size(2));
      case 0xdb: return this.text(this.size(4));
      case 0xdc: return this.array(this.size(2), depth);
      case 0xdd: return this.array(this.size(4), depth);
      case 0xde: return this.map(this.size(2), depth);
      case 0xdf: return this.map(this.size(4), depth);
      default:
        throw new ProtocolError(`the packet holds msgpack's type 0x${kind.toString(16)}; only plain values are allowed`);
    }
  }

  /** Moves on by `count` bytes; returns where they begin. @param {number} count */
  take(count) {
    const begin = this.position;
    if (count > this.bytes.length - begin) throw new ProtocolError("the packet ends too early");
    this.position = begin + count;
    return begin;
  }

  /** An unsigned integer of 1, 2 or 4 bytes. @param {number} width */
  size(width) {
    const at = this.take(width);
    return width === 1 ? this.bytes[at] : width === 2 ? this.view.getUint16(at) : this.view.getUint32(at);
  }

  /** @param {number} count */
  bin(count) {
    const begin = this.take(count);
    return this.bytes.subarray(begin, begin + count);
  }

  /** @param {number} count */
  text(count) {
    try {
      return TEXT.decode(this.bin(count));
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      throw new ProtocolError("the packet holds a text that is no UTF-8");
    }
  }

  /** @param {number} count @param {number} depth @returns {any[]} */
  array(count, depth) {
    limited(count);
    return Array.from({ length: count }, () => this.value(depth + 1));
  }

  /** @param {number} count @param {number} depth */
  map(count, depth) {
    limited(count);
    const found = new Map();
    for (let index = 0; index < count; index++) {
      const key = this.value(depth + 1);
      if (typeof key !== "string" && !(key instanceof Uint8Array)) {
        throw new ProtocolError("the packet has a key that is no text");
      }
      if (found.has(key)) throw new ProtocolError(`the packet has the key ${key} twice`);
      found.set(key, this.value(depth + 1));
    }
    return found;
  }
}

/** @param {number} count */
function limited(count) {
  if (count > MAX_ITEMS) throw new ProtocolError(`the packet has a list of ${count} values; the most is ${MAX_ITEMS}`);
}

/** @param {bigint} integer */
function exact(integer) {
  const number = Number(integer);
  return Number.isSafeInteger(number) ? number : integer;
}
