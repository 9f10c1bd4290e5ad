"""From settings to a pipeline that is ready to run: the one place that knows every part's constructor."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from driver import __version__
from driver.capture.media import is_picture, probe
from driver.capture.media_audio import AudioFile
from driver.capture.media_image import ImageFile
from driver.capture.media_video import VideoFile
from driver.capture.microphone import Microphone
from driver.capture.pcm import PcmSource
from driver.capture.webcam import Webcam
from driver.config import Settings
from driver.control import ControlInput
from driver.detail import DetailFile, DetailReader, DetailSettings
from driver.encode import AudioEncoder
from driver.errors import UsageError
from driver.face import Face
from driver.face_model import find_face_model
from driver.framing import FrameBuilder
from driver.fuse import Fuser
from driver.heads import load_added_head
from driver.idle import IdleMotion
from driver.landmark_solver import LandmarkSolver
from driver.learnt import check_weights, spoken_like
from driver.mood import Mood
from driver.native_face import NativeFace, NativeFaceSettings
from driver.personal_face import PersonalFace
from driver.pipeline import KNOWN_AFTER_NS, Branch, Pipeline
from driver.preview.camera_view import WatchedTracker
from driver.preview.page import Preview, Shown
from driver.profile import Profile
from driver.profiles import load_profile
from driver.publish import Publisher, open_sinks
from driver.recording import Recorder
from driver.rest_learner import RestLearner
from driver.runtime import OnnxModel, OnnxNetwork
from driver.sinks.sink import SinkContext
from driver.sinks.virtual_camera import open_virtual_camera
from driver.smooth import Smoother
from driver.sound_level import SoundLevel
from driver.stage import Source, Stage
from driver.ticker import Ticker
from driver.track import FaceTracker
from driver.types import AudioChunk, VideoFrame
from driver.weights import MOOD_MODEL, find_audio_model, find_native_face, find_weights
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from models.head.mirror import MotionMirror
from models.head.regions import mouth_projector
from protocol.frame import OPEN_HEAD_ID
from protocol.msgpack_codec import Hello

# Time between the clock's zero and the first tick of a file, so that decoders have their first item ready.
_HEAD_START_NS = 300_000_000
# Pictures of a file come at whole frames: the ticks then fall just after they are known, not long after.
_FIRST_TICK_NS = KNOWN_AFTER_NS + 1_000_000
_STILL_S = 10.0
_LIVE_PICTURES, _FILE_PICTURES = 1, 4
_SOUNDS = 32

Notify = Callable[[str], None]
Stages = list[tuple[str, Stage[Any, Any]]]


@dataclass(frozen=True)
class Run:
    """A pipeline, what a status line wants to know about it, and what may be turned meanwhile.

    voice     has knobs; None without sound
    face      has the head's centre, and shows what the tracker told; None without a camera
    sound     shows what the microphone heard; None without sound
    control   to be entered for as long as the run lasts: what listens to others that turn the knobs
    """

    settings: Settings
    pipeline: Pipeline
    publisher: Publisher
    voice: AudioEncoder | None
    face: PersonalFace | None
    sound: SoundLevel | None
    control: AbstractContextManager[object]


def assemble(settings: Settings, notify: Notify, overwrite: bool = False) -> Run:
    """Load the models, open every input and output; the first thing that is missing raises its sentence."""
    head = open_head()
    arkit = ArkitMap(head)
    motion_map = None if settings.head == OPEN_HEAD_ID else load_added_head(settings.head)[1]
    picture, sound = _inputs(settings)
    profile = None if settings.profile is None else _profile(settings.profile, settings)
    is_paced = settings.realtime or settings.demo or picture.is_live or sound.is_live
    video_stages = _video_stages(settings, notify) if picture.name else []
    skin = _skin(settings, video_stages)
    learner = RestLearner() if profile is None and settings.auto_calibrate else None
    face = PersonalFace(arkit, profile, learner) if picture.name else None
    voice = _voice(settings, profile) if sound.name else None
    level = SoundLevel(profile.sound if profile is not None and sound.is_device else None) if sound.name else None
    # On the processor: sixty times a second so little that carrying it to another device costs more.
    mood = Mood(OnnxNetwork(find_weights(MOOD_MODEL), "cpu"), settings.mood)
    mirror = MotionMirror(head) if settings.mirror else None
    builder = FrameBuilder(settings.frame, settings.head, arkit, motion_map, channels=settings.channels, mirror=mirror)
    hello = Hello("avatar-driver", __version__, settings.head, settings.rate_hz, detail=skin.id if skin else "")
    context = SinkContext(hello, notify)
    sinks = open_sinks(settings.out, context)
    try:
        if settings.record is not None:
            when_full = "drop_oldest" if is_paced else "wait"
            sinks.append(Recorder(Path(settings.record), context, overwrite=overwrite, when_full=when_full))
        if settings.virtual_camera is not None:
            sinks.append(open_virtual_camera(settings.virtual_camera, settings.picture, context))
        if settings.preview is not None:
            camera = _watched(video_stages)
            learning = _learning(settings)
            shown = Shown(builder, arkit, settings.tracker, settings.mirror, voice, face, level, camera, learning)
            sinks.append(Preview(settings.preview, context, shown))
        if skin is not None:
            video_stages = skin.around(video_stages)
        publisher = Publisher(sinks, notify)
        fuser = Fuser(settings.fuse, mouth_projector(head, arkit), IdleMotion(settings=settings.idle))
        # The clock starts last: what takes its time comes before.
        epoch_ns = time.perf_counter_ns() + _HEAD_START_NS
        pipeline = Pipeline(
            video=_video_branch(settings, picture, video_stages, face, epoch_ns, is_paced, notify),
            audio=_audio_branch(settings, sound, voice, level, epoch_ns, is_paced, notify),
            ticker=Ticker(epoch_ns + _FIRST_TICK_NS, settings.rate_hz, is_paced, settings.duration_s),
            face=Face(fuser, Smoother(settings.smooth), builder, mood),
            publisher=publisher,
        )
        control = _control(settings, voice, face, notify)
    except BaseException:
        for sink in sinks:
            sink.close()
        raise
    return Run(settings, pipeline, publisher, voice, face, level, control)


@dataclass(frozen=True)
class _Input:
    """What the settings ask for: `name` is empty when nothing is."""

    name: str = ""
    is_device: bool = False
    is_pcm: bool = False

    @property
    def is_live(self) -> bool:
        """True when it comes in its own time, whatever we do."""
        return self.is_device or self.is_pcm


def _inputs(settings: Settings) -> tuple[_Input, _Input]:
    """The picture and the sound of this run. A video file brings its own sound unless told otherwise."""
    picture = _Input()
    if settings.webcam is not None:
        picture = _Input(settings.webcam, is_device=True)
    elif settings.demo or settings.video is not None:
        picture = _Input(str(demo_sample()) if settings.demo else settings.video or "")

    if settings.mic is not None:
        return picture, _Input(settings.mic or "default", is_device=True)
    if settings.audio == "none":
        return picture, _Input()
    if settings.audio is not None:
        return picture, _Input(settings.audio, is_pcm=settings.audio == "-" or settings.audio.startswith("pcm://"))
    if not picture.is_device and picture.name and probe(picture.name).has_audio:
        return picture, _Input(picture.name)
    return picture, _Input()


def _video_branch(
    settings: Settings,
    picture: _Input,
    stages: Stages,
    face: PersonalFace | None,
    epoch_ns: int,
    is_paced: bool,
    notify: Notify,
) -> Branch | None:
    if face is None:
        return None
    stages = [*stages, ("correct", face)]
    camera = settings.camera
    source: Source[VideoFrame]
    if picture.is_device:
        source = Webcam(picture.name, camera.width, camera.height, camera.rate_hz, notify=notify)
    elif is_picture(picture.name):
        source = ImageFile(picture.name, epoch_ns, is_paced, camera.rate_hz, None if settings.loop else _STILL_S)
    else:
        source = VideoFile(picture.name, epoch_ns, is_paced, settings.loop, notify=notify)
    return Branch("video", source, stages, _FILE_PICTURES if not is_paced else _LIVE_PICTURES, picture.is_live)


def _audio_branch(
    settings: Settings,
    sound: _Input,
    voice: AudioEncoder | None,
    level: SoundLevel | None,
    epoch_ns: int,
    is_paced: bool,
    notify: Notify,
) -> Branch | None:
    if voice is None or level is None:
        return None
    source: Source[AudioChunk]
    if sound.is_device:
        source = Microphone(None if sound.name == "default" else sound.name, notify=notify)
    elif sound.is_pcm:
        source = PcmSource(sound.name, notify=notify)
    else:
        source = AudioFile(sound.name, epoch_ns, is_paced, settings.loop, notify=notify)
    return Branch("audio", source, [("level", level), ("encode", voice)], _SOUNDS, sound.is_live)


def _video_stages(settings: Settings, notify: Notify) -> Stages:
    own_file = Path(settings.face_model) if settings.face_model else None
    if settings.tracker == "native":
        return [("face", _native_face(settings, own_file))]
    face_model = find_face_model(own_file)
    solver = LandmarkSolver(horizontal_fov_deg=settings.camera.horizontal_fov_deg)
    return [("track", FaceTracker(face_model, notify)), ("solve", solver)]


def _skin(settings: Settings, stages: Stages) -> DetailReader | None:
    """Reads the skin's detail behind the camera's `stages`, of which the last knows where heads are in pictures."""
    if settings.detail is None:
        return None
    if not stages:
        raise UsageError("--detail reads the camera's pictures; give --webcam or --video, or leave it out")
    if settings.head != OPEN_HEAD_ID:
        raise UsageError(f"--detail tells the skin of {OPEN_HEAD_ID}; leave it out, or --head {settings.head}")
    tracker = stages[-1][1]
    assert isinstance(tracker, (NativeFace, LandmarkSolver))
    network = DetailFile(Path(settings.detail), settings.device)
    return DetailReader(network, tracker.camera, DetailSettings(), settings.mirror)


def _watched(stages: Stages) -> WatchedTracker | None:
    """Put a watch around the tracker, which is the first of the camera's `stages`."""
    if not stages:
        return None
    name, tracker = stages[0]
    watched = WatchedTracker(tracker)
    stages[0] = (name, watched)
    return watched


def _native_face(settings: Settings, own_file: Path | None) -> NativeFace:
    face, detector = find_native_face(own_file)
    model = OnnxModel(face, settings.device)
    model.warm_up()
    return NativeFace(
        model,
        OnnxNetwork(detector, settings.device),
        NativeFaceSettings(lookahead=settings.face_lookahead),
        horizontal_fov_deg=settings.camera.horizontal_fov_deg,
    )


def _profile(name: str, settings: Settings) -> Profile:
    profile, tracker = load_profile(name), settings.tracker
    if profile.tracker != tracker:
        raise UsageError(
            f"the profile {name!r} says how --tracker {profile.tracker} reads this face, but this run has --tracker "
            f"{tracker}; give --tracker {profile.tracker}, or calibrate again with --tracker {tracker}"
        )
    if profile.face is not None:
        own_file = Path(settings.face_model) if settings.face_model else None
        check_weights(name, "face", profile.face.weights, find_native_face(own_file)[0])
    return profile


def _voice(settings: Settings, profile: Profile | None) -> AudioEncoder:
    file, knobs = find_audio_model(settings.voice.model), settings.voice
    if profile is not None and profile.voice is not None:
        check_weights(settings.profile or "", "voice", profile.voice.weights, file)
        knobs = spoken_like(knobs, profile.voice)
    return AudioEncoder(OnnxModel(file, settings.device), knobs)


def _learning(settings: Settings) -> tuple[str, ...]:
    """Options of `training.personalise` for this run's camera and networks: what is learnt with others is worth nothing
    to these.
    """
    given = {
        "--fov": f"{settings.camera.horizontal_fov_deg:g}",
        "--face-model": settings.face_model,
        "--voice-model": settings.voice.model,
    }
    return tuple(part for option, value in given.items() if value for part in (option, value))


def _control(
    settings: Settings, voice: AudioEncoder | None, face: PersonalFace | None, notify: Notify
) -> AbstractContextManager[object]:
    if settings.control is None:
        return nullcontext()
    return ControlInput(settings.control, voice, notify, face)


def demo_sample() -> Path:
    """The embedded sample: a face and a voice."""
    with resources.as_file(resources.files("driver") / "demo" / "sample.mp4") as path:
        return path
