/** A face from avatar-driver, for browsers and Node. See README.md. */

export { ProtocolError } from "./msgpack.js";
export { ARKIT_SHAPES, SCHEMA_VERSION, decode } from "./packet.js";
export { between, quaternionFromAxisAngle } from "./rotation.js";
export { AvatarDecoder, motionOf } from "./avatar_codec.js";
export { AvatarReceiver } from "./avatar_receiver.js";
export { JitterBuffer } from "./jitter.js";
export { SHAPE_INDEX, presets } from "./visemes.js";
export { DEFAULT_URL, FaceStream } from "./stream.js";
