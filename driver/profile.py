"""What one person's face and voice are like to one tracker and one microphone, as a record and as TOML text.

    version = 1
    tracker = "native"
    made = 2026-11-26T10:00:00Z
    [head]                        # where the head is when it looks straight ahead: rad, m
    rotation_rad = [0.1, 0.0, 0.0]
    translation_m = [0.0, 0.02, -0.6]
    [rest]                        # ARKit weights that the tracker reads from the resting face
    browDownLeft = 0.08
    [reach]                       # ARKit weights that it reads from the face's utmost
    jawOpen = 0.71
    [sound]                       # dBFS
    noise_dbfs = -61.0
    speech_dbfs = -27.5

With what `training.personalise` has learnt, [face] and [voice] of driver/learnt.py, it is version 2.
Eyelids have no rest and no reach: a lid whose "open" was learnt wrongly never closes again. Unknown keys are refused.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime

from driver.errors import UsageError
from driver.face_adapter import FaceAdapter
from driver.learnt import SpokenWay, face_lines, parse_face, parse_voice, voice_lines
from driver.toml_tables import Triple, complete, number, numbers, refuse_unknown, require, section, triple
from protocol.frame import ARKIT_SHAPES

# The first without what was learnt of a face and a voice, the second with it.
PROFILE_VERSION, LEARNT_VERSION = 1, 2
_LIDS = ("eyeBlink", "eyeWide", "eyeSquint")
CALIBRATED_SHAPES = tuple(name for name in ARKIT_SHAPES if not name.startswith(_LIDS))
# A resting face that is read as more is not at rest.
LARGEST_REST = 0.3
# An utmost that is read as less was not the utmost, or is nothing that the tracker sees.
SMALLEST_REACH = 0.25
_QUIETEST_DBFS, _LOUDEST_DBFS = -120.0, 0.0


@dataclass(frozen=True)
class HeadRest:
    """The pose of a head that looks straight ahead, in the camera's frame: axis-angle (rad) and place (m)."""

    rotation_rad: Triple
    translation_m: Triple


@dataclass(frozen=True)
class SoundLevels:
    """Of one microphone, in dBFS: the room in silence, and the loud parts of its user's speech."""

    noise_dbfs: float
    speech_dbfs: float


@dataclass(frozen=True)
class Profile:
    """One calibration. UsageError for a value out of its range, an unknown channel, or an eyelid's.

    tracker   whose readings `rest` and `reach` are: they mean nothing to another
    made      when, with its time zone
    rest      by ARKit's names, 0..LARGEST_REST; those left out rest at 0
    reach     by ARKit's names, SMALLEST_REACH..1; those left out reach 1
    head      None: not known
    sound     None: there was no microphone, or it heard nothing
    face      how the tracker's network misreads this face; None: not learnt. `rest` and `reach` are of what it corrects
    voice     how this person speaks; None: not learnt
    """

    tracker: str
    made: datetime
    rest: Mapping[str, float] = field(default_factory=dict[str, float])
    reach: Mapping[str, float] = field(default_factory=dict[str, float])
    head: HeadRest | None = None
    sound: SoundLevels | None = None
    face: FaceAdapter | None = None
    voice: SpokenWay | None = None

    def __post_init__(self) -> None:
        if self.made.tzinfo is None:
            raise UsageError(f"made is {self.made}; it must have a time zone, such as {self.made.isoformat()}Z")
        for table, low, high in (("rest", 0.0, LARGEST_REST), ("reach", SMALLEST_REACH, 1.0)):
            for name, value in getattr(self, table).items():
                if name.startswith(_LIDS):
                    raise UsageError(f"{table}.{name} is {value:g}; eyelids are never calibrated, take it out")
                refuse_unknown(name, CALIBRATED_SHAPES, f"{table}.")
                require(f"{table}.{name}", value, low, high)
        if self.head is not None:
            for value in self.head.rotation_rad:
                require("head.rotation_rad", value, -math.pi, math.pi)
            for value in self.head.translation_m:
                require("head.translation_m", value, -100.0, 100.0)
        if self.sound is not None:
            for one in fields(self.sound):
                require(f"sound.{one.name}", getattr(self.sound, one.name), _QUIETEST_DBFS, _LOUDEST_DBFS)


def profile_text(profile: Profile) -> str:
    """`profile` as TOML, for `parse_profile` and for people. Numbers have four decimals."""
    made = profile.made.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    is_learnt = profile.face is not None or profile.voice is not None
    version = LEARNT_VERSION if is_learnt else PROFILE_VERSION
    lines = [f"version = {version}", f'tracker = "{profile.tracker}"', f"made = {made}"]
    if profile.head is not None:
        lines += ["", "[head]"]
        lines += [
            f"{one.name} = [{', '.join(f'{value:.4f}' for value in getattr(profile.head, one.name))}]"
            for one in fields(profile.head)
        ]
    for table in ("rest", "reach"):
        values: Mapping[str, float] = getattr(profile, table)
        if values:
            lines += ["", f"[{table}]", *(f"{name} = {value:.4f}" for name, value in values.items())]
    if profile.sound is not None:
        lines += ["", "[sound]"]
        lines += [f"{one.name} = {getattr(profile.sound, one.name):.1f}" for one in fields(profile.sound)]
    lines += [] if profile.face is None else face_lines(profile.face)
    lines += [] if profile.voice is None else voice_lines(profile.voice)
    return "\n".join(lines) + "\n"


def parse_profile(text: str) -> Profile:
    """The profile in `text`. UsageError with the value and the rule for anything that is not one."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"it is not valid TOML: {error}") from error
    version = table.pop("version", None)
    if type(version) is not int or version not in (PROFILE_VERSION, LEARNT_VERSION):
        raise UsageError(f"version is {version!r}; this driver reads versions {PROFILE_VERSION} and {LEARNT_VERSION}")
    known = [one.name for one in fields(Profile)]
    for name in table:
        refuse_unknown(name, known)
    tracker, made = table.get("tracker"), table.get("made")
    if not isinstance(tracker, str) or not tracker.isidentifier():
        raise UsageError(f"tracker is {tracker!r}; it must be the name of a tracker, such as 'mediapipe'")
    if not isinstance(made, datetime):
        raise UsageError(f"made is {made!r}; it must be a time, such as 2026-01-31T12:00:00Z")
    head, sound = section(table, "head"), section(table, "sound")
    face, voice = section(table, "face"), section(table, "voice")
    return Profile(
        tracker=tracker,
        made=made,
        rest=numbers("rest", section(table, "rest") or {}),
        reach=numbers("reach", section(table, "reach") or {}),
        head=None if head is None else HeadRest(**complete("head", head, HeadRest, triple)),
        sound=None if sound is None else SoundLevels(**complete("sound", sound, SoundLevels, number)),
        face=None if face is None else parse_face(face),
        voice=None if voice is None else parse_voice(voice),
    )
