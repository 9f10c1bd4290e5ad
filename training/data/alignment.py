"""When was what said: hama's phoneme network (PyPI, Apache-2.0), a small Viterbi, and boundaries between its spikes.

The network gives log probabilities of 191 tokens every 20 ms, as trained by CTC: a sound is one short spike, the rest
is blank. With a transcript the spikes are found by forced alignment (`forced`), without by the best path (`free`).
What lies between the spikes is for `training.data.boundaries` to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.alphabets import Sounds, of_hama
from training.data.clips import Floats
from training.data.phones import VOWELS

FRAME_S = 0.02

Doubles = NDArray[np.float64]

# Sounds that a transcript and the network may take for one another.
_KIN = (
    "p b ɸ β",
    "t d ɾ ʔ ð θ ʈ ɖ",
    "k ɡ q ɣ x",
    "f v ʋ",
    "θ ð s z f",
    "ʃ ʒ ɕ ʑ ʂ ʐ s z ç",
    "m n ŋ ɲ ɳ",
    "ɹ r ɾ ʁ ɚ ɜ",
    "l ɭ ɬ ʎ",
    "w u ʊ ʋ ʉ ɥ o",
    "j i ɪ ʝ",
    "h x ħ ç",
)
_KIN_SHARE, _VOWEL_SHARE, _ANY_SHARE = 0.1, 0.05, 1e-5
_FLOOR = -30.0


@dataclass(frozen=True)
class Spike:
    """A sound and the instant at which the network is surest of it; `score` is its log probability there."""

    sounds: Sounds
    time_s: float
    score: float
    stress: int = 0


class PhoneNetwork:
    """hama's network. ImportError with a remedy when it is not installed."""

    def __init__(self) -> None:
        try:
            import hama
        except ImportError as error:
            raise ImportError("hama aligns recordings; install it with `pip install hama`") from error
        self._model: Any = hama.ASRModel()
        tokens: list[str] = self._model.decoder_tokens
        sounds = [of_hama(token) for token in tokens]
        self.classes: list[Sounds] = [(), *sorted({each for each in sounds if each})]
        """What is told apart: `()` (nothing new) first, then sounds."""
        numbers = {each: number for number, each in enumerate(self.classes)}
        self._class_of_token = np.array([numbers[each] for each in sounds])

    def __call__(self, audio: Floats) -> Doubles:
        """Log probabilities [frames, classes] of mono sound at 16 kHz."""
        feeds = {"waveform": audio[None].astype(np.float32), "waveform_lengths": np.array([len(audio)], np.int64)}
        log_probs, lengths = self._model.session.run(["log_probs", "out_lengths"], feeds)
        probs = np.exp(np.asarray(log_probs, np.float64)[0][: int(np.ravel(lengths)[0])])
        grouped = np.zeros((len(probs), len(self.classes)))
        for number in range(len(self.classes)):
            grouped[:, number] = probs[:, self._class_of_token == number].sum(axis=1)
        return np.log(grouped + 1e-13)


@cache
def phone_network() -> PhoneNetwork:
    """The network, loaded once."""
    return PhoneNetwork()


def separately(words: Sequence[tuple[Sounds, int]], classes: Sequence[Sounds]) -> tuple[list[Sounds], list[int]]:
    """Sounds and stresses of a transcript, those that the network has no token for taken apart."""
    pieces = [
        (piece, stress)
        for sounds, stress in words
        for piece in ([sounds] if sounds in classes else [((symbol, 1.0),) for symbol, _ in sounds])
    ]
    return [piece for piece, _ in pieces], [stress for _, stress in pieces]


def free(log_probs: Doubles, classes: Sequence[Sounds]) -> list[Spike]:
    """What the network hears [frames, classes]: the best class of each frame, runs collapsed."""
    best = np.argmax(log_probs, axis=1)
    edges = [0, *(np.flatnonzero(np.diff(best)) + 1), len(best)]
    spikes = []
    for begin, end in pairwise(edges):
        if end > begin and best[begin] != 0:
            spikes.append(_spike(log_probs[begin:end, best[begin]], int(begin), classes[best[begin]], 0))
    return spikes


def forced(
    log_probs: Doubles, classes: Sequence[Sounds], transcript: Sequence[Sounds], stresses: Sequence[int] = ()
) -> list[Spike]:
    """One spike for each sound of the transcript, in order: the best path through a CTC lattice.

    ValueError when the sound is shorter than the transcript (one frame a sound).
    """
    count = len(transcript)
    if count == 0:
        return []
    if count > len(log_probs):
        raise ValueError(f"{count} sounds do not fit into {len(log_probs)} frames; the transcript is of something else")
    emission = _emissions(log_probs, classes, transcript)
    blank = log_probs[:, 0]
    states = np.empty((len(log_probs), 2 * count + 1))
    states[:, 0::2], states[:, 1::2] = blank[:, None], emission
    may_skip = np.zeros(2 * count + 1, bool)
    may_skip[3::2] = [a != b for a, b in zip(transcript[1:], transcript[:-1], strict=True)]
    score = np.full(2 * count + 1, -np.inf)
    score[:2] = states[0, :2]
    came = np.zeros(states.shape, np.int8)
    for frame in range(1, len(states)):
        one = np.concatenate([[-np.inf], score[:-1]])
        two = np.where(may_skip, np.concatenate([[-np.inf, -np.inf], score[:-2]]), -np.inf)
        options = np.stack([score, one, two])
        came[frame] = np.argmax(options, axis=0)
        score = np.max(options, axis=0) + states[frame]
    state = 2 * count if score[-1] >= score[-2] else 2 * count - 1
    path = np.empty(len(states), np.int64)
    for frame in range(len(states) - 1, -1, -1):
        path[frame] = state
        state -= int(came[frame, state])
    spikes = []
    for number, sounds in enumerate(transcript):
        frames = np.flatnonzero(path == 2 * number + 1)
        stress = stresses[number] if stresses else 0
        spikes.append(_spike(emission[frames[0] : frames[-1] + 1, number], int(frames[0]), sounds, stress))
    return spikes


def _emissions(log_probs: Doubles, classes: Sequence[Sounds], transcript: Sequence[Sounds]) -> Doubles:
    """Log probability [frames, sounds of the transcript], with what is easily taken for another counted in part."""
    kinds = list(dict.fromkeys(transcript))
    shares = np.array([[_share(kind, heard) for heard in classes] for kind in kinds])
    scores = np.maximum(np.log(np.exp(log_probs) @ shares.T + 1e-13), _FLOOR)
    return scores[:, [kinds.index(each) for each in transcript]]


@cache
def _share(wanted: Sounds, heard: Sounds) -> float:
    if not heard:
        return 0.0
    if wanted == heard:
        return 1.0
    first, other = wanted[0][0], heard[0][0]
    if first == other:
        return 0.6
    if any(first in kin.split() and other in kin.split() for kin in _KIN):
        return _KIN_SHARE
    return _VOWEL_SHARE if first in VOWELS and other in VOWELS else _ANY_SHARE


def _spike(scores: Doubles, first: int, sounds: Sounds, stress: int) -> Spike:
    weights = np.exp(scores - scores.max())
    frame = first + float(np.sum(weights * np.arange(len(scores))) / np.sum(weights))
    return Spike(sounds, frame * FRAME_S, float(scores.max()), stress)
