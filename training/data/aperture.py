"""How far the lips part in running speech: a kernel for each phone, as filmed lips taught.

    aperture(t) = sum_k kernel[phone(t + k)][k],   k = -8..8 hops of 20 ms, in mm

The articulatory table says what a phone looks like when it is held; how fast lips get there and how much is left of it
among its neighbours, they do not do as a table would. The kernels begin as the ones that come nearest to the table, for
every phone that there is, and are then drawn to the lips of one filmed speaker (ridge regression), so that phones that
he never said stay with the table. On other clips of his the aperture then goes with his lips with r 0.88, the table's
with 0.73. Closures are not the kernels' business: a mean never closes fully.

    python -m training.data.aperture --stores DIR [--rewrite]   learns them anew: DIR/synthetic, recordings, faces
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.clips import ClipStore
from training.data.coarticulation import face_of_phones, motion_of_faces
from training.data.kernels import KERNELS_PATH, REACH_HOPS, Kernels, phones_around, write_kernels
from training.data.kernels import kernels as shipped
from training.data.lips import lip_gap_mm
from training.data.phones import PHONES, Phone
from training.data.speech_clips import phones_of_store, rewrite_motion, style_of

Doubles = NDArray[np.float64]

_TABLE_CLIPS = 250
_BUMP_HOPS = 3.0
# How many rows of speech the held phones weigh against the table, and the table against the lips.
_HELD_ROWS, _TABLE_ROWS = 3.0, 100.0
_LEAST_WEIGHT = 0.3
_PLAIN = "neutral"


def learnt(gaps_mm: Iterable[Doubles], phones: Iterable[NDArray[np.uint8]], prior: Kernels, rows: float) -> Kernels:
    """Kernels [P, 17] that come nearest to `gaps_mm` [T] (NaN: unknown) of `phones` [T], clip by clip.

    `prior` weighs as much as `rows` rows of each phone.
    """
    begin = prior.reshape(-1)
    size = len(begin)
    squares, products = rows * np.eye(size), np.zeros(size)
    for gap_mm, spoken in zip(gaps_mm, phones, strict=True):
        known = np.isfinite(gap_mm)
        columns = phones_around(spoken)[known]
        features = np.zeros((len(columns), size), np.float32)
        np.put_along_axis(features, columns, 1.0, axis=1)
        squares += features.T @ features
        products += features.T @ (gap_mm[known] - begin[columns].sum(axis=1))
    return (begin + np.linalg.solve(squares, products)).reshape(len(PHONES), -1)


def held() -> Kernels:
    """Kernels that part the lips as the table's phones do when they are held: the same bump for each."""
    gaps_mm = [
        lip_gap_mm(motion_of_faces(face_of_phones([Phone(phone, 0.0, 1.0)], 50, filmed=False)))[25] for phone in PHONES
    ]
    bump = np.exp(-np.square(np.arange(-REACH_HOPS, REACH_HOPS + 1) / _BUMP_HOPS))
    return np.array(gaps_mm, np.float64)[:, None] * (bump / bump.sum())


def of_table(store: ClipStore, folder: Path) -> Kernels:
    """The kernels that come nearest to the table, said by everybody in a plain style."""
    known = phones_of_store(folder)
    step = max(1, len(store) // _TABLE_CLIPS)
    numbers = range(0, len(store), step)
    plain = style_of(_PLAIN, 0)
    gaps: list[Doubles] = []
    for number in numbers:
        hops = int(store.hops[number])
        face = face_of_phones(known[store.infos[number].name][1], hops, style=plain, filmed=False)
        gaps.append(lip_gap_mm(motion_of_faces(face)).astype(np.float64))
    return learnt(gaps, (store[number].phones for number in numbers), held(), _HELD_ROWS)


def of_lips(prior: Kernels, faces: ClipStore, recordings: ClipStore) -> tuple[Kernels, float]:
    """`prior` drawn to the filmed lips that train, and the median r with those that validate."""
    aligned = {info.name.split(".")[-1]: number for number, info in enumerate(recordings.infos)}
    gaps: dict[str, list[Doubles]] = {"train": [], "val": []}
    phones: dict[str, list[NDArray[np.uint8]]] = {"train": [], "val": []}
    for number, info in enumerate(faces.infos):
        other = aligned.get(info.name.split(".")[-1])
        if other is None or info.split not in gaps:
            continue
        face, said = faces[number], recordings[other].phones
        hops = min(face.hops, len(said))
        gap_mm = lip_gap_mm(face.motion)[:hops].astype(np.float64)
        gaps[info.split].append(np.where(face.motion_weight[:hops] > _LEAST_WEIGHT, gap_mm, np.nan))
        phones[info.split].append(said[:hops])
    if not gaps["train"]:
        raise ValueError("no filmed face has aligned phones; build DIR/recordings and DIR/faces from the same data")
    kernels = learnt(gaps["train"], phones["train"], prior, _TABLE_ROWS)
    right = [
        np.corrcoef(gap[np.isfinite(gap)], kernels.reshape(-1)[phones_around(said)].sum(axis=1)[np.isfinite(gap)])[0, 1]
        for gap, said in zip(gaps["val"], phones["val"], strict=True)
    ]
    return kernels, float(np.median(right))


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stores", type=Path, required=True, help="folder of the stores")
    parser.add_argument("--out", type=Path, default=KERNELS_PATH, help="file to write (default: the one that ships)")
    parser.add_argument("--rewrite", action="store_true", help="then make the motion of the stores of speech again")
    arguments = parser.parse_args(given)
    if arguments.rewrite and arguments.out != KERNELS_PATH:
        parser.error("--rewrite uses the kernels that ship; leave --out out")
    folder: Path = arguments.stores
    prior = of_table(ClipStore(folder / "synthetic"), folder / "synthetic")
    kernels, right = of_lips(prior, ClipStore(folder / "faces"), ClipStore(folder / "recordings"))
    write_kernels(arguments.out, kernels)
    print(f"{arguments.out}: r {right:.3f} with lips that were not learnt from")
    if arguments.rewrite:
        shipped.cache_clear()
        for name in ("synthetic", "recordings"):
            print(f"{name}: {rewrite_motion(folder / name)} hops made again")


if __name__ == "__main__":
    main()
