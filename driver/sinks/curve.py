"""CURVE keys of the ZeroMQ output: made once into a private file, whose public half is given to the clients."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import zmq

from driver.errors import UsageError

_KEY_LETTERS = 40  # 32 bytes in Z85
_REMEDY = "make a pair with `avatar-driver keys FILE`"


@dataclass(frozen=True)
class ServerKeys:
    """Both halves in Z85 (40 letters). Clients need `public_key`; `is_private`: nobody else may read the file."""

    public_key: bytes
    secret_key: bytes
    is_private: bool


def make_keys(path: Path) -> str:
    """Write a new pair to `path`, readable by its owner only, and the public key alone to `path` + ".pub"; return it.

    UsageError when either file is there already: clients may depend on it.
    """
    public_key, secret_key = (key.decode("ascii") for key in zmq.curve_keypair())
    public_line, secret_line = f'    public-key = "{public_key}"\n', f'    secret-key = "{secret_key}"\n'
    _write_new(
        path, f"# CURVE keys of an avatar-driver. Keep this file secret.\ncurve\n{public_line}{secret_line}", 0o600
    )
    _write_new(
        path.with_name(f"{path.name}.pub"),
        f"# CURVE public key of an avatar-driver, for its clients.\ncurve\n{public_line}",
        0o644,
    )
    return public_key


def load_keys(path: Path) -> ServerKeys:
    """Read a pair written by `make_keys`, or by any tool that writes CZMQ certificates; UsageError otherwise."""
    try:
        text = path.read_text("utf-8")
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"{path} cannot be read as a key file: {reason}; {_REMEDY}") from error
    keys: dict[str, bytes] = {}
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator and not line.lstrip().startswith("#"):
            keys[name.strip()] = value.strip().strip("\"'").encode()
    for name in ("public-key", "secret-key"):
        if len(keys.get(name, b"")) != _KEY_LETTERS:
            raise UsageError(f"{path} holds no {name} of {_KEY_LETTERS} letters; {_REMEDY}")
    public_key, secret_key = keys["public-key"], keys["secret-key"]
    try:
        belongs = zmq.curve_public(secret_key) == public_key
    except zmq.ZMQError:
        belongs = False
    if not belongs:
        raise UsageError(f"{path} holds two keys that do not belong together; {_REMEDY}")
    # Windows keeps no such bits; there the folder's rights decide.
    return ServerKeys(public_key, secret_key, is_private=os.name == "nt" or mode & 0o077 == 0)


def _write_new(path: Path, text: str, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise UsageError(f"{path} exists; choose another file, or delete it if no client needs its key") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; choose another file") from error
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(text)
