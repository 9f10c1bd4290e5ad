"""Reads `--out` URLs: scheme://HOST:PORT?option=value, refusing whatever it does not know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

from driver.errors import UsageError

Choice = TypeVar("Choice", bound=str)

DEFAULT_HOST = "127.0.0.1"


class Options:
    """The part after the question mark. Each getter names an option; `refuse_unknown` then refuses the others."""

    def __init__(self, url: str, pairs: Sequence[tuple[str, str]]) -> None:
        self._url = url
        self._values = dict(pairs)
        self._known: dict[str, str] = {}
        if len(self._values) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise UsageError(f"{url} gives the option {twice} twice; give it once")

    def text(self, name: str, default: str) -> str:
        """The option as it is; it may not be empty."""
        self._known[name] = "TEXT"
        value = self._values.get(name, default)
        if not value and name in self._values:
            raise UsageError(f"{self._url} leaves the option {name} empty; write {name}=TEXT or leave it out")
        return value

    def path(self, name: str) -> Path | None:
        """The option as a file name; None when it is not given."""
        value = self.text(name, "")
        self._known[name] = "FILE"
        return Path(value).expanduser() if value else None

    def flag(self, name: str) -> bool:
        """0 or 1; 0 when it is not given."""
        return self.choice(name, ("0", "1")) == "1"

    def choice(self, name: str, allowed: Sequence[Choice]) -> Choice:
        """One of `allowed`, the first of which is the default."""
        self._known[name] = "|".join(allowed)
        value = self._values.get(name, allowed[0])
        for one in allowed:
            if one == value:
                return one
        raise UsageError(f"{self._url} asks for {name}={value}; {name} is one of {', '.join(allowed)}")

    def port(self, name: str, default: int) -> int:
        """A port number; `default` when it is not given."""
        text = self.text(name, str(default))
        self._known[name] = "PORT"
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535):
            raise UsageError(f"{self._url} asks for {name}={text}; {name} must be in 1..65535")
        return int(text)

    def number(self, name: str, low: float, high: float) -> float | None:
        """A number in `low`..`high`; None when it is not given."""
        text = self.text(name, "")
        self._known[name] = "NUMBER"
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise UsageError(f"{self._url} asks for {name}={text}; {name} must be in {low:g}..{high:g}")
        return value

    def refuse_unknown(self) -> None:
        """UsageError when the URL holds an option that no getter has named."""
        unknown = [name for name in self._values if name not in self._known]
        if not unknown:
            return
        known = ", ".join(f"{name}={form}" for name, form in self._known.items())
        raise UsageError(
            f"{self._url} has the unknown option {unknown[0]!r}; "
            + (f"its options are {known}" if known else "this kind of output has no options.")
        )


@dataclass(frozen=True)
class SinkUrl:
    """One output as the user wrote it (`text`), taken apart; `port` is None when none was written."""

    text: str
    scheme: str
    host: str
    port: int | None
    options: Options

    def name(self, port: int) -> str:
        """The output without its options, for messages."""
        return f"{self.scheme}://{bracketed(self.host)}:{port}"


def bracketed(host: str) -> str:
    """IPv6 addresses need brackets before a port."""
    return f"[{host}]" if ":" in host else host


def parse_sink_url(text: str, schemes: Sequence[str], *, may_choose_port: Sequence[str] = ()) -> SinkUrl:
    """Take `text` apart; UsageError when the scheme is not in `schemes` or a part makes no sense.

    Port 0 (let the system choose) is allowed to the schemes in `may_choose_port`, which listen rather than send.
    """
    example = f"write it as {schemes[0]}://HOST:PORT"
    scheme, separator, _ = text.partition("://")
    if not separator:
        raise UsageError(f"{text!r} is not an output; {example} (kinds: {', '.join(schemes)})")
    if scheme not in schemes:
        raise UsageError(f"{text} has the unknown kind {scheme!r}; the kinds of output are {', '.join(schemes)}")
    try:
        parts = urlsplit(text)
        port = parts.port
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise UsageError(f"{text} cannot be read ({error}); {example}, with a port in 1..65535") from error
    if port == 0 and scheme not in may_choose_port:
        raise UsageError(f"{text} has the port 0; it must be in 1..65535")
    if parts.username is not None or parts.path not in ("", "/") or parts.fragment:
        raise UsageError(f"{text} has more than a host, a port and options; {example}")
    return SinkUrl(text, scheme, parts.hostname or DEFAULT_HOST, port, Options(text, pairs))
