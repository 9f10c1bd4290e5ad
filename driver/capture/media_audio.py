"""The sound of any audio or video file, as hops at the file's own times."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import av
import av.container
import numpy as np

from driver.capture.chunks import Chunker
from driver.capture.clock import SECOND_NS, samples_to_ns
from driver.capture.media import decoded, loop_period_ns, open_media, start_s
from driver.capture.playback import Playback
from driver.capture.retry import Notify, say_nothing
from driver.errors import MediaError
from driver.types import AUDIO_RATE_HZ, AudioChunk
from protocol.frame import Floats

# Containers round their times; only a larger hole is sound that is missing.
_HOLE_S = 0.04


class AudioFile(Playback[AudioChunk]):
    """Plays the first sound track of a file; the last hop is filled up with silence.

    path       any file that FFmpeg reads
    epoch_ns   the instant of the file's beginning, shared with the `VideoFile` of the same path; `first_sample` counts
               from there too, so a track that begins later begins with a larger number
    realtime   paced by the clock, or as fast as the outbox takes it
    loop       start again at the end, for ever, in step with the looped pictures
    notify     is told of damaged sound, which shows as a gap
    """

    def __init__(
        self, path: Path | str, epoch_ns: int, realtime: bool, loop: bool = False, notify: Notify = say_nothing
    ) -> None:
        super().__init__(f"audio {path}", self._chunks, realtime)
        self._path, self._epoch_ns, self._loop, self._notify = Path(path), epoch_ns, loop, notify
        with open_media(path) as container:
            self._require_audio(container)
            if loop:
                loop_period_ns(container, self._path)

    def _require_audio(self, container: av.container.InputContainer) -> av.AudioStream:
        if not container.streams.audio:
            raise MediaError(f"{self._path} has no sound; give a file with sound, or leave it out with --audio none")
        return container.streams.audio[0]

    def _chunks(self) -> Generator[AudioChunk, None, None]:
        chunker: Chunker | None = None
        position = 0  # in samples of the file since its beginning, over all rounds
        end_ns = self._epoch_ns
        for lost, samples, rate_hz in self._blocks():
            channels = samples.shape[1]
            if chunker is None:
                chunker = Chunker(rate_hz, channels, -(-lost * AUDIO_RATE_HZ // rate_hz))
            elif (rate_hz, channels) != (chunker.rate_hz, chunker.channels):
                raise MediaError(f"{self._path} changes its sample rate midway; convert it: ffmpeg -i FILE OUT.wav")
            elif lost:
                chunker = chunker.after_gap(lost)
            position += lost + len(samples)
            end_ns = self._epoch_ns + samples_to_ns(position, rate_hz)
            yield from chunker.push(samples, end_ns)
        if chunker is not None:
            yield from chunker.finish(end_ns)

    def _period(self, container: av.container.InputContainer, rate_hz: int) -> int | None:
        return loop_period_ns(container, self._path) * rate_hz // SECOND_NS if self._loop else None

    def _blocks(self) -> Iterator[tuple[int, Floats, int]]:
        """(samples missing before the block, float32 [n, channels], rate in Hz), round after round."""
        while True:
            with open_media(self._path) as container:
                stream = self._require_audio(container)
                received, rate_hz, channels = 0, stream.rate, stream.channels
                period = self._period(container, rate_hz)
                for frame in decoded(container, stream, self._path, self._notify):
                    samples, rate_hz, channels = frame_samples(frame), frame.sample_rate, frame.layout.nb_channels
                    at = received if frame.time is None else round((frame.time - start_s(container)) * rate_hz)
                    samples = samples[max(0, -at) :]
                    lost = max(0, at - received)
                    if received and lost <= _HOLE_S * rate_hz:
                        lost = 0
                    if period is not None:
                        samples = samples[: max(0, period - received - lost)]
                    if len(samples):
                        received += lost + len(samples)
                        yield lost, samples, rate_hz
                if not received:
                    raise MediaError(f"{self._path} has no sound that can be decoded; the file is damaged")
                if period is None:
                    return
                yield 0, np.zeros((period - received, channels), np.float32), rate_hz


def frame_samples(frame: av.AudioFrame) -> Floats:
    """float32 [n, channels] in -1..1, whatever the codec's sample format."""
    array = frame.to_ndarray()
    samples = array.T if frame.format.is_planar else array.reshape(-1, frame.layout.nb_channels)
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    bits = 8 * samples.dtype.itemsize
    middle = 1 << (bits - 1) if samples.dtype.kind == "u" else 0
    return ((samples.astype(np.float64) - middle) / (1 << (bits - 1))).astype(np.float32)
