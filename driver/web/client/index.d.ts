/** Types of avatar-driver-client. What the values mean, and their axes, is in PROTOCOL.md. */

/** A packet breaks the wire's rules; the message says which. */
export class ProtocolError extends Error {}

/** One row of the hello's table of parts. */
export interface PartSchema {
  name: string;
  size: number;
  unit: string;
  minimum: number;
  maximum: number;
}

/** Introduces the stream; the first packet after connecting. */
export interface Hello {
  type: "hello";
  sender: string;
  senderVersion: string;
  /** Id of the head model that `expression`, `jaw` and `shape` belong to. */
  head: string;
  rateHz: number;
  parts: PartSchema[];
  /** Names of the `arkit` weights. */
  arkit: string[];
  /** Names of the `confidence` values. */
  regions: string[];
  /** Id of the network whose codes the faces' `detail` are; null from senders that send none. */
  detail: string | null;
}

/** The face at one instant. Metres and radians; "left" is the subject's left. */
export interface Face {
  type: "face";
  seq: number;
  /** Nanoseconds of the sender's clock. */
  captureNs: bigint;
  publishNs: bigint;
  head: string;
  expression: Float32Array;
  /** Axis-angle [3]; +x opens. */
  jaw: Float32Array;
  /** Left, right; 0 open .. 1 closed. */
  eyelids: Float32Array;
  /** Left pitch, left yaw, right pitch, right yaw. */
  gaze: Float32Array;
  /** Axis-angle [3], head to camera. */
  headRotation: Float32Array;
  headTranslation: Float32Array;
  /** Identity [100]; only in some frames. */
  shape: Float32Array | null;
  /** Code of the skin's wrinkles [128]; only in some frames of senders that were asked for it, never beside the identity. */
  detail: Float32Array | null;
  /** 52 weights in the order of ARKIT_SHAPES. */
  arkit: Float32Array;
  /** Mouth, upper face, eyes, head. */
  confidence: Float32Array;
  laughter: number;
  speech: number;
  valence: number;
  arousal: number;
}

/**
 * waiting  nothing has come yet
 * live     frames come
 * stale    none for a moment: the face is held
 * lost     none for long: the face has eased, or eases, to neutral
 */
export type State = "waiting" | "live" | "stale" | "lost";

/** What to draw now: a face between two frames, eased to neutral where nothing comes. */
export interface Pose extends Omit<Face, "type" | "captureNs" | "publishNs" | "headRotation" | "shape" | "detail"> {
  state: State;
  /** 0 neutral .. 1 the sender's face. */
  presence: number;
  /** x, y, z, w. */
  headQuaternion: [number, number, number, number];
}

export interface JitterOptions {
  /** How late frames are played, in ms; null adapts to the network: as little as keeps motion even. */
  delayMs: number | null;
  /** The most that the adaptive delay grows to, in ms. */
  mostDelayMs: number;
  /** Without frames for so many ms, the state is stale; then lost. */
  staleMs: number;
  lostMs: number;
  /** How long easing to neutral and back takes, in ms. */
  easeMs: number;
}

export class JitterBuffer {
  constructor(options?: Partial<JitterOptions>);
  /** Frames missing from the sequence, or too late to be shown. */
  readonly lost: number;
  readonly delayMs: number;
  push(face: Face, nowMs: number): void;
  /** The same object each time, with new values. */
  sample(nowMs: number): Pose;
  reset(): void;
}

export interface StreamOptions extends JitterOptions {
  /** In place of the global one. */
  WebSocket: typeof WebSocket;
  onHello: (hello: Hello) => void;
  /** Every frame as it comes, uninterpolated. */
  onFace: (face: Face) => void;
}

export class FaceStream {
  /** Begins to connect, and connects again until `close`. */
  constructor(url?: string, options?: Partial<StreamOptions>);
  readonly url: string;
  readonly hello: Hello | null;
  readonly isConnected: boolean;
  /** Frames that came, frames missing from the sequence, packets that were refused. */
  readonly received: number;
  readonly lost: number;
  readonly bad: number;
  /** Frames a second, over the last second. */
  readonly rateHz: number;
  readonly buffer: JitterBuffer;
  sample(nowMs?: number): Pose;
  close(): void;
}

/** Reads packets of the avatar codec, of one sender after the other; remembers the key frames that faces lean on. */
export class AvatarDecoder {
  constructor();
  /** Of the newest sender; -1 before the first. */
  readonly session: number;
  /** Null for a face that leans on a key frame that has not come; throws ProtocolError. The motion is the open head's. */
  decode(packet: ArrayBuffer | Uint8Array): Face | null;
}

/** A remote peer's face, over anything that carries datagrams. */
export class AvatarReceiver {
  constructor(options?: Partial<JitterOptions>);
  /** Faces; faces without their key frame; packets that were refused; faces missing or too late. */
  readonly received: number;
  readonly early: number;
  readonly bad: number;
  readonly lost: number;
  readonly buffer: JitterBuffer;
  push(packet: ArrayBuffer | Uint8Array, nowMs?: number): void;
  sample(nowMs?: number): Pose;
}

/** The open head's motion that 52 ARKit weights stand for. */
export function motionOf(arkit: ArrayLike<number>): Pick<Face, "expression" | "jaw" | "eyelids" | "gaze">;

/** The face or the hello in one packet; throws ProtocolError. */
export function decode(data: ArrayBuffer | Uint8Array): Face | Hello;
export function quaternionFromAxisAngle(rotation: ArrayLike<number>): [number, number, number, number];
/** The rotation between two quaternions, the short way round. */
export function between(a: ArrayLike<number>, b: ArrayLike<number>, share: number): [number, number, number, number];
/** VRM's vowels and blinks from the 52 weights. */
export function presets(
  arkit: ArrayLike<number>,
): Record<"aa" | "ih" | "ou" | "ee" | "oh" | "blinkLeft" | "blinkRight", number>;

export const ARKIT_SHAPES: readonly string[];
export const SHAPE_INDEX: Readonly<Record<string, number>>;
export const SCHEMA_VERSION: number;
export const DEFAULT_URL: string;
