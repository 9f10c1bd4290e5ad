from __future__ import annotations

import errno
import os
import socket
import time
from itertools import pairwise

import numpy as np
import pytest
from support.play import Player, wait_for

from driver.capture import pcm
from driver.capture.pcm import PcmSource, Tape, _receive
from driver.capture.pcm_address import PcmAddress, PcmFormat, parse_pcm
from driver.errors import DeviceError, UsageError
from driver.types import AUDIO_RATE_HZ, HOP_NS, HOP_SAMPLES

MS = 1_000_000


def tone(seconds: float, rate_hz: int = AUDIO_RATE_HZ) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def as_s16(sound: np.ndarray) -> bytes:
    return np.round(sound * 32_767).astype("<i2").tobytes()


def samples_of(chunks) -> np.ndarray:
    return np.concatenate([chunk.samples for chunk in chunks])


# What the user types


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("-", PcmAddress(None, 0, PcmFormat(16_000, 1, "s16le"))),
        ("pcm://-?rate=24000&format=f32le", PcmAddress(None, 0, PcmFormat(24_000, 1, "f32le"))),
        ("pcm://127.0.0.1:5580", PcmAddress("127.0.0.1", 5580, PcmFormat())),
        ("pcm://[::1]:0/?channels=2", PcmAddress("::1", 0, PcmFormat(16_000, 2, "s16le"))),
    ],
)
def test_addresses(address, expected):
    assert parse_pcm(address) == expected


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("pcm://127.0.0.1", "is no source of raw sound"),
        ("pcm://127.0.0.1:99999", "is no source of raw sound"),
        ("pcm://127.0.0.1:port", "is no source of raw sound"),
        ("pcm://[::1:5580", "is no source of raw sound"),
        ("pcm://127.0.0.1:5580/path", "is no source of raw sound"),
        ("tcp://127.0.0.1:5580", "is no source of raw sound"),
        ("pcm://127.0.0.1:5580?bits=16", "unknown option 'bits'; there are: rate, channels, format"),
        ("pcm://127.0.0.1:5580?rate=", "rate is ''; it must be a whole number within 4000..384000"),
        ("pcm://127.0.0.1:5580?rate=100", "rate is '100'"),
        ("pcm://127.0.0.1:5580?channels=0", "channels is '0'"),
        ("pcm://127.0.0.1:5580?format=mp3", "format is 'mp3'; it must be one of s16le, s32le, f32le"),
    ],
)
def test_wrong_addresses_are_one_sentence(address, sentence):
    with pytest.raises(UsageError) as caught:
        parse_pcm(address)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("s16le", np.array([0, -32_768, 16_384, 8_192], "<i2").tobytes()),
        ("s32le", np.array([0, -(2**31), 2**30, 2**29], "<i4").tobytes()),
        ("f32le", np.array([0, -1, 0.5, 0.25], "<f4").tobytes()),
    ],
)
def test_encodings(encoding, data):
    samples = PcmFormat(16_000, 2, encoding).decode(data)
    assert samples.dtype == np.float32
    assert samples.tolist() == [[0.0, -1.0], [0.5, 0.25]]


# The timing, without a clock


def test_what_comes_at_once_is_due_evenly():
    chunks = Tape(PcmFormat()).push(tone(0.2)[:, None], 1_000 * MS)
    assert [chunk.capture_ns for chunk in chunks] == [1_000 * MS + (number + 1) * HOP_NS for number in range(10)]
    assert [chunk.first_sample for chunk in chunks] == [number * HOP_SAMPLES for number in range(10)]


def test_a_pause_is_a_gap_as_long_as_the_pause():
    tape = Tape(PcmFormat())
    first = tape.push(tone(0.05)[:, None], 1_000 * MS) + tape.end()
    second = tape.push(tone(0.05)[:, None], 3_000 * MS)
    assert len(first) == 3
    assert not first[-1].samples[160:].any()
    assert second[0].first_sample == pytest.approx(2 * AUDIO_RATE_HZ, abs=1)
    assert second[0].capture_ns == 3_000 * MS + HOP_NS
    assert tape.end()
    assert tape.end() == []


def test_the_next_utterance_waits_for_the_last_hop_of_the_one_before():
    tape = Tape(PcmFormat())
    first = tape.push(tone(1.0)[:, None], 1_000 * MS) + tape.end()
    second = tape.push(tone(0.05)[:, None], 1_100 * MS)
    assert second[0].capture_ns == first[-1].capture_ns + HOP_NS
    assert second[0].first_sample == first[-1].first_sample + HOP_SAMPLES


def test_jitter_does_not_move_the_tape_but_a_slow_sender_does():
    tape, arrived_ns = Tape(PcmFormat()), 0
    sound = tone(0.02)[:, None]
    for number in range(10):
        arrived_ns = 1_000 * MS + number * HOP_NS + (number % 3) * 10 * MS
        (chunk,) = tape.push(sound, arrived_ns)
        assert chunk.capture_ns == 1_000 * MS + (number + 1) * HOP_NS
    for _ in range(100):
        arrived_ns += 30 * MS
        (chunk,) = tape.push(sound, arrived_ns)
        assert -HOP_NS <= arrived_ns - chunk.capture_ns <= 100 * MS


# Over TCP


def connect(source: PcmSource) -> socket.socket:
    return socket.create_connection(("127.0.0.1", source.port), timeout=10)


def sent_until_blocked(engine: socket.socket, most: int) -> int:
    """How many bytes go out until nothing moves for half a second."""
    engine.settimeout(0.5)
    sent = 0
    try:
        while sent < most:
            sent += engine.send(bytes(65_536))
    except TimeoutError:
        pass
    return sent


def test_a_speech_engine_is_played_in_real_time_and_slowed_down():
    source = PcmSource("pcm://127.0.0.1:0?rate=24000")
    sound = tone(0.5, 24_000)
    with Player(source) as player:
        began_ns = time.perf_counter_ns()
        with connect(source) as engine:
            engine.sendall(as_s16(sound))
        chunks = []
        while len(chunks) < 25:
            (chunk,) = player.take(1)
            assert time.perf_counter_ns() >= chunk.capture_ns
            chunks.append(chunk)
        assert player.take(1, within_s=0.3) == []
        assert not player.outbox.closed  # the listener stays
    assert chunks[-1].capture_ns - began_ns >= 500 * MS
    assert all(b.first_sample - a.first_sample == HOP_SAMPLES for a, b in pairwise(chunks))
    np.testing.assert_allclose(samples_of(chunks)[100:-100], tone(0.5)[100:-100], atol=1e-3)


def test_each_connection_is_a_stream_and_the_listener_stays():
    source = PcmSource("pcm://127.0.0.1:0")
    with Player(source) as player:
        for _ in range(3):
            with connect(source) as engine:
                engine.sendall(as_s16(tone(0.07)))
            chunks = player.take(4)
            assert len(chunks) == 4
            np.testing.assert_allclose(samples_of(chunks)[:1_120], tone(0.07), atol=1e-4)
        assert not player.errors


def test_a_pause_within_a_connection_plays_the_rest_and_goes_on():
    source = PcmSource("pcm://127.0.0.1:0")
    with Player(source) as player, connect(source) as engine:
        engine.sendall(as_s16(tone(0.05)))
        first = player.take(3)  # the third is half empty
        assert len(first) == 3
        engine.sendall(as_s16(tone(0.04)))
        second = player.take(2)
    assert second[0].first_sample > first[-1].first_sample + HOP_SAMPLES


def test_bytes_may_be_cut_anywhere(monkeypatch):
    receive = pcm._receive
    monkeypatch.setattr(pcm, "_receive", lambda connection, size: receive(connection, min(size, 1_001)))
    source = PcmSource("pcm://127.0.0.1:0?channels=2&format=f32le")
    sound = np.stack([tone(0.1), tone(0.1)], axis=1)
    data = sound.astype("<f4").tobytes()
    with Player(source) as player, connect(source) as engine:
        engine.sendall(data)
        chunks = player.take(5)
    np.testing.assert_allclose(samples_of(chunks), tone(0.1), atol=1e-6)


def test_an_engine_far_ahead_is_held_back():
    source = PcmSource("pcm://127.0.0.1:0")
    with Player(source), connect(source) as engine:
        engine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        sent = sent_until_blocked(engine, 50_000_000)
    assert 0 < sent < 5_000_000  # 26 minutes of sound were ready; two at most are on their way


def test_an_engine_that_is_killed_is_survived():
    source = PcmSource("pcm://127.0.0.1:0")
    with Player(source) as player:
        engine = connect(source)
        engine.sendall(as_s16(tone(0.04)))
        player.take(1)
        engine.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # close by reset
        engine.close()
        wait_for(lambda: False, 0.2)
        player.take(len(player.outbox))
        with connect(source) as engine:
            engine.sendall(as_s16(tone(0.1)))
        assert len(player.take(5)) == 5
        assert not player.errors


def test_an_engine_whose_machine_is_out_of_reach_ends_its_stream_alone():
    """What a firewall or a router answers for a machine that has gone is no ConnectionError."""

    class Unreachable:
        def recv(self, size):
            raise OSError(errno.EHOSTUNREACH, "No route to host")

    assert _receive(Unreachable(), 640) == b""


def test_a_taken_port_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"pcm://127.0.0.1:{other.getsockname()[1]}"
        with Player(PcmSource(address)) as player:
            assert isinstance(player.errors[0], DeviceError)
            assert "choose another port" in str(player.errors[0])
            assert player.outbox.closed


def test_a_port_open_to_the_network_is_said():
    said: list[str] = []
    with Player(PcmSource("pcm://0.0.0.0:0", said.append)):
        pass
    assert "anyone who reaches 0.0.0.0" in said[0]


# From stdin


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    ends = {reader, writer}
    yield reader, writer, ends
    for end in ends:
        os.close(end)


def test_stdin_ends_with_its_bytes(pipe):
    reader, writer, ends = pipe
    os.write(writer, as_s16(tone(0.1)))
    os.close(writer)
    ends.discard(writer)
    with Player(PcmSource("-", stdin=reader)) as player:
        chunks = list(player.outbox)
    np.testing.assert_allclose(samples_of(chunks), tone(0.1), atol=1e-4)
    assert not player.errors


def test_stop_while_nothing_comes_on_stdin(pipe):
    reader, _, _ = pipe
    began_s = time.monotonic()
    with Player(PcmSource("-", stdin=reader)) as player:
        assert player.take(1, within_s=0.2) == []
    assert time.monotonic() - began_s < 2
    assert player.outbox.closed
