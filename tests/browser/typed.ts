// What a TypeScript program sees of the client. It is checked, never run.
import {
  ARKIT_SHAPES, AvatarDecoder, AvatarReceiver, FaceStream, decode, motionOf, presets, type Hello, type Pose,
} from "../../driver/web/client/index.js";

const stream = new FaceStream("ws://127.0.0.1:5573", { staleMs: 100, onHello: (hello: Hello) => hello.arkit.length });
const pose: Pose = stream.sample();
const jaw: number = pose.arkit[ARKIT_SHAPES.indexOf("jawOpen")];
const vowel: number = presets(pose.arkit).aa + jaw;
const packet = decode(new Uint8Array());
if (packet.type === "face") console.log(packet.publishNs + 1n, pose.headQuaternion[3], vowel);
// @ts-expect-error a hello has no weights by number
else console.log(packet.expression);

const receiver = new AvatarReceiver({ delayMs: 60 });
receiver.push(new Uint8Array(40), 1);
const remote: Pose = receiver.sample(2);
const lids: Float32Array = motionOf(remote.arkit).eyelids;
// @ts-expect-error a packet may hold no face
console.log(new AvatarDecoder().decode(new Uint8Array()).seq, lids);
