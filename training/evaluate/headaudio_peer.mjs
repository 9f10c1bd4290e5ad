// Runs the npm package @met4citizen/headaudio over raw sound, without a browser:
//
//     node headaudio_peer.mjs PACKAGE_FOLDER < sounds > visemes
//
// stdin: clip after clip, each a little-endian uint32 count of samples and as many float32 samples at 16 kHz.
// stdout: for each clip, a float32 [15] of viseme weights for every 20 ms, as the package's own animation shows them.
//
// The package's processor and its node's animation are used as they are; only the browser around them is made up. The
// one thing added: its node takes viseme 0 ("aa") for "no viseme", so that it would never open the mouth for an "a".

import { readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const SAMPLE_RATE_HZ = 16000;
const HOP_SAMPLES = 320;
const HOP_MS = 20;

globalThis.AudioWorkletNode = class {
  constructor() {
    this.port = { postMessage() {}, onmessage: null };
    this.parameters = new Map();
  }
};

const folder = process.argv[2];
const load = (path) => import(pathToFileURL(join(folder, path)).href);
const { HeadAudio } = await load("modules/headaudio.mjs");
const { Processor } = await load("modules/processor.mjs");
const { Training } = await load("modules/training.mjs");
const PARAMS = await load("modules/parameters.mjs");

function prototypes() {
  const file = readFileSync(join(folder, "dist/model-en-mixed.bin"));
  const buffer = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
  const training = new Training();
  const model = [];
  for (let at = 0; at + PARAMS.RECORD_OFFSET <= buffer.byteLength; at += PARAMS.RECORD_OFFSET) {
    model.push(training.decodeBinaryRecord(new Float32Array(buffer, at, PARAMS.RECORD_LEN)));
  }
  return model;
}

function visemes(samples) {
  const node = new HeadAudio(null);
  const worklet = {
    port: {
      postMessage(data) {
        node._onmessage({ data });
        if (data.event === "viseme" && data.viseme === 0) node.visemeActive = 0;
      },
    },
  };
  const processor = new Processor({ sampleRate: SAMPLE_RATE_HZ }, worklet);
  processor._onmessage({ data: { event: "model", model: prototypes() } });
  const hops = Math.floor(samples.length / HOP_SAMPLES);
  const rows = new Float32Array(hops * node.nVisemes);
  const shown = new Float32Array(node.nVisemes);
  node.onvalue = (name, value) => (shown[node.visemeNames.indexOf(name)] = value);
  for (let hop = 0; hop < hops; hop++) {
    processor.process(samples.subarray(hop * HOP_SAMPLES, (hop + 1) * HOP_SAMPLES));
    node.update(HOP_MS);
    rows.set(shown, hop * node.nVisemes);
  }
  return rows;
}

function writeAll(bytes) {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

const input = readFileSync(0);
for (let at = 0; at < input.length; ) {
  const count = input.readUInt32LE(at);
  const samples = new Float32Array(input.buffer.slice(input.byteOffset + at + 4, input.byteOffset + at + 4 + 4 * count));
  at += 4 + 4 * count;
  writeAll(Buffer.from(visemes(samples).buffer));
}
