// Reads avatar packets of one stream from standard input, each after its length (u32, little-endian); prints for each
// its face's number, time and values, "early" for a face without its key frame, "" for a packet that is refused.
import { readFileSync } from "node:fs";
import { AvatarDecoder, ProtocolError } from "../../driver/web/client/index.js";

const input = readFileSync(0);
const decoder = new AvatarDecoder();
const verdicts = [];
for (let at = 0; at < input.length; ) {
  const length = input.readUInt32LE(at);
  const packet = new Uint8Array(input.subarray(at + 4, at + 4 + length));
  at += 4 + length;
  try {
    const face = decoder.decode(packet);
    verdicts.push(
      face ? [face.seq, Number(face.publishNs), ...face.arkit, ...face.headRotation, ...face.headTranslation] : "early",
    );
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    verdicts.push("");
  }
}
console.log(JSON.stringify(verdicts));
