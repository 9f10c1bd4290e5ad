"""The heads that a user has added: FLAME files, registered to the open head once and kept in the user's data folder.

Each is one folder, `<heads>/<id>/`, with `head.npz` (the arrays), `motion_map.npz` (how the open head's motion becomes
this head's) and `source.json` (where it came from). It appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import platformdirs

from driver.errors import ModelError, UsageError
from models.head.flame import HeadModel, load_head, open_head, save_head
from models.head.flame_file import HeadFileError, head_id_of, load_flame
from models.head.retarget import MotionMap, carried_arkit_motion, load_motion_map, save_motion_map, solve_motion_map
from protocol.frame import OPEN_HEAD_ID

_HEAD, _MAP, _SOURCE = "head.npz", "motion_map.npz", "source.json"
_ID_RULE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True)
class AddedHead:
    """A head that can be published.

    id               what frames carry in `head`
    folder           where its files are
    file_name        the file it was made from, and the file's SHA-256
    rms_mm, max_mm   vertex error of its motion map (`MotionMap`), in millimetres
    """

    id: str
    folder: Path
    file_name: str
    sha256: str
    rms_mm: float
    max_mm: float


def heads_folder() -> Path:
    """Where added heads are kept unless a caller says otherwise."""
    return platformdirs.user_data_path("avatar-driver") / "heads"


def add_head(file: Path, name: str | None = None, folder: Path | None = None) -> AddedHead:
    """Read the FLAME file `file`, solve its motion map (tens of seconds) and keep both under the id `name`.

    `name` defaults to the file's name in lower case, words and numbers joined by "-". Adding the same file again
    replaces it. Raises ModelError when the file is refused, UsageError when the name is taken or unfit.
    """
    head_id = name if name is not None else head_id_of(file)
    if not _ID_RULE.fullmatch(head_id) or head_id == OPEN_HEAD_ID:
        raise UsageError(f"{head_id!r} cannot name a head; use up to 63 of a-z, 0-9, '.', '_' and '-', such as my-head")
    heads = folder or heads_folder()
    try:
        head = load_flame(file, head_id)
    except HeadFileError as error:
        raise ModelError(str(error)) from error
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    earlier = heads / head_id
    if earlier.exists() and _read_source(earlier).sha256 != sha256:
        raise UsageError(
            f"{head_id!r} already names the head from {_read_source(earlier).file_name}; give this one another name"
        )
    motion_map = solve_motion_map(open_head(), head)
    head = replace(head, arkit_motion=carried_arkit_motion(open_head(), motion_map))
    added = AddedHead(head_id, earlier, file.name, sha256, motion_map.rms_mm, motion_map.max_mm)
    _keep(added, head, motion_map)
    return added


def list_heads(folder: Path | None = None) -> list[AddedHead]:
    """The added heads, by id. Damaged ones raise ModelError."""
    heads = folder or heads_folder()
    return [_read_source(found.parent) for found in sorted(heads.glob(f"*/{_SOURCE}"))]


def add_and_print(file: Path, name: str | None = None, folder: Path | None = None) -> None:
    """`add_head`, with one line before and one after."""
    print(f"Registering {file.name} to the open head; this takes up to a minute ...", flush=True)
    added = add_head(file, name, folder)
    print(
        f"{added.id}: vertex error {added.rms_mm:.2f} mm rms, {added.max_mm:.1f} mm at most. Use it: --head {added.id}"
    )


def print_heads(folder: Path | None = None) -> None:
    """One line for each head that `--head` accepts."""
    print(f"{OPEN_HEAD_ID}  (built in)")
    for added in list_heads(folder):
        print(f"{added.id}  ({added.file_name}; vertex error {added.rms_mm:.2f} mm rms, {added.max_mm:.1f} mm at most)")


def load_added_head(head_id: str, folder: Path | None = None) -> tuple[HeadModel, MotionMap]:
    """The head `head_id` and how the open head's motion becomes its own; ModelError when it is missing or damaged."""
    heads = folder or heads_folder()
    place = heads / head_id
    if not _ID_RULE.fullmatch(head_id) or not (place / _SOURCE).is_file():
        known = ", ".join(added.id for added in list_heads(folder)) or "none"
        raise ModelError(f"there is no head {head_id!r} (added: {known}); add it with `avatar-driver head add FILE`")
    try:
        return load_head(place / _HEAD), load_motion_map(place / _MAP)
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(place, error) from error


def _keep(added: AddedHead, head: HeadModel, motion_map: MotionMap) -> None:
    heads = added.folder.parent
    try:
        heads.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=heads, prefix=".adding-") as unfinished:
            fresh = Path(unfinished) / added.id
            fresh.mkdir()
            save_head(fresh / _HEAD, head)
            save_motion_map(fresh / _MAP, motion_map)
            facts = {key: value for key, value in asdict(added).items() if key != "folder"}
            (fresh / _SOURCE).write_text(json.dumps(facts, indent=2), encoding="utf-8")
            if added.folder.exists():
                shutil.rmtree(added.folder)
            fresh.replace(added.folder)
    except OSError as error:
        raise ModelError(
            f"{heads} cannot be written ({error.strerror}); make room or give it write permission"
        ) from error


def _read_source(place: Path) -> AddedHead:
    try:
        facts = cast("dict[str, Any]", json.loads((place / _SOURCE).read_text(encoding="utf-8")))
        return AddedHead(folder=place, **facts)
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(place, error) from error


def _damaged(place: Path, error: Exception) -> ModelError:
    return ModelError(
        f"the added head in {place} is damaged ({error}); delete the folder and use `avatar-driver head add FILE` again"
    )
