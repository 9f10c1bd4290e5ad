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

_CONTACT_KEYS = frozenset({"adds", "at_most", "jaw_left", "close_ms", "open_ms"})
_CONTACT_CLASS_KEYS = frozenset({"contact", "begin", "end"})
_ARTICULATOR_KEYS = frozenset({"shapes", "before_ms", "after_ms"})


class ArticulationError(ValueError):
    """The table breaks one of its rules; the message says which entry and what it may be."""


@dataclass(frozen=True, eq=False)
class Contact:
    """Something that must be reached within a phone: the lips' seal, the lip at the teeth.

    adds        [S] weights at full contact            at_most   [S] the most that the other shapes keep; 1 = all
    jaw_left    jawOpen that mouthClose does not make up for
    close_s, open_s   the ways there and back
    """

    adds: Doubles
    at_most: Doubles
    jaw_left: float
    close_s: float
    open_s: float


@dataclass(frozen=True, eq=False)
class Articulation:
    """The table. shapes [S]; `articulator` int [S] says which of `articulators` [A] a shape belongs to (-1: contacts only).

    targets    [P, S] 0..1      insistence [P, A] > 0      before_s, after_s [A] time constants
    contact    int [P]: row of `contacts`, NO_CONTACT; held from `begin` to `end` [P], shares of the phone
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
    begin: Doubles
    end: Doubles

    def column(self, shape: str) -> int:
        """Where `shape` is among `shapes`; ValueError when it is not."""
        return self.shapes.index(shape)


@cache
def articulation() -> Articulation:
    """The table that ships with the package."""
    return load_articulation(TABLE_PATH.read_text(encoding="utf-8"))


def load_articulation(text: str) -> Articulation:
    """The table written in `text` (TOML). ArticulationError names the entry that is missing, unknown or out of range."""
    table = tomllib.loads(text)
    _refuse_others("the table", table, {"articulators", "contacts", "classes", "phones"})
    articulators, contacts, classes = table["articulators"], table["contacts"], table["classes"]
    shapes, articulator = _shapes(articulators, contacts)
    names = tuple(articulators)
    for name, entry in contacts.items():
        _refuse_others(f"contact {name}", entry, _CONTACT_KEYS)
    targets, insistence = np.zeros((len(PHONES), len(shapes))), np.zeros((len(PHONES), len(names)))
    contact = np.full(len(PHONES), NO_CONTACT)
    begin, end = np.zeros(len(PHONES)), np.ones(len(PHONES))
    seen: set[str] = set()
    for class_name, phones in table["phones"].items():
        if class_name not in classes:
            raise ArticulationError(f"phones.{class_name} has no classes.{class_name}; the classes are {[*classes]}")
        of_class = classes[class_name]
        _refuse_others(f"class {class_name}", of_class, {*names, *_CONTACT_CLASS_KEYS})
        for phone, entry in phones.items():
            if phone not in INDEX_OF_PHONE or phone in seen:
                raise ArticulationError(f"{phone!r} of phones.{class_name} is no phone or appears twice")
            seen.add(phone)
            _refuse_others(f"phone {phone}", entry, {*shapes, "insist"})
            _refuse_others(f"phone {phone}, insist", entry.get("insist", {}), names)
            row = INDEX_OF_PHONE[phone]
            targets[row] = _weights(f"phone {phone}", {k: v for k, v in entry.items() if k != "insist"}, shapes, 0.0)
            insist = {name: of_class[name] for name in names if name in of_class} | entry.get("insist", {})
            insistence[row] = _weights(f"phone {phone}, insist", insist, names, 0.0)
            if not (insistence[row] > 0.0).all():
                raise ArticulationError(f"phone {phone} must insist on each of {names} a little; it does as {insist}")
            if "contact" in of_class:
                if of_class["contact"] not in contacts:
                    raise ArticulationError(
                        f"class {class_name}: contact {of_class['contact']!r} is none of {[*contacts]}"
                    )
                contact[row] = list(contacts).index(of_class["contact"])
                begin[row], end[row] = of_class["begin"], of_class["end"]
                if not 0.0 <= begin[row] < end[row] <= 1.0:
                    raise ArticulationError(f"class {class_name}: 0 <= begin < end <= 1, not {begin[row]}, {end[row]}")
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
                jaw_left=float(entry["jaw_left"]),
                close_s=1e-3 * entry["close_ms"],
                open_s=1e-3 * entry["open_ms"],
            )
            for name, entry in contacts.items()
        ),
        contact=contact,
        begin=begin,
        end=end,
    )


def sided(shape: str) -> tuple[str, ...]:
    """ARKit's names for a name without its side: (mouthStretchLeft, mouthStretchRight); itself where it has no sides."""
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
