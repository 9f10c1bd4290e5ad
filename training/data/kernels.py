"""The kernels of `training.data.aperture` and how they are read: a line for each phone, mm at -8..8 hops around now."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.clips import UNKNOWN_PHONE
from training.data.phones import INDEX_OF_PHONE, PHONES, SILENCE

KERNELS_PATH = Path(__file__).with_name("aperture.tsv")
REACH_HOPS = 8
_COUNT = 2 * REACH_HOPS + 1

Kernels = NDArray[np.float64]


@cache
def kernels() -> Kernels:
    """Those that ship with the package, float64 [P, 17]."""
    return read_kernels(KERNELS_PATH)


def read_kernels(path: Path) -> Kernels:
    """float64 [P, 17] in the order of PHONES. ValueError names the lines that are missing or have not 17 numbers."""
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    known = {phone: numbers for phone, *numbers in lines}
    if wrong := [phone for phone in PHONES if len(known.get(phone, ())) != _COUNT]:
        raise ValueError(f"{path}: the phones {wrong} need a line with {_COUNT} numbers each; learn it anew")
    return np.array([[float(number) for number in known[phone]] for phone in PHONES])


def write_kernels(path: Path, values: Kernels) -> None:
    """The file that `read_kernels` reads, to the hundredth of a millimetre."""
    head = "# mm that a phone opens the lips by, so many hops of 20 ms after now: " + " ".join(
        f"{hop:+d}" for hop in range(-REACH_HOPS, REACH_HOPS + 1)
    )
    lines = [
        "\t".join([phone, *(f"{number:.2f}" for number in row)]) for phone, row in zip(PHONES, values, strict=True)
    ]
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")


def phones_around(phones: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Places [T, 17] in the flat kernels of the phones around each hop of `phones` [T]; unknown ones are silence."""
    spoken = np.where(phones == UNKNOWN_PHONE, INDEX_OF_PHONE[SILENCE], phones).astype(np.int64)
    padded = np.pad(spoken, REACH_HOPS, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, _COUNT)
    return around * _COUNT + np.arange(_COUNT)


def aperture_mm(phones: NDArray[np.uint8], values: Kernels) -> Kernels:
    """How far the lips part [T], mm, while `phones` [T] are said; 0 or more."""
    return np.maximum(values.reshape(-1)[phones_around(phones)].sum(axis=1), 0.0)
