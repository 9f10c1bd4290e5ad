"""The articulatory table, `articulation.toml`, as checked arrays; the file says what its numbers mean.

P phones in the order of PHONES, S shapes (ARKit's names without their side), A articulators, C contacts.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.frame import ARKIT_SHAPES
from training.data.phones import INDEX_OF_PHONE, PHONES, SILENCE

Doubles = NDArray[np.float64]

TABLE_PATH = Path(__file__).with_name("articulation.toml")
JAW, CLOSE, FUNNEL, PUCKER = "jawOpen", "mouthClose", "mouthFunnel", "mouthPucker"
NO_CONTACT = -1

_CONTACT_KEYS = frozenset({"adds", "at_most", "close_ms", "open_ms"})
_PHONE_KEYS = frozenset({"insist", "contact", "held"})
_ARTICULATOR_KEYS = frozenset({"shapes", "before_ms", "after_ms"})


class ArticulationError(ValueError):
    """The table breaks one of its rules; the message says which entry and what it may be."""


@dataclass(frozen=True, eq=False)
class Contact:
    """Something that must be reached within a phone: the lips' seal, the lip at the teeth.

    adds      [S] the least that full contact has        at_most   [S] the most that it leaves; 1 = all
    close_s, open_s   the ways there and back
    """

    adds: Doubles
    at_most: Doubles
    close_s: float
    open_s: float


@dataclass(frozen=True, eq=False)
class Articulation:
    """The table. `articulator` int [S] says which of `articulators` each of `shapes` belongs to; -1: to contacts alone.

    targets    [P, S] 0..1      insistence [P, A] > 0      before_s, after_s [A] time constants
    contact    int [P]: row of `contacts`, NO_CONTACT      held      [P, 2] from and to which share of the phone
    """

    shapes: tuple[str, ...]
    articulators: tuple[str, ...]
    articulator: NDArray[np.int64]
    before_s: Doubles
    after_s: Doubles
    targets: Doubles
    insistence: Doubles
    contacts: tuple[Contact, ...]
    contact: NDArray[np.int64]
    held: Doubles

    def column(self, shape: str) -> int:
        """Where `shape` is among `shapes`; ValueError when it is not."""
        return self.shapes.index(shape)


@cache
def articulation() -> Articulation:
    """The table that ships with the package."""
    return load_articulation(TABLE_PATH.read_text(encoding="utf-8"))


def load_articulation(text: str) -> Articulation:
    """The table in `text` (TOML). ArticulationError names the entry that is missing, unknown or out of range."""
    table = tomllib.loads(text)
    _refuse_others("the table", table, {"articulators", "contacts", "classes", "phones"})
    articulators, contacts, classes = table["articulators"], table["contacts"], table["classes"]
    shapes, articulator = _shapes(articulators, contacts)
    names = tuple(articulators)
    for name, entry in contacts.items():
        _refuse_others(f"contact {name}", entry, _CONTACT_KEYS)
    for name, entry in classes.items():
        _refuse_others(f"class {name}", entry, names)
    targets, insistence = np.zeros((len(PHONES), len(shapes))), np.zeros((len(PHONES), len(names)))
    contact, held = np.full(len(PHONES), NO_CONTACT), np.tile([0.0, 1.0], (len(PHONES), 1))
    seen: set[str] = set()
    for class_name, phones in table["phones"].items():
        if class_name not in classes:
            raise ArticulationError(f"phones.{class_name} has no classes.{class_name}; the classes are {[*classes]}")
        for phone, entry in phones.items():
            what = f"phone {phone}"
            if phone not in INDEX_OF_PHONE or phone in seen:
                raise ArticulationError(f"{what} of phones.{class_name} is none of PHONES or appears twice")
            seen.add(phone)
            row, own = INDEX_OF_PHONE[phone], entry.get("insist", {})
            _refuse_others(what, entry, {*shapes, *_PHONE_KEYS})
            targets[row] = _weights(what, {k: v for k, v in entry.items() if k not in _PHONE_KEYS}, shapes, 0.0)
            insistence[row] = _weights(f"{what}, insist", {**classes[class_name], **own}, names, 0.0)
            if not (insistence[row] > 0.0).all():
                raise ArticulationError(f"{what} or its class must insist on each of {names}, be it a little")
            if "contact" in entry:
                contact[row], held[row] = _contact_of(what, entry, tuple(contacts))
    if missing := set(PHONES) - seen:
        raise ArticulationError(f"the phones {sorted(missing)} are missing; each of PHONES needs a line")
    if targets[INDEX_OF_PHONE[SILENCE]].any():
        raise ArticulationError(f"{SILENCE} must be the neutral face: no shapes")
    return Articulation(
        shapes=shapes,
        articulators=names,
        articulator=articulator,
        before_s=np.array([1e-3 * entry["before_ms"] for entry in articulators.values()]),
        after_s=np.array([1e-3 * entry["after_ms"] for entry in articulators.values()]),
        targets=targets,
        insistence=insistence,
        contacts=tuple(
            Contact(
                adds=_weights(f"contact {name}, adds", entry["adds"], shapes, 0.0),
                at_most=_weights(f"contact {name}, at_most", entry["at_most"], shapes, 1.0),
                close_s=1e-3 * entry["close_ms"],
                open_s=1e-3 * entry["open_ms"],
            )
            for name, entry in contacts.items()
        ),
        contact=contact,
        held=held,
    )


def sided(shape: str) -> tuple[str, ...]:
    """ARKit's names of a shape without its side: (mouthStretchLeft, mouthStretchRight); itself where it has none."""
    return (shape,) if shape in ARKIT_SHAPES else (shape + "Left", shape + "Right")


def _shapes(articulators: dict[str, Any], contacts: dict[str, Any]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """All shapes of the table, each one's articulator; those of contacts alone last, with -1."""
    articulator: dict[str, int] = {}
    for index, (name, entry) in enumerate(articulators.items()):
        _refuse_others(f"articulator {name}", entry, _ARTICULATOR_KEYS)
        if not (entry["before_ms"] > 0 and entry["after_ms"] > 0):
            raise ArticulationError(f"articulator {name}: before_ms and after_ms must be positive")
        for shape in entry["shapes"]:
            if shape in articulator:
                raise ArticulationError(f"{shape} belongs to two articulators")
            articulator[shape] = index
    for entry in contacts.values():
        for shape in (*entry.get("adds", {}), *entry.get("at_most", {}), CLOSE):
            articulator.setdefault(shape, -1)
    for shape in articulator:
        if any(name not in ARKIT_SHAPES for name in sided(shape)):
            raise ArticulationError(f"{shape!r} is no shape of ARKit (with or without Left and Right)")
    return tuple(articulator), np.array(list(articulator.values()))


def _contact_of(what: str, entry: dict[str, Any], contacts: tuple[str, ...]) -> tuple[int, list[float]]:
    name, held = entry["contact"], entry.get("held", [0.0, 1.0])
    if name not in contacts:
        raise ArticulationError(f"{what}: contact {name!r} is none of {contacts}")
    if len(held) != 2 or not 0.0 <= held[0] < held[1] <= 1.0:
        raise ArticulationError(f"{what}: held is {held}; it must be two shares of the phone, 0 <= from < to <= 1")
    return contacts.index(name), held


def _weights(what: str, given: dict[str, float], names: tuple[str, ...], default: float) -> Doubles:
    values = np.array([given.get(name, default) for name in names], np.float64)
    if unknown := set(given) - set(names):
        raise ArticulationError(f"{what}: {sorted(unknown)} are none of {names}")
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise ArticulationError(f"{what}: all numbers must lie in 0..1, not {given}")
    return values


def _refuse_others(what: str, entry: dict[str, Any], known: Any) -> None:
    if unknown := set(entry) - set(known):
        raise ArticulationError(f"{what} has the unknown entries {sorted(unknown)}; it may have {sorted(known)}")
