// Reads packets from standard input, each after its length (u32, little-endian); prints for each "face", "hello" or "".
import { readFileSync } from "node:fs";
import { ProtocolError, decode } from "../../driver/web/client/index.js";

const input = readFileSync(0);
const verdicts = [];
for (let at = 0; at < input.length; ) {
  const length = input.readUInt32LE(at);
  const packet = new Uint8Array(input.subarray(at + 4, at + 4 + length));
  at += 4 + length;
  try {
    verdicts.push(decode(packet).type);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    verdicts.push("");
  }
}
console.log(JSON.stringify(verdicts));
