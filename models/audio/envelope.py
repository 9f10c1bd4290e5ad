"""The envelope baseline: loudness opens the jaw, the colour of the sound shapes the lips. Nothing is learnt.

It knows no phonemes. It is shipped because it is causal, tiny and predictable, and because a learned model has to beat
something. All levels are decibels relative to full scale (dBFS, of the mean square), all rates are per second.

Inside the graph: 32 ms Hann frames every 20 ms -> band powers -> levels relative to the speaker's own level -> four
articulations -> expression and jaw, by a constant matrix that comes from the head's ARKit map.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models.streaming import Outputs, State, StateTensor, StreamingModule

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 512
HOP_SAMPLES = 320
OVERLAP_SAMPLES = FRAME_SAMPLES - HOP_SAMPLES

EXPRESSION_SIZE = 50
JAW_SIZE = 3

# What each articulation (0..1) does to the face, in ARKit's names, so that a person can read and correct it.
ARTICULATIONS: dict[str, dict[str, float]] = {
    "open": {
        "jawOpen": 0.55,
        "mouthLowerDownLeft": 0.20,
        "mouthLowerDownRight": 0.20,
        "mouthUpperUpLeft": 0.12,
        "mouthUpperUpRight": 0.12,
    },
    "spread": {
        "mouthStretchLeft": 0.35,
        "mouthStretchRight": 0.35,
        "mouthSmileLeft": 0.12,
        "mouthSmileRight": 0.12,
        "mouthLowerDownLeft": 0.15,
        "mouthLowerDownRight": 0.15,
    },
    "rounded": {"mouthPucker": 0.45, "mouthFunnel": 0.35},
    "pressed": {"mouthPressLeft": 0.25, "mouthPressRight": 0.25, "mouthRollLower": 0.12},
}

# Bands in Hz. A hum behind closed lips (m, n, b) lies under the vocal band, so it does not open the jaw.
HUM_HZ = (80.0, 350.0)
VOCAL_HZ = (350.0, 4000.0)
DARK_HZ = (350.0, 900.0)
BRIGHT_HZ = (1700.0, 3500.0)
HISS_HZ = (4000.0, 8000.0)
BANDS_HZ = (HUM_HZ, VOCAL_HZ, DARK_HZ, BRIGHT_HZ, HISS_HZ)

SILENCE_DB = -90.0
LEVEL_START_DB = -42.0
LEVEL_MINIMUM_DB = -48.0
LEVEL_FALL_DB_PER_S = 1.5
FLOOR_START_DB = -45.0
FLOOR_MINIMUM_DB = -65.0
FLOOR_RISE_DB_PER_S = 3.0
OPEN_RANGE_DB = 32.0
OPEN_OVER_FLOOR_DB = 6.0
OPEN_RANGE_MINIMUM_DB = 12.0
SPEECH_OVER_FLOOR_DB = 9.0
SPEECH_UNDER_LEVEL_DB = 26.0

LOUDNESS_S = 0.03
ARTICULATION_S = 0.03
OPEN_FALL_PER_S = 8.0
SPEECH_FALL_PER_S = 4.0

# How much a voice that speaks, and a room that does not, tell about the mouth.
CONFIDENCE_IN_SPEECH = 0.6
CONFIDENCE_IN_SILENCE = 0.2


class EnvelopeBaseline(StreamingModule):
    """Raw sound float32 [batch, hops * 320] in -1..1 at 16 kHz -> motion at 50 Hz, look-ahead 0.

    Outputs: `expression` [batch, hops, 50] (sd), `jaw` [batch, hops, 3] (rad), and [batch, hops] each: `speech`,
    `laughter` (always 0), `valence`, `arousal` (always 0: it cannot hear them), `confidence` (of the mouth), all 0..1.

    articulation_to_motion   float32 [4, 53]: expression and jaw of each of `ARTICULATIONS` at full strength
    """

    hop_size = HOP_SAMPLES
    hop_s = HOP_SAMPLES / SAMPLE_RATE_HZ
    state_schema: Mapping[str, StateTensor] = {
        "overlap": StateTensor((OVERLAP_SAMPLES,), "the last samples, which the next frame begins with"),
        "loudness": StateTensor((), "smoothed loudness over FLOOR_START_DB, dB"),
        "level": StateTensor((), "the speaker's level over LEVEL_START_DB, dB"),
        "floor": StateTensor((), "the room's noise over FLOOR_START_DB, dB"),
        "speech": StateTensor((), "speech activity before its smoothing, 0..1"),
        "open": StateTensor((), "opening before its smoothing, 0..1"),
        "articulation": StateTensor((len(ARTICULATIONS),), "the smoothed articulations, 0..1"),
    }

    window: Tensor
    bands: Tensor
    articulation_to_motion: Tensor

    def __init__(self, articulation_to_motion: Tensor) -> None:
        super().__init__()
        expected = (len(ARTICULATIONS), EXPRESSION_SIZE + JAW_SIZE)
        if tuple(articulation_to_motion.shape) != expected:
            raise ValueError(f"articulation_to_motion is {tuple(articulation_to_motion.shape)}; it must be {expected}")
        self.register_buffer("window", torch.hann_window(FRAME_SAMPLES))
        self.register_buffer("bands", _band_matrix())
        self.register_buffer("articulation_to_motion", articulation_to_motion.float())

    def forward(self, signal: Tensor, state: State) -> tuple[Outputs, State]:
        """See the class. A chunk costs time and memory quadratic in its hops: feed minutes in chunks of seconds."""
        powers, overlap = self._band_powers(signal, state["overlap"])
        hum, vocal, dark, bright, hiss = powers.unbind(-1)

        loudness = one_pole(_decibels(hum + vocal + hiss) - FLOOR_START_DB, state["loudness"], LOUDNESS_S, self.hop_s)
        loudness_db = loudness + FLOOR_START_DB
        level = _follow_peak(loudness_db - LEVEL_START_DB, state["level"], LEVEL_FALL_DB_PER_S * self.hop_s)
        level_db = (level + LEVEL_START_DB).clamp(min=LEVEL_MINIMUM_DB)
        floor = -_follow_peak(FLOOR_START_DB - loudness_db, -state["floor"], FLOOR_RISE_DB_PER_S * self.hop_s)
        floor_db = (floor + FLOOR_START_DB).clamp(min=FLOOR_MINIMUM_DB)

        threshold_db = torch.maximum(floor_db + SPEECH_OVER_FLOOR_DB, level_db - SPEECH_UNDER_LEVEL_DB)
        heard = _follow_peak(
            torch.sigmoid((loudness_db - threshold_db) / 2.0), state["speech"], SPEECH_FALL_PER_S * self.hop_s
        )

        closed_db = torch.maximum(level_db - OPEN_RANGE_DB, floor_db + OPEN_OVER_FLOOR_DB)
        closed_db = torch.minimum(closed_db, level_db - OPEN_RANGE_MINIMUM_DB)
        openness = (_decibels(vocal) - closed_db) / (level_db - closed_db)
        hissing = _soft_step(_decibels(hiss) - _decibels(vocal), 2.0, 3.0)
        wanted = heard * openness.clamp(0.0, 1.0) * (1 - 0.7 * hissing)
        opened = _follow_peak(wanted, state["open"], OPEN_FALL_PER_S * self.hop_s)

        brightness_db = _decibels(bright) - _decibels(dark)
        spread = heard * torch.maximum(_soft_step(brightness_db, -4.0, 3.0), hissing)
        rounded = heard * _soft_step(-brightness_db, 23.0, 3.0) * (1 - hissing)
        pressed = heard * (1 - opened / 0.15).clamp(min=0.0) * (1 - hissing)

        raw = torch.stack([opened * (1 - 0.4 * rounded), spread * (1 - rounded), rounded, pressed], dim=-1)
        articulation = one_pole(raw, state["articulation"], ARTICULATION_S, self.hop_s)
        motion = articulation @ self.articulation_to_motion
        silent = torch.zeros_like(heard)
        outputs = {
            "expression": motion[..., :EXPRESSION_SIZE],
            "jaw": motion[..., EXPRESSION_SIZE:],
            "speech": heard,
            "laughter": silent,
            "valence": silent,
            "arousal": silent,
            "confidence": CONFIDENCE_IN_SILENCE + (CONFIDENCE_IN_SPEECH - CONFIDENCE_IN_SILENCE) * heard,
        }
        next_state = {
            "overlap": overlap,
            "loudness": loudness[:, -1],
            "level": level[:, -1],
            "floor": floor[:, -1],
            "speech": heard[:, -1],
            "open": opened[:, -1],
            "articulation": articulation[:, -1],
        }
        return outputs, next_state

    def _band_powers(self, signal: Tensor, overlap: Tensor) -> tuple[Tensor, Tensor]:
        """Mean square in each band [batch, hops, bands], and the samples that the next chunk's first frame needs."""
        hops = signal.reshape(signal.shape[0], -1, HOP_SAMPLES)
        tails = hops[..., -OVERLAP_SAMPLES:]
        before = torch.cat([overlap[:, None], tails[:, :-1]], dim=1)
        spectrum = torch.fft.rfft(torch.cat([before, hops], dim=-1) * self.window)
        power = torch.view_as_real(spectrum).square().sum(-1)
        # Parseval: two-sided spectrum, and the window's own energy taken out.
        return (power @ self.bands) * (2.0 / (FRAME_SAMPLES * self.window.square().sum())), tails[:, -1]


def one_pole(values: Tensor, last: Tensor, time_constant_s: float, hop_s: float) -> Tensor:
    """Exponential smoothing along axis 1: y[t] = d y[t-1] + (1-d) x[t], d = exp(-hop / time constant), y[-1] = `last`.

    `values` [batch, time] or [batch, time, channels]. Written as a product with the matrix d^(t-s), so that a chunk of
    any length is one graph without a loop.
    """
    decay = torch.exp(torch.tensor(-hop_s / time_constant_s))
    lag = _lags(values)
    weights = torch.where(lag >= 0, (1 - decay) * decay ** lag.clamp(min=0), 0.0)
    remaining = decay ** (lag[:, 0] + 1)
    if values.dim() == 2:
        return values @ weights.T + last[:, None] * remaining
    return weights @ values + last[:, None] * remaining[:, None]


def _follow_peak(values: Tensor, last: Tensor, fall: float) -> Tensor:
    """A peak detector with linear release: y[t] = max(x[t], y[t-1] - fall), y[-1] = `last`. `values` [batch, time]."""
    lag = _lags(values)
    held = torch.where(lag >= 0, values[:, None, :] - fall * lag, -torch.inf).amax(-1)
    return torch.maximum(held, last[:, None] - fall * (lag[:, 0] + 1))


def _lags(values: Tensor) -> Tensor:
    """t - s for all steps t (rows) and s (columns) of axis 1."""
    steps = torch.arange(values.shape[1], device=values.device, dtype=values.dtype)
    return steps[:, None] - steps[None, :]


def _decibels(mean_square: Tensor) -> Tensor:
    """dBFS, never below `SILENCE_DB`. In this form because the exporter drops the addition of a tiny constant."""
    return SILENCE_DB + 10.0 * torch.log10(1.0 + mean_square * 10.0 ** (-SILENCE_DB / 10.0))


def _soft_step(value_db: Tensor, middle_db: float, width_db: float) -> Tensor:
    return torch.sigmoid((value_db - middle_db) / width_db)


def _band_matrix() -> Tensor:
    """[bins, bands]: 1 where the bin's frequency lies in the band."""
    frequency_hz = torch.fft.rfftfreq(FRAME_SAMPLES, 1 / SAMPLE_RATE_HZ)
    return torch.stack([((frequency_hz >= low) & (frequency_hz < high)).float() for low, high in BANDS_HZ], dim=-1)
