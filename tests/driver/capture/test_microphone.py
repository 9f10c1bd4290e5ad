from __future__ import annotations

import signal
import threading
import time
import wave
from itertools import count, islice, pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.play import Player, wait_for

from driver.capture import portaudio
from driver.capture.live_chunks import LiveChunker
from driver.capture.microphone import Microphone
from driver.capture.portaudio import MicrophoneInfo, find_microphone, list_microphones, load_sounddevice
from driver.capture.ring import Block, BlockRing
from driver.errors import DeviceError
from driver.types import AUDIO_RATE_HZ, HOP_SAMPLES

MS = 1_000_000
HEADSET = MicrophoneInfo(3, "USB Headset: Audio", 2, 48_000, is_default=False)
BUILT_IN = MicrophoneInfo(0, "Built-in", 1, 44_100, is_default=True)


# The ring


def test_the_ring_gives_back_what_was_put_in_order():
    ring = BlockRing(4, 10, 2)
    blocks = [np.full((10, 2), number, np.float32) for number in range(20)]
    for number, block in enumerate(blocks):
        ring.put(block, number, False)
        taken = ring.get(0)
        assert taken is not None
        np.testing.assert_array_equal(taken.samples, block)
        assert (taken.end_ns, taken.is_after_loss) == (number, False)
    assert ring.get(0) is None


def test_a_full_ring_refuses_and_the_next_block_tells():
    ring = BlockRing(2, 10, 1)
    for number in range(5):
        ring.put(np.zeros((10, 1), np.float32), number, False)
    assert ring.refused == 3
    assert [ring.get(0).end_ns, ring.get(0).end_ns] == [0, 1]  # type: ignore[union-attr]
    ring.put(np.zeros((7, 1), np.float32), 9, False)
    taken = ring.get(0)
    assert taken is not None
    assert (taken.end_ns, taken.is_after_loss, len(taken.samples)) == (9, True, 7)


def test_the_ring_between_two_threads_loses_nothing():
    ring, taken = BlockRing(8, 4, 1), []

    def write() -> None:
        for number in range(2_000):
            while ring._written - ring._taken >= 8:
                time.sleep(0.0001)
            ring.put(np.full((4, 1), number, np.float32), number, False)

    writer = threading.Thread(target=write)
    writer.start()
    while len(taken) < 2_000 and (block := ring.get(5)) is not None:
        assert block.samples[0, 0] == block.end_ns
        taken.append(block.end_ns)
    writer.join()
    assert taken == list(range(2_000))


# Blocks to hops


def block(number: int, *, loss: bool = False, value: float = 0.0) -> Block:
    """Block `number` of 10 ms at 48 kHz mono, on time."""
    return Block(np.full((480, 1), value, np.float32), (number + 1) * 10 * MS, loss)


def test_what_the_device_lost_jumps_by_as_much_as_time_went_on():
    chunker = LiveChunker()
    chunker.connect(48_000, 1)
    before = [chunk for number in range(10) for chunk in chunker.push(block(number))]
    after = [chunk for number in range(30, 40) for chunk in chunker.push(block(number, loss=number == 30))]
    assert chunker.gaps == 1
    assert [chunk.first_sample for chunk in before] == list(range(0, len(before) * HOP_SAMPLES, HOP_SAMPLES))
    assert after[0].first_sample == pytest.approx(0.300 * AUDIO_RATE_HZ, abs=1)
    assert after[0].capture_ns == pytest.approx(320 * MS, abs=0.1 * MS)


def test_a_device_that_comes_back_at_another_rate_goes_on_in_time():
    chunker = LiveChunker()
    chunker.connect(48_000, 1)
    for number in range(10):
        chunker.push(block(number))
    chunker.connect(16_000, 2)
    (chunk,) = chunker.push(Block(np.zeros((320, 2), np.float32), 1_020 * MS, False))
    assert chunk.first_sample == AUDIO_RATE_HZ
    assert chunk.capture_ns == 1_020 * MS
    assert chunker.gaps == 0


def test_loss_before_the_first_block_is_no_gap():
    chunker = LiveChunker()
    chunker.connect(48_000, 1)
    chunker.push(block(0, loss=True))
    assert chunker.gaps == 0


# The source, with a fake sound system


class SoundSystem:
    """Devices that come and go. `play` feeds the open stream."""

    def __init__(self, *microphones: MicrophoneInfo) -> None:
        self.microphones = list(microphones)
        self.streams: list[SoundSystem.Stream] = []
        self.renewals = 0

    class Stream:
        def __init__(self, take_block) -> None:
            self.take_block, self.is_active, self.is_closed = take_block, True, False

        def close(self) -> None:
            self.is_closed = True

    def find(self, wanted):
        if not self.microphones:
            raise DeviceError("no microphone was found")
        return self.microphones[0]

    def renew(self) -> None:
        assert all(stream.is_closed for stream in self.streams)
        self.renewals += 1

    def open_stream(self, microphone, take_block):
        self.streams.append(self.Stream(take_block))
        return self.streams[-1]

    def microphone(self, said: list[str], **options) -> Microphone:
        return Microphone(None, said.append, find=self.find, renew=self.renew, open_stream=self.open_stream, **options)


def test_a_lost_device_is_reopened_and_said_once_each(monkeypatch):
    monkeypatch.setattr("driver.capture.microphone._DEAD_S", 100)
    system, said = SoundSystem(HEADSET), []
    with Player(system.microphone(said)) as player:
        assert wait_for(lambda: system.streams)
        for number in range(4):
            system.streams[0].take_block(np.zeros((480, 2), np.float32), number * 10 * MS, False)
        assert player.take(1)[0].first_sample == 0
        system.streams[0].is_active = False
        assert wait_for(lambda: len(system.streams) == 2)
        assert system.streams[0].is_closed
        assert system.renewals == 1
        for number in range(100, 104):
            system.streams[1].take_block(np.zeros((480, 2), np.float32), number * 10 * MS, False)
        assert player.take(1)[0].first_sample > 10_000
    assert system.streams[1].is_closed
    assert len(said) == 2
    assert "'USB Headset: Audio' gives no sound any more" in said[0]
    assert "is heard again" in said[1]


def test_a_device_that_falls_silent_without_a_word_is_reopened(monkeypatch):
    monkeypatch.setattr("driver.capture.microphone._DEAD_S", 0.2)
    system = SoundSystem(HEADSET)
    with Player(system.microphone([])):
        assert wait_for(lambda: len(system.streams) == 2)
        assert system.streams[0].is_active


def test_a_device_that_runs_faster_than_time_is_reopened(monkeypatch):
    monkeypatch.setattr("driver.capture.microphone._PACE_S", 0.2)
    system, said = SoundSystem(HEADSET), []
    with Player(system.microphone(said)):
        assert wait_for(lambda: system.streams)
        block = np.zeros((480, 2), np.float32)
        deadline_s = time.monotonic() + 20.0
        numbers = count()
        while len(system.streams) == 1 and time.monotonic() < deadline_s:
            for number in islice(numbers, 32):
                system.streams[0].take_block(block, number * 10 * MS, False)
            time.sleep(0.001)
        assert len(system.streams) == 2
        assert system.streams[0].is_closed
    assert "seconds of sound a second" in said[0]


def test_a_device_in_step_with_time_is_left_alone(monkeypatch):
    monkeypatch.setattr("driver.capture.microphone._PACE_S", 0.2)
    system = SoundSystem(HEADSET)
    with Player(system.microphone([])):
        assert wait_for(lambda: system.streams)
        for number in range(80):
            system.streams[0].take_block(np.zeros((480, 2), np.float32), number * 10 * MS, False)
            time.sleep(0.01)
        assert len(system.streams) == 1


def test_a_missing_device_is_waited_for_and_said_once():
    system, said = SoundSystem(), []
    with Player(system.microphone(said)):
        assert wait_for(lambda: system.renewals >= 2)
        system.microphones.append(BUILT_IN)
        assert wait_for(lambda: system.streams)
    assert len(said) == 1
    assert "no microphone was found" in said[0]


def test_without_retry_a_missing_device_is_the_error():
    with Player(SoundSystem().microphone([], retry=False)) as player:
        assert wait_for(lambda: player.errors)
    assert isinstance(player.errors[0], DeviceError)
    assert player.outbox.closed


def test_a_sound_system_that_hangs_does_not_hang_stop(monkeypatch):
    system, said, release = SoundSystem(BUILT_IN), [], threading.Event()
    left: list[bool] = []
    monkeypatch.setattr("driver.capture.microphone.leave_to_the_system", lambda: left.append(True))
    monkeypatch.setattr("driver.capture.microphone._LONGEST_STOP_S", 0.2)
    monkeypatch.setattr(SoundSystem.Stream, "close", lambda self: release.wait(20))
    with Player(system.microphone(said)):
        assert wait_for(lambda: system.streams)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 5
    release.set()
    assert left == [True]
    assert "does not let go" in said[0]


# Choosing a device


@pytest.mark.parametrize(
    ("wanted", "index"),
    [(None, 0), ("", 0), (3, 3), ("3", 3), ("usb", 3), ("USB Headset: Audio", 3), ("BUILT", 0), ("headset", 3)],
)
def test_a_microphone_is_found_by_index_name_or_part(monkeypatch, wanted, index):
    monkeypatch.setattr(portaudio, "list_microphones", lambda: [BUILT_IN, HEADSET])
    assert find_microphone(wanted).index == index


@pytest.mark.parametrize("wanted", ["7", "webcam"])
def test_an_unknown_microphone_is_answered_with_those_there_are(monkeypatch, wanted):
    monkeypatch.setattr(portaudio, "list_microphones", lambda: [BUILT_IN, HEADSET])
    with pytest.raises(DeviceError, match=r"there are: 0 Built-in, 3 USB Headset"):
        find_microphone(wanted)


def test_no_microphone_at_all_is_one_sentence(monkeypatch):
    monkeypatch.setattr(portaudio, "list_microphones", lambda: [])
    with pytest.raises(DeviceError, match="no microphone was found"):
        find_microphone(None)


def test_without_portaudio_the_remedy_is_named(monkeypatch):
    def missing(name: str):
        raise OSError("PortAudio library not found")

    monkeypatch.setattr(portaudio.importlib, "import_module", missing)
    monkeypatch.setattr(portaudio.sys, "platform", "linux")
    with pytest.raises(DeviceError, match="apt-get install libportaudio2"):
        load_sounddevice()


class FakeSystem:
    """As the module `sounddevice`, whose PortAudio can be made to fail."""

    class PortAudioError(Exception):
        pass

    def __init__(self) -> None:
        self._initialized, self.is_down = 1, True

    def _check(self, is_bad: bool) -> None:
        if is_bad:
            raise self.PortAudioError("Error in PortAudio", -9999)

    def _terminate(self) -> None:
        self._check(not self._initialized)
        self._initialized -= 1

    def _initialize(self) -> None:
        self._check(self.is_down)
        self._initialized += 1

    def query_devices(self) -> list[dict[str, object]]:
        self._check(not self._initialized)
        return []

    default = SimpleNamespace(device=(-1, -1))


def test_a_sound_system_that_does_not_answer_is_asked_again(monkeypatch):
    """Neither ends the run: `Reconnection` waits for whatever is a DeviceError."""
    system = FakeSystem()
    monkeypatch.setattr(portaudio, "load_sounddevice", lambda: system)
    for ask in (portaudio.renew_devices, list_microphones, portaudio.renew_devices):
        with pytest.raises(DeviceError, match=r"no list of microphones \(Error in PortAudio\); restart it"):
            ask()
    system.is_down = False
    portaudio.renew_devices()
    assert list_microphones() == []


def test_a_sound_system_that_does_not_answer_at_first_is_a_sentence(monkeypatch):
    def failing(name: str):
        raise FakeSystem.PortAudioError("Error initializing PortAudio", -9999)

    monkeypatch.setattr(portaudio.importlib, "import_module", failing)
    with pytest.raises(DeviceError, match="Error initializing PortAudio"):
        load_sounddevice()


# A real sound server


@pytest.fixture
def sound_server(pulse_server):
    """PulseAudio, and PortAudio told to look again."""
    try:
        portaudio.renew_devices()
    except DeviceError as error:
        pytest.skip(str(error))
    if not any("pulse" in microphone.name for microphone in list_microphones()):
        pytest.skip("PortAudio does not reach PulseAudio (libasound2-plugins)")
    return pulse_server


def write_voice(path: Path, seconds: float = 1.5) -> np.ndarray:
    """Noise with the rhythm of syllables, below the resampler's edge: float32 [n] at 16 kHz, as written to `path`."""
    count = round(seconds * AUDIO_RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(count))
    frequency_hz = np.fft.rfftfreq(count, 1 / AUDIO_RATE_HZ)
    spectrum[(frequency_hz < 100) | (frequency_hz > 5_000)] = 0
    rhythm = 0.55 - 0.45 * np.cos(2 * np.pi * 4 * np.arange(count) / AUDIO_RATE_HZ)
    voice = np.fft.irfft(spectrum, count) * rhythm
    samples = np.round(voice / np.abs(voice).max() * 0.5 * 32_767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, AUDIO_RATE_HZ, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return samples / np.float32(32_768)


def found_in(voice: np.ndarray, heard: np.ndarray) -> tuple[float, float]:
    """(correlation, gain) of `voice` where it fits best into `heard`."""
    size = 1 << (len(heard) + len(voice)).bit_length()
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(voice, size))
    begin = int(np.fft.irfft(product, size)[: len(heard) - len(voice)].argmax())
    part = heard[begin : begin + len(voice)]
    return float(np.corrcoef(part, voice)[0, 1]), float(part @ voice / (voice @ voice))


def drained(player: Player) -> list:
    return player.take(len(player.outbox))


@pytest.mark.parametrize("device", [None, "pulse"])
def test_what_is_played_is_heard(sound_server, tmp_path, device):
    voice = write_voice(tmp_path / "voice.wav")
    with Player(Microphone(device), capacity=1_000) as player:
        chunks = player.take(5)
        sound_server.play(tmp_path / "voice.wav")
        chunks += drained(player) + player.take(20)
    assert not player.errors
    assert all(b.first_sample - a.first_sample == HOP_SAMPLES for a, b in pairwise(chunks))
    elapsed_ns = chunks[-1].capture_ns - chunks[0].capture_ns
    assert elapsed_ns / 1e9 == pytest.approx((len(chunks) - 1) * HOP_SAMPLES / AUDIO_RATE_HZ, abs=0.2)
    assert all(chunk.capture_ns <= time.perf_counter_ns() for chunk in chunks)
    correlation, gain = found_in(voice, np.concatenate([chunk.samples for chunk in chunks]))
    print(f"correlation {correlation:.5f}, gain {gain:.4f}")
    assert correlation > 0.99
    assert gain == pytest.approx(1.0, abs=0.02)


def test_a_killed_sound_server_is_survived(sound_server, tmp_path):
    voice = write_voice(tmp_path / "voice.wav", 0.8)
    said: list[str] = []
    microphone = Microphone(None, said.append)
    with Player(microphone, capacity=1_000) as player:
        before = player.take(10)
        assert len(before) == 10
        sound_server.kill()
        assert wait_for(lambda: said)
        assert "gives no sound any more" in said[0]
        before += drained(player)
        sound_server.start()
        assert wait_for(lambda: "heard again" in said[-1])
        after = player.take(5)
        sound_server.play(tmp_path / "voice.wav")
        after += drained(player) + player.take(20)
        assert not player.errors
    elapsed_s = (after[0].capture_ns - before[-1].capture_ns) / 1e9
    assert (after[0].first_sample - before[-1].first_sample) / AUDIO_RATE_HZ == pytest.approx(elapsed_s, abs=0.05)
    assert found_in(voice, np.concatenate([chunk.samples for chunk in after]))[0] > 0.99


def test_a_sound_server_that_stalls_comes_back(sound_server):
    said: list[str] = []
    with Player(Microphone(None, said.append), capacity=1_000) as player:
        assert player.take(5)
        sound_server.signal(signal.SIGSTOP)
        time.sleep(0.5)
        sound_server.signal(signal.SIGCONT)
        drained(player)
        assert len(player.take(20)) == 20
        assert not player.errors
