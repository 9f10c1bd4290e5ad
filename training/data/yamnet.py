"""YAMNet, the teacher of the laughter probability: which of AudioSet's 521 sounds are heard, window by window.

The network (Google, Apache-2.0) hears 0.975 s of 16 kHz sound and gives every class a probability of its own. Its
scores for laughter are low in absolute terms (0.1 for a short chuckle, seldom more than 0.9), and it calls acted laughs
speech: it ranks, it does not decide. See `laughter_evidence`.

Classes, from the network's published class map: 0 speech, 6..11 shouts, 13 laughter and its kinds up to 18, 19..22
crying, 36..40 breath, 42 cough, 43 throat clearing, 58 clapping, 62 applause, 132 music, 494 silence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from training.data.clips import HOP_SAMPLES, SAMPLE_RATE_HZ, Floats

WINDOW_SAMPLES = 15_600
CLASS_COUNT = 521
STEP_S = 0.12

SPEECH = 0
LAUGHTER = slice(13, 19)  # laughter, baby laughter, giggle, snicker, belly laugh, chuckle
COUGH = slice(42, 44)

_FLOOR = 1e-3


class Yamnet:
    """The network on one thread; a window costs about 4 ms."""

    def __init__(self, model: Path) -> None:
        if not model.is_file():
            raise FileNotFoundError(f"there is no YAMNet at {model}; give the path of yamnet.tflite")
        from ai_edge_litert.interpreter import Interpreter  # pyright: ignore[reportMissingImports]

        self._network: Any = Interpreter(str(model), num_threads=1)
        self._network.allocate_tensors()
        self._input = self._network.get_input_details()[0]["index"]
        self._output = self._network.get_output_details()[0]["index"]

    def scores(self, audio: Floats, step_s: float = STEP_S) -> tuple[Floats, Floats]:
        """(times_s [W], scores [W, 521] in 0..1): windows every `step_s`, each at the time of its middle.

        The first window's middle is the sound's beginning and the last one's its end; outside is silence.
        """
        step = round(step_s * SAMPLE_RATE_HZ)
        half = WINDOW_SAMPLES // 2
        starts = np.arange(0, len(audio) + step, step)
        padded = np.pad(np.asarray(audio, np.float32), (half, WINDOW_SAMPLES + step))
        scores = np.zeros((len(starts), CLASS_COUNT), np.float32)
        for row, start in enumerate(starts):
            self._network.set_tensor(self._input, padded[start : start + WINDOW_SAMPLES])
            self._network.invoke()
            scores[row] = self._network.get_tensor(self._output)[0]
        return (starts / SAMPLE_RATE_HZ).astype(np.float32), scores

    def rows(self, audio: Floats) -> Floats:
        """Scores [hops, 521] at the instants of a clip's rows, between windows on a straight line."""
        times_s, scores = self.scores(audio)
        hops = len(audio) // HOP_SAMPLES
        at = (np.arange(hops) + 1) * HOP_SAMPLES / SAMPLE_RATE_HZ / STEP_S
        below = np.minimum(at.astype(int), len(times_s) - 2)
        share = np.clip(at - below, 0.0, 1.0)[:, None].astype(np.float32)
        return np.asarray(scores[below] * (1.0 - share) + scores[below + 1] * share, np.float32)


def laughter_evidence(scores: Floats) -> Floats:
    """How much scores [..., 521] speak for laughter and against speech and cough: log odds [...].

    A laughter score is worth more where little else is heard: a chuckle of 0.15 beside speech of 0.05 is a laugh,
    beside speech of 0.9 it is a smile in the voice.
    """
    laughs = np.max(scores[..., LAUGHTER], axis=-1)
    others = np.maximum(scores[..., SPEECH], np.max(scores[..., COUGH], axis=-1))
    return np.log(laughs + _FLOOR) - 0.5 * np.log(others + _FLOOR)
