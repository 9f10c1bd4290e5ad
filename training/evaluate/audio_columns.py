"""The measures of the table, each a sentence that defines it and a function of what a subject made of the material."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.head.arkit import ArkitMap
from models.head.flame import open_head
from protocol.frame import ARKIT_SHAPES
from training.data.clips import HOP_S, UNKNOWN_PHONE, Clip
from training.data.lips import lip_gap_mm, lip_protrusion_mm, lip_width_mm
from training.data.phones import SILENCE as SILENT_PHONE
from training.evaluate import audio_metrics as measure
from training.evaluate.audio_material import (
    FACES,
    LAUGHTER,
    RECORDINGS,
    SILENCE,
    SYNTHETIC,
    TALKERS,
    TUNING_FACES,
    Material,
)
from training.evaluate.audio_subjects import Heard
from training.evaluate.real_faces import Floats, lagged_r, level_db

_MOST_LAG = round(0.2 / HOP_S)
_BELIEVED = 0.5
_LAUGHS = frozenset({"laughter", "laughing_speech"})
_EVERY_ROW = 10  # of which ARKit weights are solved
_SCORE_PERCENTILE = 90.0
_CLEAR_LAUGH, _CLEAR_SPEECH = 0.8, 0.2


@dataclass(frozen=True, eq=False)
class Judged:
    """A subject's faces for each part of the material that it was asked about. `costs` are ms a hop, MB and s."""

    name: str
    material: Material
    heard: dict[str, list[Heard]]
    hears_laughter: bool
    step_ms: float | None = None
    size_mb: float | None = None
    latency_s: float | None = None

    def pairs(self, part: str) -> Iterator[tuple[Clip, Heard]]:
        yield from zip(self.material.clips.get(part, []), self.heard.get(part, []), strict=False)

    @cached_property
    def lag(self) -> int:
        """Hops that the motion is shown later in all comparisons with a video's lips: best on the tuning faces."""
        if not self.heard.get(TUNING_FACES):
            return 0
        return max(
            range(-_MOST_LAG, _MOST_LAG + 1), key=lambda lag: _median(self.aperture_r(TUNING_FACES, lag).values())
        )

    def aperture_r(self, part: str, lag: int) -> dict[str, float]:
        """Pearson's r of the subject's lip gap with the video's own, of each clip."""
        found: dict[str, float] = {}
        for clip, heard in self.pairs(part):
            lips = self.material.lips[clip.info.name]
            believed = np.where(lips.weight > _BELIEVED, lips.weight, 0.0).astype(np.float32)
            found[clip.info.name] = lagged_r(lip_gap_mm(heard.motion), lips.gap, believed, lag)
        return found


@dataclass(frozen=True)
class Column:
    """One measure. `part` is what it is measured on, "" for none; `definition` is a sentence for the documentation."""

    title: str
    part: str
    digits: int
    definition: str
    value: Callable[[Judged], float | None]


def _median(values: object) -> float:
    listed = list(values)  # type: ignore[call-overload]
    return float(np.median(listed)) if listed else float("nan")


def _true_rows(clip: Clip) -> Floats:
    """Weight of the rows whose motion is known well enough to compare with."""
    return np.where(clip.motion_weight > _BELIEVED, clip.motion_weight, 0.0)


def _lip_error(part: str) -> Callable[[Judged], float | None]:
    def value(judged: Judged) -> float:
        worst = [
            measure.worst_squared_mm2(heard.motion, clip.motion)[_true_rows(clip) > 0.0]
            for clip, heard in judged.pairs(part)
        ]
        return measure.lip_vertex_error_mm(np.concatenate(worst))

    return value


def _stillness(part: str) -> Callable[[Judged], float | None]:
    def value(judged: Judged) -> float:
        differences: list[float] = []
        for clip, heard in judged.pairs(part):
            rows = _true_rows(clip) > 0.0
            if np.count_nonzero(rows) > 1:
                truth, motion = clip.motion[rows], heard.motion[rows]
                differences.append(measure.liveliness_mm2(truth) - measure.liveliness_mm2(motion))
        return float(np.mean(differences))

    return value


def _aperture(*parts: str) -> Callable[[Judged], float]:
    def value(judged: Judged) -> float:
        return _median([r for part in parts for r in judged.aperture_r(part, judged.lag).values()])

    return value


def _best_lag_ms(judged: Judged) -> float:
    lags = range(-_MOST_LAG, _MOST_LAG + 1)
    return 1e3 * HOP_S * max(lags, key=lambda lag: _median(judged.aperture_r(FACES, lag).values()))


def _closure(part: str, of: int) -> Callable[[Judged], float | None]:
    """Recall (`of` 0) or precision (`of` 2) of the lips' closing."""

    def value(judged: Judged) -> float:
        counts = [measure.closures(lip_gap_mm(heard.motion), clip.phones) for clip, heard in judged.pairs(part)]
        right, total = np.sum(counts, axis=0)[of : of + 2]
        return float(right / total) if total else float("nan")

    return value


def _rounding_mm(judged: Judged) -> float:
    errors: list[Floats] = []
    for clip, heard in judged.pairs(SYNTHETIC):
        rows = measure.rounded_rows(clip.phones)
        truth, motion = clip.motion[rows], heard.motion[rows]
        width = lip_width_mm(motion) - lip_width_mm(truth)
        errors.append(np.hypot(width, lip_protrusion_mm(motion) - lip_protrusion_mm(truth)))
    return float(np.mean(np.concatenate(errors)))


def _misalignment_ms(part: str) -> Callable[[Judged], float | None]:
    def value(judged: Judged) -> float:
        found: list[float] = []
        for clip, heard in judged.pairs(part):
            truth = judged.material.lips[clip.info.name].gap if part == FACES else lip_gap_mm(clip.motion)
            found.append(1e3 * measure.misalignment_s(lip_gap_mm(heard.motion), truth))
        return _median(found)

    return value


def _intensity(part: str) -> Callable[[Judged], float | None]:
    def value(judged: Judged) -> float:
        found: list[float] = []
        for clip, heard in judged.pairs(part):
            spoken = clip.phones != UNKNOWN_PHONE
            spoken &= ~measure.is_phone(clip.phones, {SILENT_PHONE})
            found.append(measure.intensity_correlation(level_db(clip.audio), heard.motion, measure.near(spoken)))
        return _median([r for r in found if np.isfinite(r)])

    return value


def _in_silence(name: str) -> Callable[[Judged], float | None]:
    def value(judged: Judged) -> float | None:
        found = [measure.furthest_mm(heard.motion) for clip, heard in judged.pairs(SILENCE) if clip.info.name == name]
        return found[0] if found else None

    return value


def _laugh_scores(judged: Judged) -> tuple[list[float], list[bool]]:
    """Each clip's score, and whether it is a laugh. Speech among the recordings counts as a negative too."""
    scores: list[float] = []
    laughs: list[bool] = []
    for part in (LAUGHTER, RECORDINGS):
        for clip, heard in judged.pairs(part):
            scores.append(float(np.percentile(heard.laughter, _SCORE_PERCENTILE)))
            laughs.append(clip.info.kind in _LAUGHS)
    return scores, laughs


def _laughter_by_clip(judged: Judged) -> float | None:
    return measure.area_under_curve(*_laugh_scores(judged)) if judged.hears_laughter else None


def _laughter_by_row(judged: Judged) -> float | None:
    if not judged.hears_laughter:
        return None
    pairs = list(judged.pairs(LAUGHTER))
    scores = np.concatenate([heard.laughter for _, heard in pairs])
    labels = np.concatenate([clip.laughter for clip, _ in pairs])
    sure = (labels > _CLEAR_LAUGH) | (labels < _CLEAR_SPEECH)
    return measure.area_under_curve(scores[sure], labels[sure] > _CLEAR_LAUGH)


def _onset_delays_s(judged: Judged) -> list[float]:
    pairs = [pair for pair in judged.pairs(LAUGHTER) if pair[0].info.kind in _LAUGHS]
    return [delay for clip, heard in pairs for delay in measure.onset_delays_s(heard.laughter, clip.laughter)]


def _onset_ms(judged: Judged) -> float | None:
    return 1e3 * _median(_onset_delays_s(judged)) if judged.hears_laughter else None


def _shape_energy(*shapes: str) -> Callable[[Judged], float | None]:
    """How much stronger ARKit's `shapes` (both sides) are in laughs than in neutral speech: difference of means."""
    columns = [ARKIT_SHAPES.index(shape + side) for shape in shapes for side in ("Left", "Right")]

    def value(judged: Judged) -> float | None:
        laughing = [heard.motion[clip.laughter > _CLEAR_LAUGH] for clip, heard in judged.pairs(LAUGHTER)]
        neutral = [heard.motion for _, heard in judged.pairs(RECORDINGS)]
        neutral += [heard.motion for clip, heard in judged.pairs(LAUGHTER) if clip.info.kind == "speech"]
        if not laughing or not neutral:
            return None
        return _mean_weight(np.concatenate(laughing), columns) - _mean_weight(np.concatenate(neutral), columns)

    return value


def _mean_weight(motion: Floats, columns: list[int]) -> float:
    arkit = ArkitMap(open_head())
    rows = motion[:: max(_EVERY_ROW, len(motion) // 500)]
    weights = [arkit.to_arkit(row[:50], row[50:], np.zeros(2), np.zeros(4))[columns] for row in rows]
    return float(np.mean(weights)) if weights else float("nan")


def _cost(name: str, scale: float = 1.0) -> Callable[[Judged], float | None]:
    def value(judged: Judged) -> float | None:
        cost = getattr(judged, name)
        return None if cost is None else scale * cost

    return value


_RECALL = "share of p, b and m with a lip gap under 1.5 mm within 40 ms of the phone"
_PRECISION = (
    "share of the instants of speech with a lip gap under 1.5 mm that lie within 40 ms of a p, b or m; silence, f, v "
    "and 40 ms around them do not count"
)
_LVE = "root of the mean over frames of the largest squared error among 40 lip landmarks (ARTalk's definition), mm"
_FDD = (
    "mean over clips of [deviation in time of the squared distance from rest, mean over 34 landmarks of brows, "
    "forehead and cheeks, of the truth] less [the same of the subject] (CodeTalker's definition, signed: positive is "
    "too still), mm^2"
)
_MTM = (
    "mean |i - j| along the dynamic-time-warping path (within 200 ms) between the velocities of the subject's lip gap "
    "and the true one, median over clips, ms"
)
_SLCC = (
    "speech-lip intensity correlation: Pearson's r between the mean level (dB) and the lips' mean distance from rest, "
    "over 0.4 s windows of speech, median over clips"
)

COLUMNS = (
    Column("LVE, synthetic", SYNTHETIC, 2, _LVE, _lip_error(SYNTHETIC)),
    Column("LVE, real faces", FACES, 2, _LVE + ", against the solver's motion", _lip_error(FACES)),
    Column("FDD, synthetic", SYNTHETIC, 3, _FDD, _stillness(SYNTHETIC)),
    Column("FDD, real faces", FACES, 3, _FDD, _stillness(FACES)),
    Column(
        "aperture r, fixed lag",
        FACES,
        2,
        "Pearson's r of the lip gap with the inner-lip gap that landmarks see in the video, median over held-out "
        "clips, at one lag for all clips: the one that is best on the tuning faces",
        _aperture(FACES),
    ),
    Column(
        "aperture r, talkers",
        TALKERS,
        2,
        "the same of videos that are known to be in sync, all of them; the faces above were chosen among videos of "
        "unknown sync by how well their lips follow the loudness, which an envelope does best with",
        _aperture(TALKERS),
    ),
    Column("aperture r, all", TALKERS, 2, "the same of both together", _aperture(FACES, TALKERS)),
    Column(
        "fixed lag, ms", TUNING_FACES, 0, "that lag; the motion is shown so much later", lambda j: 1e3 * HOP_S * j.lag
    ),
    Column("best lag, ms", FACES, 0, "the lag that would have been best on the held-out clips", _best_lag_ms),
    Column("closure recall, synthetic", SYNTHETIC, 2, _RECALL, _closure(SYNTHETIC, 0)),
    Column("closure precision, synthetic", SYNTHETIC, 2, _PRECISION, _closure(SYNTHETIC, 2)),
    Column("closure recall, recordings", RECORDINGS, 2, _RECALL, _closure(RECORDINGS, 0)),
    Column("closure precision, recordings", RECORDINGS, 2, _PRECISION, _closure(RECORDINGS, 2)),
    Column(
        "rounding error",
        SYNTHETIC,
        2,
        "in the middle halves of rounded vowels: mean length of (error of the mouth's width, error of the upper lip's "
        "protrusion), mm",
        _rounding_mm,
    ),
    Column("MTM, synthetic", SYNTHETIC, 0, _MTM, _misalignment_ms(SYNTHETIC)),
    Column("MTM, real faces", FACES, 0, _MTM, _misalignment_ms(FACES)),
    Column("SLCC, synthetic", SYNTHETIC, 2, _SLCC, _intensity(SYNTHETIC)),
    Column("SLCC, recordings", RECORDINGS, 2, _SLCC, _intensity(RECORDINGS)),
    *(
        Column(
            f"silence: {name}, mm",
            SILENCE,
            2,
            f"furthest that any of 40 lip landmarks is ever from the neutral face in 5 s of {what}",
            _in_silence(name),
        )
        for name, what in (("zeros", "digital zero"), ("room", "room tone at -60 dBFS"), ("typing", "typing in a room"))
    ),
    Column(
        "laughter AUC, clips",
        LAUGHTER,
        3,
        "probability that a held-out laugh scores above a held-out negative (speech, cough, music, ...); a clip's "
        "score is the 90th percentile of its laughter probability",
        _laughter_by_clip,
    ),
    Column(
        "laughter AUC, rows",
        LAUGHTER,
        3,
        "the same over single hops whose label is sure (below 0.2 or above 0.8)",
        _laughter_by_row,
    ),
    Column(
        "laughter onset, ms",
        LAUGHTER,
        0,
        "median over labelled laughs of the time until the probability passes 0.5; the latency comes on top",
        _onset_ms,
    ),
    Column(
        "smile on laughs",
        LAUGHTER,
        3,
        "mean of ARKit's mouthSmile in laughs less its mean in neutral speech",
        _shape_energy("mouthSmile"),
    ),
    Column(
        "eye narrowing on laughs",
        LAUGHTER,
        3,
        "the same of eyeSquint and cheekSquint",
        _shape_energy("eyeSquint", "cheekSquint"),
    ),
    Column(
        "ms per hop",
        "",
        2,
        "median processor time of one 20 ms hop, one voice, one thread of this machine",
        _cost("step_ms"),
    ),
    Column("size, MB", "", 2, "of the files that it loads", _cost("size_mb")),
    Column(
        "latency, ms", "", 0, "algorithmic: how much later than an instant its row can be had", _cost("latency_s", 1e3)
    ),
)
