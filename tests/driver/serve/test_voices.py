"""Served voices without sockets: each is what it would be alone; silence, stalls and admission."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import numpy as np
import pytest

from driver.capture.pcm_address import PcmFormat
from driver.config import Settings
from driver.encode import AudioEncoder
from driver.face import Face
from driver.knobs import Knobs
from driver.runtime import OnnxModel
from driver.serve.admission import Admission, Refused
from driver.serve.counters import Counters
from driver.serve.greeting import Greeting, parse_line, parse_query
from driver.serve.handler import Limits, attend
from driver.serve.stream import LATEST_NS, Stream
from driver.serve.voices import Voices
from driver.smooth import SmoothSettings
from driver.types import HOP_NS, HOP_SAMPLES, AudioChunk
from driver.weights import find_weights
from protocol.frame import FaceFrame

MS = 1_000_000
# A frame that is left out must not show in those that follow.
UNSMOOTHED = Settings(smooth=SmoothSettings(strength=0))
F32 = PcmFormat(16_000, 1, "f32le")


def noise(seed: int, hops: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.2, (hops, HOP_SAMPLES)).clip(-1, 1).astype("<f4")


def served(model: OnnxModel, every: int = 1) -> tuple[Voices, list[FaceFrame]]:
    frames: list[FaceFrame] = []
    voices = Voices(UNSMOOTHED, model, lambda frame, packet: frames.append(frame), Admission(), Counters(), every)
    return voices, frames


def alone(
    face: Face, model: OnnxModel, knobs: Knobs, rest_ns: range, hops: np.ndarray, ends_ns: list[int]
) -> list[np.ndarray]:
    """What the encoder of a single voice and its face make of the same hops, after it rested at the times `rest_ns`."""
    encoder, told = AudioEncoder(model, knobs), []
    for end_ns in rest_ns:
        face.frame(end_ns, end_ns + HOP_NS // 2, lambda: 0)
    for number, (hop, end_ns) in enumerate(zip(hops, ends_ns, strict=True)):
        for motion in encoder.process(AudioChunk(hop, number * HOP_SAMPLES, end_ns)):
            face.fuser.hear(motion)
        frame = face.frame(end_ns, end_ns + HOP_NS // 2, lambda end_ns=end_ns: end_ns)
        told.append(np.concatenate([frame.expression, frame.jaw, frame.arkit, frame.gaze, frame.eyelids]))
    return told


def test_each_voice_is_what_it_would_be_alone(untrained_voice: Path) -> None:
    """Three voices that arrive and stall by themselves: each one's frames equal those of its own encoder and face."""
    model = OnnxModel(untrained_voice, "cpu")
    voices, frames = served(model)
    knobs = {"a": Knobs(), "b": Knobs(lookahead_ms=0, articulation=1.7), "c": Knobs(lookahead_ms=240, style="proud")}
    hops, begins = 30, {"a": 0, "b": 7, "c": 3}
    joined = {name: voices.join(Greeting(name, F32, 0, knobs=turned)) for name, turned in knobs.items()}
    came_ns = {name: voice.stream.ahead_ns(0) for name, voice in joined.items()}
    start_ns = max(came_ns.values())
    for number in range(50):
        now_ns = start_ns + number * HOP_NS
        for index, (name, voice) in enumerate(joined.items()):
            if begins[name] <= number < begins[name] + hops:
                # b stalls for two hops, then sends three at once; nobody else may notice
                if name == "b" and number in (15, 16):
                    continue
                first = number - 2 if name == "b" and number == 17 else number
                for one in range(first, number + 1):
                    voice.stream.push(noise(index, hops)[one - begins[name]].tobytes(), start_ns + one * HOP_NS)
        while voices.hop(now_ns + HOP_NS) is not None:
            pass
    for index, (name, turned) in enumerate(knobs.items()):
        told = [frame for frame in frames if frame.subject == name and frame.confidence.any()]
        ends_ns = [start_ns + (begins[name] + number + 1) * HOP_NS for number in range(hops)]
        rest_ns = range(came_ns[name] + HOP_NS, start_ns + begins[name] * HOP_NS + 1, HOP_NS)
        expected = alone(voices._new_face(name), model, turned, rest_ns, noise(index, hops), ends_ns)
        by_time = {frame.capture_ns: np.concatenate([frame.expression, frame.jaw, frame.arkit]) for frame in told}
        lookahead_ns = turned.lookahead_ms * MS
        compared = 0
        for end_ns, vector in zip(ends_ns, expected, strict=True):
            if end_ns - lookahead_ns in by_time:
                np.testing.assert_allclose(by_time[end_ns - lookahead_ns], vector[:105], atol=1e-4)
                compared += 1
        assert compared >= hops - 4  # of the hops that came late together, only the last one is shown
        assert np.std(expected, axis=0).max() > 0.01


def test_missing_sound_is_silence_for_a_while_and_then_rest() -> None:
    stream = Stream(F32, silence_ms=60, now_ns=0)
    assert (resting := stream.next_hop(HOP_NS)) is not None
    assert resting.samples is None  # before the first sound
    stream.push(noise(0, 2).tobytes(), 100 * MS)
    assert stream.next_hop(119 * MS) is None
    first, second = stream.next_hop(120 * MS), stream.next_hop(140 * MS)
    assert first is not None
    assert second is not None
    assert (first.is_new, second.is_new, first.end_ns, second.end_ns) == (True, False, 120 * MS, 140 * MS)
    assert stream.next_hop(300 * MS) is None  # it may only be late
    assert stream.pause()
    assert not stream.pause()
    silent = [stream.next_hop(300 * MS) for _ in range(4)]
    assert [hop.end_ns for hop in silent if hop] == [160 * MS, 180 * MS, 200 * MS, 220 * MS]
    assert [hop.samples is None for hop in silent if hop] == [False, False, False, True]
    stream.push(noise(0, 1).tobytes(), 320 * MS)
    again = stream.next_hop(340 * MS)
    assert again is not None
    assert again.is_new


def test_a_short_pause_does_not_make_the_model_forget() -> None:
    stream = Stream(F32, silence_ms=200, now_ns=0)
    stream.push(noise(0, 1).tobytes(), 0)
    stream.next_hop(HOP_NS)
    stream.pause()
    assert stream.next_hop(2 * HOP_NS) is not None
    stream.push(noise(0, 1).tobytes(), 3 * HOP_NS)
    hop = stream.next_hop(4 * HOP_NS)
    assert hop is not None
    assert not hop.is_new


def test_who_is_too_far_behind_goes_on_with_the_newest_and_it_is_counted() -> None:
    stream = Stream(F32, silence_ms=0, now_ns=0)
    stream.push(noise(0, 40).tobytes(), 0)
    in_time = stream.next_hop(HOP_NS + LATEST_NS)
    assert in_time is not None
    assert (in_time.lost, in_time.end_ns) == (0, HOP_NS)
    hop = stream.next_hop(30 * HOP_NS)
    assert hop is not None
    assert (hop.is_new, hop.lost, hop.end_ns) == (True, 28, 30 * HOP_NS)
    assert not stream.is_behind(30 * HOP_NS)
    assert stream.is_behind(31 * HOP_NS)


def test_a_server_without_time_still_shows_every_face(tiny_voice: Path) -> None:
    """Each turn takes 30 ms of a clock on which every voice brings 20 ms each 20 ms."""
    voices, frames = served(OnnxModel(tiny_voice, "cpu"))
    streams = [voices.join(Greeting(name, F32)).stream for name in ("a", "b")]
    start_ns = max(stream.ahead_ns(0) for stream in streams)
    for stream in streams:
        stream.push(noise(0, 200).tobytes(), start_ns)
    for turn in range(100):
        voices.hop(start_ns + (turn + 1) * 30 * MS)
        if turn % 10 == 9:  # 0.3 s; what was heard is shown, not an old face again and again
            assert {frame.subject for frame in frames if frame.speech > 0} == {"a", "b"}
            frames.clear()
    assert voices.counters.lost_hops.value > 50


def test_after_a_rest_the_model_has_heard_nothing(tiny_voice: Path) -> None:
    voices, frames = served(OnnxModel(tiny_voice, "cpu"))
    stream = voices.join(Greeting("a", F32, silence_ms=0)).stream
    loud, now_ns = np.full(HOP_SAMPLES, 0.5, "<f4").tobytes(), stream.ahead_ns(0)
    for number in range(10):
        stream.push(loud, now_ns + number * HOP_NS)
        voices.hop(now_ns + (number + 1) * HOP_NS)
    assert frames[-1].speech == pytest.approx(0.5)
    stream.pause()
    for number in range(10, 15):
        voices.hop(now_ns + (number + 1) * HOP_NS)
    stream.push(loud, now_ns + 15 * HOP_NS)
    assert voices.hop(now_ns + 16 * HOP_NS) == 1
    assert frames[-1].speech == 0


def test_every_second_hop(tiny_voice: Path) -> None:
    voices, frames = served(OnnxModel(tiny_voice, "cpu"), every=2)
    joined = [voices.join(Greeting(name, F32)) for name in ("a", "b")]
    now_ns = joined[-1].stream.ahead_ns(0)
    shown = []
    for number in range(1, 11):
        assert voices.hop(now_ns + number * HOP_NS) == 0
        shown.append([(frame.subject, frame.seq) for frame in frames])
        frames.clear()
    assert shown == [[("ba"[number % 2], number // 2)] for number in range(10)]  # never both at once


def test_admission_charges_each_hop_for_the_voices_that_it_lacked() -> None:
    now_ns = [0]
    admission = Admission(deadline_ms=16.0, clock_ns=lambda: now_ns[0])
    assert admission.projected_p99_ms(100) == 0.0
    for _ in range(200):
        admission.add(2.0 + 8 * 0.5, 8)
    assert admission.projected_p99_ms(8) == pytest.approx(6.0)
    assert admission.projected_p99_ms(16) == pytest.approx(6.0 + 8 * 0.75)
    admission.check(20)
    with pytest.raises(
        Refused, match=r"drives 30 voices and has no time for another: a hop would take 23\.2 ms"
    ) as said:
        admission.check(30)
    assert said.value.retry_after_s == 10
    now_ns[0] = 9_000 * MS
    for _ in range(50):
        admission.add(0.4, 8)
    with pytest.raises(Refused):
        admission.check(30)
    now_ns[0] = 10_001 * MS  # what was seen longer than ten seconds ago is forgotten
    admission.check(30)


def test_greetings() -> None:
    expected = Greeting("npc-1", PcmFormat(24_000, 1, "f32le"), 0, True, Knobs(lookahead_ms=40, style="0.5,1"))
    assert (
        parse_line(
            b'{"subject": "npc-1", "rate": 24000, "format": "f32le", "silence_ms": 0, "frames": true, '
            b'"lookahead_ms": 40, "style": [0.5, 1]}\n'
        )
        == expected
    )
    query = "subject=npc-1&rate=24000&format=f32le&silence_ms=0&frames=1&lookahead_ms=40&style=0.5,1"
    assert parse_query(query) == parse_line(query.encode() + b"\r\n") == expected


def test_a_client_that_the_network_gives_up_is_gone_at_once() -> None:
    """The system's own time limit (ETIMEDOUT) is no pause between words: it comes again and again."""
    voices, _ = served(OnnxModel(find_weights("envelope.onnx"), "cpu"))
    asked = 0

    async def receive() -> bytes:
        nonlocal asked
        asked += 1
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    with pytest.raises(TimeoutError, match="Connection timed out"):
        asyncio.run(attend(voices, Greeting("gone"), receive, Limits(idle_s=0.2)))
    assert asked == 1
    assert voices.counters.voices.value == 0


def test_when_the_voices_stop_those_who_still_speak_are_let_go() -> None:
    voices, _ = served(OnnxModel(find_weights("envelope.onnx"), "cpu"))

    async def receive() -> bytes:
        voices.stop()
        await asyncio.sleep(0.01)
        return bytes(640)

    async def speak() -> None:
        async with asyncio.timeout(5):
            await attend(voices, Greeting("speaker"), receive, Limits())

    asyncio.run(speak())
    assert voices.counters.voices.value == 0
