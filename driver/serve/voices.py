"""All voices of a server: each hop, those whose sound is there go through the model together, and out as faces.

One thread does it all, so that its time is what a hop costs. It waits for nobody: a voice whose sound is not there is
left out, connections are read elsewhere, and outputs never block.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from driver.config import Settings
from driver.face import Face
from driver.framing import FrameBuilder
from driver.fuse import Fuser
from driver.idle import IdleMotion
from driver.runtime import OnnxModel
from driver.serve.admission import Admission, Refused
from driver.serve.counters import Counters
from driver.serve.greeting import Greeting
from driver.serve.stream import Hop, Stream
from driver.smooth import Smoother
from driver.types import HOP_NS
from driver.voices import VoiceBatch
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from models.head.regions import mouth_projector
from protocol.frame import OPEN_HEAD_ID, FaceFrame
from protocol.msgpack_codec import encode

# What becomes of a frame: its msgpack bytes, encoded once.
Publish = Callable[[FaceFrame, bytes], None]

MOST_VOICES = 1024
_LATE_NS = HOP_NS * 5 // 2  # a hop waits up to one for its turn, and its turn may take one
_STILL_NS = 5 * HOP_NS  # a machine that has no time shows a voice at least so often
_REHEARSED_VOICES, _REHEARSED_HOPS = 4, 25


@dataclass(eq=False)
class Voice:
    """One connection's voice. `on_frame` also gets its frames, in the model's thread, and may not wait."""

    greeting: Greeting
    stream: Stream
    row: int
    face: Face
    on_frame: Publish | None = None
    hops: int = field(default=0, init=False)
    shown_ns: int = field(default=0, init=False)


class Voices:
    """Takes voices in, drives them, and lets them go. `join` and `leave` from any thread; `run` in one of its own.

    publish      gets every frame of every voice
    every        publish each n-th hop: 1 = 50 frames a second, 2 = 25
    Raises ModelError as `VoiceBatch` does.
    """

    def __init__(
        self,
        settings: Settings,
        model: OnnxModel,
        publish: Publish,
        admission: Admission,
        counters: Counters,
        every: int = 1,
    ) -> None:
        self._settings, self._model, self._publish = settings, model, publish
        self.admission, self.counters = admission, counters
        self._every = every
        self._batch = VoiceBatch(model, MOST_VOICES)
        self._arkit = ArkitMap(open_head())
        self._mouth = mouth_projector(open_head(), self._arkit)
        self._voices: dict[str, Voice] = {}
        self._changing = threading.Lock()  # who is there; the batch with it
        self._stop = threading.Event()

    def join(self, greeting: Greeting, on_frame: Publish | None = None) -> Voice:
        """A voice is there from now on. Refused when there is no room; ModelError for knobs that the model lacks."""
        with self._changing:
            if greeting.subject in self._voices:
                raise Refused(
                    f"the subject {greeting.subject} has a voice already; end its connection, or choose another name"
                )
            if len(self._voices) >= MOST_VOICES:
                raise Refused(f"this server drives {MOST_VOICES} voices, which is the most; use another server")
            self.admission.check(len(self._voices))
            row = min(set(range(len(self._voices) + 1)) - {one.row for one in self._voices.values()})
            self._batch.start(row, greeting.knobs)
            stream = Stream(greeting.format, greeting.silence_ms, time.perf_counter_ns())
            voice = Voice(greeting, stream, row, self._new_face(greeting.subject), on_frame)
            self._voices[greeting.subject] = voice
        self.counters.voices.add()
        self.counters.admitted.add()
        return voice

    def leave(self, voice: Voice) -> None:
        """The voice is gone. May be called again."""
        with self._changing:
            if self._voices.get(voice.greeting.subject) is not voice:
                return
            del self._voices[voice.greeting.subject]
            self._batch.stop(voice.row)
        self.counters.voices.add(-1)

    def rehearse(self) -> None:
        """A few hops of a few voices that nobody sees, so that the first real ones are neither slow nor unjudged."""
        rehearsal = Voices(self._settings, self._model, lambda frame, packet: None, Admission(), Counters())
        noise = (3_000 * np.random.default_rng(0).normal(size=320 * (_REHEARSED_HOPS + 1))).astype("<i2").tobytes()
        now_ns = time.perf_counter_ns()
        for number in range(_REHEARSED_VOICES):
            rehearsal.join(Greeting(f"rehearsal-{number}")).stream.push(noise, now_ns)
        for number in range(_REHEARSED_HOPS):
            began_ns = time.perf_counter_ns()
            heard = rehearsal.hop(now_ns + (number + 1) * HOP_NS)
            if heard and number >= 5:  # the first ones are slow
                self.admission.add((time.perf_counter_ns() - began_ns) / 1e6, heard)

    def run(self) -> None:
        """Hop after hop, until `stop`."""
        with threadpool_limits(limits=1):
            turn_ns = time.perf_counter_ns()
            while not self._stop.is_set():
                self._turn()
                # After a stall of ours the next turn is at once; time that is lost is not run after.
                turn_ns = max(turn_ns + HOP_NS, time.perf_counter_ns() - HOP_NS)
                self._stop.wait(max(0, turn_ns - time.perf_counter_ns()) / 1e9)

    def stop(self) -> None:
        """End `run` after the hop in hand."""
        self._stop.set()

    @property
    def is_stopped(self) -> bool:
        """True when no voice is driven any more."""
        return self._stop.is_set()

    def _turn(self) -> None:
        """Every hop that is due; more than one of a voice only after a stall."""
        while not self._stop.is_set():
            began_ns = time.perf_counter_ns()
            heard = self.hop(began_ns)
            if heard is None:
                return
            taken_ms = (time.perf_counter_ns() - began_ns) / 1e6
            self.admission.add(taken_ms, heard)
            self.counters.hop_ms.add_ms(taken_ms)

    def hop(self, now_ns: int) -> int | None:
        """One hop of each voice that has one by `now_ns`: how many of them the model heard; None when none has one."""
        with self._changing:
            due = [
                (voice, hop) for voice in self._voices.values() if (hop := voice.stream.next_hop(now_ns)) is not None
            ]
            if not due:
                return None
            heard = [(voice, hop) for voice, hop in due if hop.samples is not None]
            self._hear(heard)
        self.counters.heard_hops.add(len(heard))
        for voice, hop in due:
            voice.hops += 1
            self.counters.lost_hops.add(hop.lost)
            # When the next hop waits already, we are behind, and its frame will do; but no face may stand still.
            is_behind = voice.stream.is_behind(now_ns) and hop.end_ns - voice.shown_ns < _STILL_NS
            # Which hops are shown differs from row to row, or each n-th turn would have all of the work.
            if (voice.hops + voice.row) % self._every == 0 and not is_behind:
                self._show(voice, hop)
        return len(heard)

    def _hear(self, heard: list[tuple[Voice, Hop]]) -> None:
        for voice, hop in heard:
            if hop.is_new:
                self._batch.restart(voice.row)
        if heard:
            samples = np.array([hop.samples for _, hop in heard], np.float32)
            rows, ends_ns = [voice.row for voice, _ in heard], [hop.end_ns for _, hop in heard]
            for (voice, _), motion in zip(heard, self._batch.step_rows(rows, samples, ends_ns), strict=True):
                voice.face.fuser.hear(motion)

    def _show(self, voice: Voice, hop: Hop) -> None:
        # The fuser looks half of an interval back, for those who ask at any time. We ask when the newest is known.
        voice.shown_ns = hop.end_ns
        frame = voice.face.frame(hop.end_ns, hop.end_ns + HOP_NS // 2, time.perf_counter_ns)
        packet = encode(frame)
        self._publish(frame, packet)
        if voice.on_frame is not None:
            voice.on_frame(frame, packet)
        age_ns = frame.publish_ns - hop.end_ns
        self.counters.frames.add()
        self.counters.age_ms.add_ms(age_ns / 1e6)
        self.counters.late_hops.add(age_ns > _LATE_NS)

    def _new_face(self, subject: str) -> Face:
        settings = self._settings
        # Each has its own seed, or all would blink at once.
        idle = IdleMotion(zlib.crc32(subject.encode()), settings=settings.idle)
        return Face(
            Fuser(settings.fuse, self._mouth, idle),
            Smoother(settings.smooth),
            FrameBuilder(settings.frame, OPEN_HEAD_ID, self._arkit, channels=settings.channels, subject=subject),
        )
