"""What flows through the curation: a piece of a video, what is known of it, and, where it was turned down, why.

Times are seconds of the file, from its beginning, on the grid of 20 ms hops: sound, pictures and labels of a piece can
be cut at its ends without a rest. An item never holds pictures (a minute of them fills a gigabyte), only what was seen
in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.clips import HOP_S, HOP_SAMPLES

Array = NDArray[Any]

TALK, LAUGH = "talk", "laugh"
SUBSETS = ("", TALK, LAUGH)
TIMES = "times_s"  # float64 [F]: when each picture was taken
AUDIO = "audio"  # float32 [hops * 320], 16 kHz
# Arrays with a row a hop of 20 ms, and with a row a picture; all others belong to the piece as a whole.
HOP_ARRAYS = frozenset({"speech", "laughter", "voice_gap"})
PICTURE_ARRAYS = frozenset(
    {
        TIMES,
        "points",  # float32 [F, 140, 2]: FACE_POINTS in pixels
        "spread",  # float32 [F, 140]: how far off each is expected to be, pixels
        "expression",  # float32 [F, 50], sd
        "jaw",  # float32 [F, 3], rad
        "eyelids",  # float32 [F, 2], 0..1 closed
        "gaze",  # float32 [F, 4], rad
        "head_rotation",  # float32 [F, 3], rad, head to camera
        "head_translation",  # float32 [F, 3], m
        "confidence",  # float32 [F, 4]: of REGIONS
        "mouth_seen",  # float32 [F]: 0..1, how far it is uncovered
        "face_count",  # float32 [F]: faces in the picture, where it was counted last
        "side_px",  # float32 [F]: of the face's crop
    }
)
_CONTENT_DIGITS = 16


@dataclass(frozen=True, eq=False)
class Item:
    """A piece of a video.

    source        path of the file            content   first digits of the SHA-256 of its bytes
    begin_s, end_s  where in the file         subset    "talk", "laugh", or "" as long as it is neither
    rejected_by   name of the stage that turned it down, "" while none has; `reason` says why in a sentence
    figures       what the stages measured, name -> number; units in the names
    arrays        what they heard and saw, see HOP_ARRAYS and PICTURE_ARRAYS
    """

    source: str
    content: str = ""
    begin_s: float = 0.0
    end_s: float = 0.0
    subset: str = ""
    rejected_by: str = ""
    reason: str = ""
    figures: dict[str, float] = field(default_factory=dict[str, float])
    arrays: dict[str, Array] = field(default_factory=dict[str, Array])

    def __post_init__(self) -> None:
        if self.subset not in SUBSETS:
            raise ValueError(f"subset is {self.subset!r}; it must be one of {', '.join(map(repr, SUBSETS))}")

    @classmethod
    def of_file(cls, path: Path) -> Item:
        """All of a file, about which nothing is known yet. One that cannot be read is known by its name."""
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            digest = hashlib.sha256(str(path).encode()).hexdigest()
        return cls(source=str(path), content=digest[:_CONTENT_DIGITS])

    @property
    def key(self) -> str:
        """Stable name of the piece: the same bytes, cut at the same place, have the same one, wherever they lie."""
        return f"{self.content}-{round(1000 * self.begin_s):08d}-{round(1000 * self.end_s):08d}"

    @property
    def is_rejected(self) -> bool:
        return bool(self.rejected_by)

    @property
    def seconds(self) -> float:
        return self.end_s - self.begin_s

    def reject(self, stage: str, reason: str, **figures: float) -> Item:
        """The piece, turned down by `stage`; what was heard and seen of it is let go."""
        known = self.figures | {name: float(value) for name, value in figures.items()}
        return replace(self, rejected_by=stage, reason=reason, figures=known, arrays={})

    def with_figures(self, **figures: float) -> Item:
        """The same with more figures."""
        return replace(self, figures=self.figures | {name: float(value) for name, value in figures.items()})

    def with_arrays(self, arrays: Mapping[str, Array]) -> Item:
        """The same with more arrays."""
        return replace(self, arrays=self.arrays | dict(arrays))

    def part(self, begin_s: float, end_s: float) -> Item:
        """The piece from `begin_s` to `end_s`, both rounded to whole hops within this one, with its rows."""
        begin_s, end_s = max(on_grid(begin_s), self.begin_s), min(on_grid(end_s), self.end_s)
        first, last = (round((edge - self.begin_s) / HOP_S) for edge in (begin_s, end_s))
        arrays = dict(self.arrays)
        for name in HOP_ARRAYS & arrays.keys():
            arrays[name] = arrays[name][first:last]
        if AUDIO in arrays:
            arrays[AUDIO] = arrays[AUDIO][first * HOP_SAMPLES : last * HOP_SAMPLES]
        if TIMES in arrays:
            # A picture taken a rounding error before the beginning is the piece's first one.
            within = slice(*np.searchsorted(arrays[TIMES], [begin_s - 1e-6, end_s - 1e-6]))
            for name in PICTURE_ARRAYS & arrays.keys():
                arrays[name] = arrays[name][within]
        return replace(self, begin_s=begin_s, end_s=end_s, arrays=arrays)

    def to_record(self) -> dict[str, Any]:
        """The item as strings, numbers and bytes only. Arrays become {"dtype", "shape", "data"}."""
        record = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "arrays"}
        packed = {
            name: {"dtype": array.dtype.str, "shape": list(array.shape), "data": np.ascontiguousarray(array).tobytes()}
            for name, array in self.arrays.items()
        }
        return record | {"figures": dict(self.figures), "arrays": packed}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Item:
        """The inverse of `to_record`. ValueError for a record that is none."""
        known = {each.name for each in fields(cls)}
        if unknown := record.keys() - known:
            raise ValueError(f"a record of an item has no {', '.join(sorted(unknown))}; known are {sorted(known)}")
        arrays = {name: _unpacked(name, packed) for name, packed in record.get("arrays", {}).items()}
        return cls(**{**record, "figures": dict(record.get("figures", {})), "arrays": arrays})

    def to_line(self) -> dict[str, Any]:
        """The item without arrays, with its key: a line of the manifest."""
        return {"key": self.key, **{name: value for name, value in asdict(replace(self, arrays={})).items() if value}}


def on_grid(seconds: float) -> float:
    """The nearest whole hop."""
    return round(round(seconds / HOP_S) * HOP_S, 6)


def _unpacked(name: str, packed: Mapping[str, Any]) -> Array:
    dtype = np.dtype(packed["dtype"])
    if dtype.hasobject:
        raise ValueError(f"the array {name} is of Python objects; a record holds numbers only")
    return np.frombuffer(packed["data"], dtype).reshape(packed["shape"])
