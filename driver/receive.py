"""`avatar-driver receive`: a remote peer's face in, and out again to everything that `--out` names."""

from __future__ import annotations

import math
import select
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from driver import __version__
from driver.errors import UsageError
from driver.jitter import JitterBuffer, Played, turn_between
from driver.preview.page import open_outputs
from driver.publish import Publisher
from driver.sinks.listen import listen_for_datagrams
from driver.sinks.sink import Notice, SinkContext
from driver.sinks.url import bracketed, parse_sink_url
from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol import avatar_codec
from protocol.avatar_values import AvatarFace
from protocol.frame import OPEN_HEAD_ID, FaceFrame, ProtocolError
from protocol.hello import Hello

# One byte more than any packet has, so that longer datagrams are seen to be longer.
_RECEIVE_BYTES = avatar_codec.MAX_BYTES + 1
# Between two ticks more than this is a flood; the rest waits for the next tick or is dropped by the system.
_MOST_AT_ONCE = 64


class AvatarReceiver:
    """Listens on one UDP address. Call `poll` as soon and as often as you can, and `sample` when something is shown.

    received  datagrams that held a face in time
    bad       datagrams that broke a rule
    early     faces that leaned on a key frame that had not come
    """

    def __init__(
        self, host: str, port: int, notice: Notice, clock_ns: Callable[[], int] = time.perf_counter_ns
    ) -> None:
        self._notice = notice
        self._clock_ns = clock_ns
        self._state = avatar_codec.DecoderState()
        self.buffer = JitterBuffer()
        self.received = self.bad = self.early = 0
        self._socket = listen_for_datagrams(f"avatar://{bracketed(host)}:{port}", host, port)
        self.port: int = self._socket.getsockname()[1]

    def poll(self, wait_ns: int = 0) -> None:
        """Take in what has arrived, or wait at most so long until something does."""
        if wait_ns and not select.select((self._socket,), (), (), wait_ns / 1e9)[0]:
            return
        for _ in range(_MOST_AT_ONCE):
            try:
                datagram = self._socket.recv(_RECEIVE_BYTES)
            except OSError:  # nothing waits
                return
            try:
                face, self._state = avatar_codec.decode(datagram, self._state)
            except ProtocolError as error:
                if not self.bad:
                    self._notice(f"something else than an avatar packet arrives on port {self.port}: {error}")
                self.bad += 1
                continue
            if face is None:
                self.early += 1
            else:
                self.received += 1
                self.buffer.push(face, self._clock_ns())

    def sample(self) -> Played:
        """What to show now."""
        return self.buffer.sample(self._clock_ns())

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class WornMotion:
    """Turns received faces into frames of the open head; counts them."""

    def __init__(self) -> None:
        self._arkit = ArkitMap(open_head())
        self._seq = 0

    def frame(self, played: Played, now_ns: int) -> FaceFrame:
        """The next frame; `played.face` must be there. Where less of it is present, all of it is nearer to neutral."""
        face = eased(played)
        expression, jaw, eyelids, gaze = self._arkit.to_motion(face.arkit)
        age_ns = max(0, face.publish_ns - face.capture_ns)
        self._seq += 1
        return FaceFrame(
            seq=self._seq - 1,
            capture_ns=max(0, now_ns - age_ns),
            publish_ns=now_ns,
            head=OPEN_HEAD_ID,
            expression=expression,
            jaw=jaw,
            eyelids=eyelids,
            gaze=gaze,
            head_rotation=face.head_rotation,
            head_translation=face.head_translation,
            arkit=face.arkit,
            confidence=face.confidence,
            laughter=face.laughter,
            speech=face.speech,
            valence=face.valence,
            arousal=face.arousal,
        )


def eased(played: Played) -> AvatarFace:
    """The face as far as it is present; ValueError when none has come."""
    face, present = played.face, played.presence
    if face is None:
        raise ValueError("no face has come yet")
    if present == 1.0:
        return face
    share = np.float32(present)
    return replace(
        face,
        arkit=share * face.arkit,
        head_rotation=turn_between(np.zeros(3, np.float32), face.head_rotation, present),
        head_translation=share * face.head_translation,
        confidence=share * face.confidence,
        laughter=present * face.laughter,
        speech=present * face.speech,
        valence=present * face.valence,
        arousal=present * face.arousal,
    )


def receive(
    source: str,
    urls: tuple[str, ...],
    rate_hz: float,
    notice: Notice,
    duration_s: float | None = None,
    stop: threading.Event | None = None,
    preview: int | None = None,
) -> str:
    """Publish what comes to `source` (avatar://HOST:PORT) on `urls` until `stop`; returns what was done, in words.

    preview   port of a page that shows it; None = no page
    Raises UsageError for a rate or a duration out of its range.
    """
    if not 1 <= rate_hz <= 1000:
        raise UsageError(f"the rate is {rate_hz:g} Hz; it must be in 1..1000")
    if duration_s is not None and not 0 < duration_s < math.inf:
        raise UsageError(f"the duration is {duration_s:g} s; it must be more than 0, leave it out for ever")
    parsed = parse_sink_url(source, ("avatar",), may_choose_port=("avatar",))
    parsed.options.refuse_unknown()
    port = avatar_codec.DEFAULT_PORT if parsed.port is None else parsed.port
    receiver = AvatarReceiver(parsed.host, port, notice)
    try:
        hello = Hello(sender="avatar-driver", sender_version=__version__, head=OPEN_HEAD_ID, rate_hz=rate_hz)
        publisher = Publisher(open_outputs(urls, preview, SinkContext(hello, notice)), notice)
        try:
            _publish(receiver, publisher, rate_hz, duration_s, stop or threading.Event())
        finally:
            publisher.close()
    finally:
        receiver.close()
    buffer = receiver.buffer
    return (
        f"published {publisher.sent} frames of {receiver.received} faces; {buffer.lost} lost, {receiver.early} without "
        f"their key frame, {receiver.bad} bad; played {buffer.delay_ms:.0f} ms late"
    )


def _publish(
    receiver: AvatarReceiver, publisher: Publisher, rate_hz: float, duration_s: float | None, stop: threading.Event
) -> None:
    motion = WornMotion()
    period_ns = round(1e9 / rate_hz)
    due_ns = time.perf_counter_ns()
    end_ns = None if duration_s is None else due_ns + round(1e9 * duration_s)
    while not stop.is_set() and (end_ns is None or due_ns < end_ns):
        receiver.poll(max(0, due_ns - time.perf_counter_ns()))
        now_ns = time.perf_counter_ns()
        if now_ns < due_ns:
            continue
        # After a stall (suspend, a stopped process) go on from now instead of racing through the past.
        due_ns = max(due_ns + period_ns, now_ns - period_ns)
        played = receiver.sample()
        if played.face is not None:
            publisher.process(motion.frame(played, now_ns))
