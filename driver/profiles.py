"""The user's profiles: one TOML file a name in the configuration folder, and every file that was replaced beside them.

    profiles/anna.toml
    profiles/replaced/anna-20261126T100000Z.toml

A profile appears whole or not at all, and none is ever written over or deleted.
"""

from __future__ import annotations

import os
import re
import tempfile
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import platformdirs

from driver.errors import RunError, UsageError
from driver.profile import Profile, parse_profile, profile_text

_NAME_RULE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_REPLACED = "replaced"


def profiles_folder() -> Path:
    """Where profiles are kept unless a caller says otherwise."""
    return platformdirs.user_config_path("avatar-driver") / "profiles"


def save_profile(name: str, profile: Profile, folder: Path | None = None) -> tuple[Path, Path | None]:
    """Keep `profile` under `name`; returns its file, and where the one before was put, if there was one.

    Raises UsageError for an unfit name and RunError when the folder cannot be written; then nothing has changed.
    """
    place = _place(name, folder)
    text = profile_text(profile).encode()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        backup = _kept(place)
        _write_whole(place, text)
    except OSError as error:
        raise RunError(
            f"the profile {name!r} was not saved: {place.parent} cannot be written ({error.strerror or error}); "
            "make room or give it write permission"
        ) from error
    return place, backup


def load_profile(name: str, folder: Path | None = None) -> Profile:
    """The profile `name`. UsageError when there is none, or what is there is not one; the file stays as it is."""
    place = _place(name, folder)
    if not place.is_file():
        known = ", ".join(list_profiles(folder)) or "none"
        raise UsageError(
            f"there is no profile {name!r} (there are: {known}); make it with `avatar-driver calibrate --name {name}`"
        )
    try:
        return parse_profile(place.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, UsageError) as error:
        replaced = place.parent / _REPLACED
        earlier = f"or put back an earlier one from {replaced}, " if any(replaced.glob(f"{name}-*.toml")) else ""
        raise UsageError(
            f"the profile {place} is damaged: {error}; correct it, {earlier}or calibrate again with "
            f"`avatar-driver calibrate --name {name}` (this file is kept)"
        ) from error


def list_profiles(folder: Path | None = None) -> list[str]:
    """Names, in order; those of damaged files too."""
    return sorted(file.stem for file in (folder or profiles_folder()).glob("*.toml") if _NAME_RULE.fullmatch(file.stem))


def print_profiles(folder: Path | None = None) -> None:
    """A line for each profile that `--profile` accepts, and one for each that it does not."""
    names = list_profiles(folder)
    for name in names:
        try:
            profile = load_profile(name, folder)
        except UsageError as error:
            print(f"{name}  {error}")
            continue
        made = profile.made.astimezone().strftime("%Y-%m-%d %H:%M")
        sound = "with sound" if profile.sound is not None else "without sound"
        learnt = "" if profile.face is None else ", with its own face"
        print(f"{name}  made {made} for --tracker {profile.tracker}, {sound}{learnt}")
    if not names:
        print("there is no profile yet; make one with `avatar-driver calibrate --webcam`")
    print(f"in {folder or profiles_folder()}")


def check_name(name: str) -> None:
    """UsageError unless `name` can name a profile."""
    if not _NAME_RULE.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a profile; use up to 63 of a-z, 0-9, '.', '_' and '-', such as anna")


def _place(name: str, folder: Path | None) -> Path:
    check_name(name)
    return (folder or profiles_folder()) / f"{name}.toml"


def _kept(place: Path) -> Path | None:
    """Where a copy of the file at `place` lies now; None when there is no such file."""
    try:
        content, written_s = place.read_bytes(), place.stat().st_mtime
    except FileNotFoundError:
        return None
    stamp = datetime.fromtimestamp(written_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = place.parent / _REPLACED
    folder.mkdir(exist_ok=True)
    for number in count(1):
        copy = folder / f"{place.stem}-{stamp}{'' if number == 1 else f'-{number}'}.toml"
        if not copy.exists():
            _write_whole(copy, content)
            return copy
        if copy.read_bytes() == content:
            return copy
    raise AssertionError("unreachable")


def _write_whole(place: Path, content: bytes) -> None:
    """Another file takes the place of the old one at once, after all of it has reached the disk."""
    descriptor, unfinished = tempfile.mkstemp(dir=place.parent, prefix=".unfinished-")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, place)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
