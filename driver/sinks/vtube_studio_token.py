"""The token that VTube Studio has given us: a private file for each of them, in the user's configuration folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs

from protocol.vtube_studio import is_token


def tokens_folder() -> Path:
    """Where tokens are kept unless a caller says otherwise."""
    return platformdirs.user_config_path("avatar-driver") / "vtube-studio"


class TokenFile:
    """The token for the VTube Studio at `host`:`port`. Whoever reads it can control that VTube Studio: mode 0600."""

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self.path = folder / f"{host.replace(':', '_')}_{port}.token"

    def load(self) -> str | None:
        """The token; None when there is none, or nothing that could be one."""
        try:
            text = self.path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return text if is_token(text) else None

    def save(self, token: str) -> None:
        """Keep `token` in place of any earlier one; OSError when the folder cannot be written."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A new file, made private before anything is in it, takes the place of the old one at once.
        descriptor, unfinished = tempfile.mkstemp(dir=self.path.parent, prefix=".token-")
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(f"{token}\n")
            os.replace(unfinished, self.path)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise

    def forget(self) -> None:
        """Delete the token: it was refused."""
        self.path.unlink(missing_ok=True)
