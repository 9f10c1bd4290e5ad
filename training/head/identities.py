"""The identity basis: adults drawn at random from MakeHuman's targets, aligned, and their principal components.

A person is a mixture of ancestries, sexes and ages with a build, plus a small normal amount of every local change (a
longer nose, wider eyes, ...), a little different on the left and on the right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.head.basis import MirrorBasis, mirror_basis
from training.head.source import Doubles, Source
from training.head.topology import Topology, fit_sphere

# Where every head has the midpoint of its eyeballs, in m: the origin lies inside the skull, as in FLAME.
EYES_MIDPOINT_M = np.array([0.0, 0.030, 0.025])

_FOLDERS = ("cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "neck", "nose", "asym")
# Fantasy ears, and changes that only move the whole head or body about.
_LEFT_OUT = ("ear-shape", "head-trans", "head-angle", "neck-trans", "asymm-")
_OPPOSITES = (
    ("decr", "incr"),
    ("down", "up"),
    ("in", "out"),
    ("backward", "forward"),
    ("concave", "convex"),
    ("compress", "uncompress"),
)
_LOCAL_SPREAD = 0.22
_ASYMMETRY_SPREAD = 0.06
_LOCAL_LIMIT = 0.8


@dataclass(frozen=True, eq=False)
class Identities:
    """The mean head [V, 3] in m, symmetric, and the identity basis around it."""

    mean: Doubles
    basis: MirrorBasis


class IdentitySampler:
    """Draws whole base meshes [N, 3] in m. Targets are read once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._macro: dict[str, Doubles] = {}
        self._local = _opposing_pairs(source)

    def average(self) -> Doubles:
        """Equal parts of every ancestry and sex, young, of average build: the pose that all others are aligned to."""
        return self._person(np.full(3, 1 / 3), male=0.5, old=0.0, muscle=0.0, weight=0.0)

    def draw(self, rng: np.random.Generator) -> Doubles:
        male = rng.uniform() if rng.uniform() < 0.3 else float(rng.uniform() < 0.5)
        person = self._person(
            rng.dirichlet(np.full(3, 0.6)),
            male=male,
            old=rng.beta(1.0, 2.0),
            muscle=np.clip(rng.normal(0.0, 0.5), -1.0, 1.0),
            weight=np.clip(rng.normal(0.0, 0.5), -1.0, 1.0),
        )
        for left, right in self._local:
            shared, difference = rng.normal(0.0, _LOCAL_SPREAD), rng.normal(0.0, _ASYMMETRY_SPREAD)
            person += _one_of(left, shared + difference)
            if right is not None:
                person += _one_of(right, shared - difference)
        return person

    def _person(self, ancestry: Doubles, *, male: float, old: float, muscle: float, weight: float) -> Doubles:
        """muscle and weight run from -1 (min) over 0 (average) to 1 (max)."""
        person = self._source.base.vertices.copy()
        for sex, sex_share in (("male", male), ("female", 1.0 - male)):
            for age, age_share in (("young", 1.0 - old), ("old", old)):
                share = sex_share * age_share
                for name, part in zip(("african", "asian", "caucasian"), ancestry, strict=True):
                    person += share * part * self._read(f"macrodetails/{name}-{sex}-{age}")
                for muscle_name, muscle_share in _level(muscle):
                    for weight_name, weight_share in _level(weight):
                        name = f"macrodetails/universal-{sex}-{age}-{muscle_name}muscle-{weight_name}weight"
                        person += share * muscle_share * weight_share * self._read(name)
        return person

    def _read(self, name: str) -> Doubles:
        if name not in self._macro:
            self._macro[name] = self._source.target(name)
        return self._macro[name]


def build_identities(source: Source, topology: Topology, weights: Doubles, *, people: int, count: int) -> Identities:
    """`count` identity components from `people` random adults; `weights` [V] is how much each vertex counts."""
    sampler = IdentitySampler(source)
    rng = np.random.default_rng(0)
    reference = centred_on_eyes(sampler.average(), topology)
    heads = np.stack([align(sampler.draw(rng), topology, reference, weights) for _ in range(people)])
    mean = heads.mean(axis=0)
    mean = 0.5 * (mean + topology.mirrored(mean))
    return Identities(mean=mean, basis=mirror_basis(heads - mean, topology, weights, count))


def centred_on_eyes(base_vertices: Doubles, topology: Topology) -> Doubles:
    """The head [V, 3] of a base mesh, moved so that its eyes' midpoint is at EYES_MIDPOINT_M."""
    centres = [fit_sphere(base_vertices[ids])[0] for ids in topology.source_eyes]
    return topology.vertices(base_vertices) + (EYES_MIDPOINT_M - np.mean(centres, axis=0))


def align(base_vertices: Doubles, topology: Topology, reference: Doubles, weights: Doubles) -> Doubles:
    """The head [V, 3], turned about its eyes' midpoint onto `reference` (weighted Kabsch); its size is kept."""
    head = centred_on_eyes(base_vertices, topology) - EYES_MIDPOINT_M
    left, _, right = np.linalg.svd((head * weights[:, None]).T @ (reference - EYES_MIDPOINT_M))
    proper = np.diag([1.0, 1.0, np.linalg.det(left @ right)])
    return head @ (left @ proper @ right) + EYES_MIDPOINT_M


def _level(value: float) -> list[tuple[str, float]]:
    return [("average", 1.0 - abs(value)), ("max" if value > 0 else "min", abs(value))]


Pair = tuple[Doubles | None, Doubles | None]


def _one_of(pair: Pair, amount: float) -> Doubles | float:
    offsets = pair[1] if amount > 0 else pair[0]
    return 0.0 if offsets is None else min(abs(amount), _LOCAL_LIMIT) * offsets


def _opposing_pairs(source: Source) -> list[tuple[Pair, Pair | None]]:
    """Local changes as (less, more) pairs, once for the left side (or the middle) and once for the right."""
    names = [
        name for folder in _FOLDERS for name in source.target_names(folder) if not any(x in name for x in _LEFT_OUT)
    ]
    pairs: dict[str, list[Doubles | None]] = {}
    for name in names:
        stem, position = _stem(name)
        pairs.setdefault(stem, [None, None])[position] = source.target(name)
    found: list[tuple[Pair, Pair | None]] = []
    for stem, (less, more) in sorted(pairs.items()):
        folder, local = stem.split("/")
        if local.startswith("r-"):
            continue
        twin = pairs.get(f"{folder}/r-{local[2:]}") if local.startswith("l-") else None
        found.append(((less, more), None if twin is None else (twin[0], twin[1])))
    return found


def _stem(name: str) -> tuple[str, int]:
    for less, more in _OPPOSITES:
        for position, ending in enumerate((less, more)):
            if name.endswith("-" + ending):
                return name[: -len(ending) - 1], position
    if name.endswith(("-l", "-r")) and "/asym" in name:
        return name[:-2], int(name.endswith("-r"))
    return name, 1
