"""Who is judged: anything that turns sound into a moving face. Our models at any look-ahead, and a peer from npm."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from driver.runtime import OnnxModel
from models.head.flame import open_head
from training.data.clips import HOP_S, HOP_SAMPLES, MOTION_SIZE
from training.evaluate.visemes import VISEMES, viseme_motions

Floats = NDArray[np.float32]

_BATCH = 32
_TIMED_HOPS, _WARM_HOPS = 500, 50
_LOOKAHEAD_KNOB = "knob_lookahead"

_PEER_PACKAGE, _PEER_VERSION = "@met4citizen/headaudio", "0.1.0"
_PEER_RUNNER = Path(__file__).with_name("headaudio_peer.mjs")
# Its README tells apps to hold the sound back by a tenth of a second, so that the face is in time.
_PEER_LATENCY_S = 0.1


class Unavailable(Exception):
    """A subject that cannot be had here; the text says why, for the table."""


@dataclass(frozen=True, eq=False)
class Heard:
    """What a subject made of a sound of H hops: motion float32 [H, 53], laughter and speech [H] 0..1.

    Row t is about the instant (t + 1) * 20 ms of the sound, whenever the subject came to know.
    """

    motion: Floats
    laughter: Floats
    speech: Floats


class Subject(Protocol):
    """`latency_s` is how long after an instant its row can be had, at best; `fingerprint` changes with the subject.

    `hears_laughter` and `hears_speech`: whether the two probabilities mean anything.
    """

    name: str
    latency_s: float
    hears_laughter: bool
    hears_speech: bool

    @property
    def fingerprint(self) -> str: ...
    @property
    def size_mb(self) -> float: ...
    def hear(self, sounds: list[Floats]) -> list[Heard]:
        """Each sound float32 [hops * 320], 16 kHz, from its beginning and apart from the others."""
        ...

    def step_ms(self) -> float:
        """What a hop costs on one thread, in ms: the median."""
        ...


class VoiceModel:
    """A model file of ours. `lookahead_s` None leaves the file's own; ValueError when it has no such knob."""

    def __init__(self, path: Path, lookahead_s: float | None = None) -> None:
        self._model = OnnxModel(path, "cpu")
        said = self._model.metadata
        state = self._model.initial_state()
        if lookahead_s is not None and _LOOKAHEAD_KNOB not in state:
            raise ValueError(f"{path} has no look-ahead to choose; leave it out")
        self.latency_s = said.lookahead_s if lookahead_s is None else lookahead_s
        self.name = said.name if lookahead_s is None else f"{said.name} {1e3 * lookahead_s:.0f} ms"
        self.hears_laughter = _LOOKAHEAD_KNOB in state  # the envelope's is a constant
        self.hears_speech = True
        self._knob_hops = round((self.latency_s - said.lookahead_s) / HOP_S)
        self._path = path

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self._path.read_bytes()).hexdigest()[:16] + f"-{self._knob_hops:+d}"

    @property
    def size_mb(self) -> float:
        return self._path.stat().st_size / 1e6

    def hear(self, sounds: list[Floats]) -> list[Heard]:
        """As `Subject.hear`: hop by hop as when live, many at once, with silence after each for what is still owed."""
        order = sorted(range(len(sounds)), key=lambda index: len(sounds[index]))
        heard: dict[int, Heard] = {}
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            heard |= dict(zip(chosen, self._hear_batch([sounds[index] for index in chosen]), strict=True))
        return [heard[index] for index in range(len(sounds))]

    def _hear_batch(self, sounds: list[Floats]) -> list[Heard]:
        late = round(self.latency_s / HOP_S)
        hops = [len(sound) // HOP_SAMPLES for sound in sounds]
        signal = np.zeros((len(sounds), (max(hops) + late) * HOP_SAMPLES), np.float32)
        for row, sound in zip(signal, sounds, strict=True):
            row[: len(sound)] = sound
        state = self._state(len(sounds))
        rows: list[Floats] = []
        for start in range(0, signal.shape[1], HOP_SAMPLES):
            results, state = self._model.step(signal[:, start : start + HOP_SAMPLES], state)
            parts = [
                results["expression"],
                results["jaw"],
                results["laughter"][..., None],
                results["speech"][..., None],
            ]
            rows.append(np.concatenate(parts, axis=-1)[:, 0])
        values = np.stack(rows[late:], axis=1)
        return [
            Heard(clip[:count, :MOTION_SIZE], clip[:count, MOTION_SIZE], clip[:count, MOTION_SIZE + 1])
            for clip, count in zip(values, hops, strict=True)
        ]

    def _state(self, batch: int) -> dict[str, NDArray[np.generic]]:
        state = self._model.initial_state(batch)
        if _LOOKAHEAD_KNOB in state:
            state[_LOOKAHEAD_KNOB] = np.full(batch, self._knob_hops, np.float32)
        return state

    def step_ms(self) -> float:
        noise = np.random.default_rng(0).normal(0.0, 0.05, (_WARM_HOPS + _TIMED_HOPS, 1, HOP_SAMPLES))
        state = self._state(1)
        taken_ms: list[float] = []
        for chunk in noise.astype(np.float32):
            began = time.thread_time()
            _, state = self._model.step(chunk, state)
            taken_ms.append(1e3 * (time.thread_time() - began))
        return float(np.median(taken_ms[_WARM_HOPS:]))


class HeadAudio:
    """The npm package @met4citizen/headaudio (MIT): Gaussian MFCC prototypes, majority vote, eased Oculus visemes.

    Installed by npm into `cache` at first use. Raises Unavailable when there is no node or npm, or no registry.
    """

    name = "headaudio"
    latency_s = _PEER_LATENCY_S
    hears_laughter = False
    hears_speech = False

    def __init__(self, cache: Path) -> None:
        missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
        if missing:
            raise Unavailable(f"{_PEER_PACKAGE} was not judged: there is no {' and no '.join(missing)} here")
        self._package = cache / "node_modules" / _PEER_PACKAGE
        if not self._package.is_dir():
            cache.mkdir(parents=True, exist_ok=True)
            command = ["npm", "install", "--prefix", str(cache), f"{_PEER_PACKAGE}@{_PEER_VERSION}"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Unavailable(f"{_PEER_PACKAGE} was not judged: npm could not install it ({done.stderr[-200:]})")
        self._motions = viseme_motions(open_head())

    @property
    def fingerprint(self) -> str:
        ours = _PEER_RUNNER.read_bytes() + self._motions.tobytes()
        return f"headaudio-{_PEER_VERSION}-{hashlib.sha256(ours).hexdigest()[:16]}"

    @property
    def size_mb(self) -> float:
        return sum(file.stat().st_size for file in (self._package / "dist").iterdir()) / 1e6

    def hear(self, sounds: list[Floats]) -> list[Heard]:
        """As `Subject.hear`; its rows are taken as late as its README says that they are."""
        late = round(self.latency_s / HOP_S)
        tail = np.zeros(late * HOP_SAMPLES, np.float32)
        visemes = np.split(
            self._visemes([np.concatenate([sound, tail]) for sound in sounds]),
            np.cumsum([len(sound) // HOP_SAMPLES + late for sound in sounds])[:-1],
        )
        return [Heard(rows[late:] @ self._motions, *np.zeros((2, len(rows) - late), np.float32)) for rows in visemes]

    def step_ms(self) -> float:
        """The mean here: 60 s of noise less 1 s of it, over the hops between. It has no per-hop clock.

        The quickest of three each: what else node does when it starts takes longer than the hops.
        """
        noise = np.random.default_rng(0).normal(0.0, 0.05, 60 * 16_000).astype(np.float32)
        short_s, long_s = (min(self._taken_s(sound) for _ in range(3)) for sound in (noise[:16_000], noise))
        return 1e3 * (long_s - short_s) / (59.0 / HOP_S)

    def _taken_s(self, sound: Floats) -> float:
        began = time.perf_counter()
        self._visemes([sound])
        return time.perf_counter() - began

    def _visemes(self, sounds: list[Floats]) -> Floats:
        packed = b"".join(np.uint32(len(sound)).tobytes() + sound.astype("<f4").tobytes() for sound in sounds)
        command = ["node", str(_PEER_RUNNER), str(self._package)]
        done = subprocess.run(command, input=packed, capture_output=True, check=False)
        if done.returncode != 0:
            raise Unavailable(f"{_PEER_PACKAGE} was not judged: node failed ({done.stderr.decode()[-200:]})")
        return np.frombuffer(done.stdout, "<f4").reshape(-1, len(VISEMES))
