"""A basis in which a mirror is a sign: principal components of the symmetric and of the one-sided part, apart.

Mirroring a face negates the coefficients of the antisymmetric components and leaves the others, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.head.source import Doubles
from training.head.topology import Topology


@dataclass(frozen=True, eq=False)
class MirrorBasis:
    """`dirs` float64 [V, 3, C], m per standard deviation, strongest first; `signs` [C] is -1 where a mirror negates."""

    dirs: Doubles
    signs: Doubles


def mirror_basis(offsets: Doubles, topology: Topology, vertex_weights: Doubles, count: int) -> MirrorBasis:
    """Principal components of `offsets` [K, V, 3] from zero, each sample taken together with its mirror image.

    `vertex_weights` [V] says how much a vertex counts when directions are chosen. The coefficients of the samples have
    a root mean square of 1 in each component.
    """
    mirrored = topology.mirrored(offsets)
    directions, strengths, signs = [], [], []
    for sign, part in ((1.0, 0.5 * (offsets + mirrored)), (-1.0, 0.5 * (offsets - mirrored))):
        flat = part.reshape(len(part), -1)
        weighted = flat * np.sqrt(np.repeat(vertex_weights, 3))
        scores, spread, _ = np.linalg.svd(weighted, full_matrices=False)
        rank = int(np.sum(spread > 1e-9 * spread[0]))
        # Regressing every vertex on the unit-variance scores gives the direction, unweighted vertices included.
        directions.append((scores[:, :rank].T @ flat / np.sqrt(len(flat))).reshape(rank, *offsets.shape[1:]))
        strengths.append(spread[:rank])
        signs.append(np.full(rank, sign))
    order = np.argsort(-np.concatenate(strengths), kind="stable")[:count]
    dirs, kept = np.concatenate(directions)[order], np.concatenate(signs)[order]
    # Rounding aside they are (anti)symmetric already; this makes them so to the last bit.
    dirs = 0.5 * (dirs + kept[:, None, None] * topology.mirrored(dirs))
    return MirrorBasis(dirs=np.moveaxis(dirs, 0, 2), signs=kept)
