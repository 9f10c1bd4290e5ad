/**
 * The page: a stage, the stream, and a face that wears what the stream says.
 *
 * In its address: source=ws://HOST:PORT another driver; model=URL a VRM or glTF file; background=COLOUR or transparent;
 * mirror=1; bare=1 without the panel, for OBS's browser source.
 */

import { FaceStream } from "avatar-driver-client";
import { Stage } from "/page/stage.js";
import { wearFile, wearOpenHead } from "/page/wear.js";

const wishes = new URLSearchParams(location.search);
const element = (/** @type {string} */ id) => document.getElementById(id);

const stage = new Stage(element("face"), wishes.get("background"));
const stream = new FaceStream(wishes.get("source") ?? `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`);
let worn = null;
// For the console, and for pages that frame this one.
globalThis.avatarDriver = { stage, stream, get worn() { return worn; } };

/** Put on what `loading` brings; what was worn before stays if it fails. */
async function wear(loading) {
  element("problem").textContent = "";
  try {
    const next = await loading;
    worn?.takeOff();
    worn = next;
    stage.show(worn);
  } catch (error) {
    element("problem").textContent = error.message;
    console.error(error);
  }
}

function wearDropped(file) {
  const url = URL.createObjectURL(file);
  return wear(wearFile(url, file.name)).finally(() => URL.revokeObjectURL(url));
}

const model = wishes.get("model");
wear(model ? wearFile(model, model) : wearOpenHead());

element("own").onclick = () => wear(wearOpenHead());
element("file").onchange = (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // so that the same file, changed meanwhile, can be chosen again
  if (file) wearDropped(file);
};
element("mirror").checked = wishes.get("mirror") === "1";
element("mirror").onchange = () => document.body.classList.toggle("mirrored", element("mirror").checked);
element("mirror").onchange();
document.body.classList.toggle("bare", wishes.get("bare") === "1");

addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", () => document.body.classList.remove("dropping"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const file = event.dataTransfer.files[0];
  if (file) wearDropped(file);
});

const SAYINGS = {
  waiting: "waiting for avatar-driver",
  live: "live",
  stale: "no frames for a moment",
  lost: "no frames: the driver has stopped",
};
setInterval(() => {
  const { state } = stream.buffer.pose;
  const numbers = `${stream.rateHz} frames/s, ${stream.lost} lost, ${Math.round(stream.buffer.delayMs)} ms of buffer`;
  element("state").textContent = state === "live" ? `live: ${numbers}` : SAYINGS[state];
}, 250);

stage.run((passedS) => {
  const pose = stream.sample();
  worn?.wear(pose, passedS);
});
