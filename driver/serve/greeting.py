"""What a client says first: whose voice it brings, and how its bytes are to be read.

Over TCP it is the first line, as JSON or as a query; over WebSocket it is the query of the URL:

    {"subject": "npc-1", "rate": 24000, "format": "s16le"}
    subject=npc-1&rate=24000&format=s16le
    ws://127.0.0.1:5601/?subject=npc-1&rate=24000
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast
from urllib.parse import parse_qsl

from driver.capture.pcm_address import FORMAT_OPTIONS, PcmFormat, parse_format
from driver.errors import UsageError
from driver.knobs import Knobs
from protocol.frame import ProtocolError, check_subject

LONGEST_BYTES = 1024
LONGEST_SILENCE_MS = 60_000
_KNOBS = tuple(one.name for one in fields(Knobs))
_NAMES = ("subject", *FORMAT_OPTIONS, "silence_ms", "frames", *_KNOBS)
_KINDS: dict[str, Callable[[str], Any]] = {one.name: type(one.default) for one in fields(Knobs)}
_EXAMPLE = '{"subject": "npc-1", "rate": 24000, "format": "s16le"}'


@dataclass(frozen=True)
class Greeting:
    """A voice as its client introduces it.

    subject      name of the face; no two voices of a server have the same
    silence_ms   where sound is missing, the model hears silence for so long, so that the mouth closes as it does after
                 a word; then it rests, costs next to nothing, and starts anew with the next sound
    frames       send the face back over the same connection (WebSocket only)
    knobs        how the voice drives the face
    """

    subject: str
    format: PcmFormat = field(default_factory=PcmFormat)
    silence_ms: int = 500
    frames: bool = False
    knobs: Knobs = field(default_factory=Knobs)


def parse_line(line: bytes, defaults: Knobs | None = None) -> Greeting:
    """The greeting in a client's first line; UsageError when it is none."""
    text = line.decode("utf-8", "replace").strip()
    if not text.startswith("{"):
        return parse_query(text, defaults)
    try:
        given: Any = json.loads(text)
    except (ValueError, RecursionError) as error:  # the latter for hundreds of lists within each other
        raise UsageError(f"the first line is no JSON ({error}); write {_EXAMPLE}") from error
    named = cast("dict[str, Any]", given)
    return parse_options({name: _text(value) for name, value in named.items()}, defaults)


def parse_query(query: str, defaults: Knobs | None = None) -> Greeting:
    """The greeting in "subject=npc-1&rate=24000"; UsageError when it is none."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError as error:
        raise UsageError(f"the greeting {query[:60]!r} names no voice; write subject=npc-1&rate=24000") from error
    return parse_options(dict(pairs), defaults)


def parse_options(given: Mapping[str, str], defaults: Knobs | None = None) -> Greeting:
    """The greeting that the options tell. UsageError for those that it does not know, and for nonsense.

    defaults   the knobs of a voice that turns none
    """
    for name in given:
        if name not in _NAMES:
            close = difflib.get_close_matches(name, _NAMES, 1)
            remedy = f"did you mean {close[0]}?" if close else f"there are: {', '.join(_NAMES)}"
            raise UsageError(f"the greeting has the unknown option {name[:40]!r}; {remedy}")
    subject = given.get("subject", "")
    if not subject:
        raise UsageError(f"the greeting names no subject; write {_EXAMPLE}")
    try:
        check_subject(subject)
    except ProtocolError as error:
        raise UsageError(f"the greeting's {error}") from error
    return Greeting(
        subject=subject,
        format=parse_format("the greeting", given),
        silence_ms=_silence_ms(given.get("silence_ms")),
        frames=_flag("frames", given.get("frames", "0")),
        knobs=_knobs(given, Knobs() if defaults is None else defaults),
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return ",".join(str(one) for one in cast("list[Any]", value)) if isinstance(value, list) else str(value)


def _silence_ms(text: str | None) -> int:
    if text is None:
        return Greeting.silence_ms
    if not text.isdecimal() or int(text) > LONGEST_SILENCE_MS:
        raise UsageError(
            f"the greeting: silence_ms is {text!r}; it must be a whole number within 0..{LONGEST_SILENCE_MS}"
        )
    return int(text)


def _flag(name: str, text: str) -> bool:
    if text not in ("0", "1"):
        raise UsageError(f"the greeting: {name} is {text!r}; it must be 0 or 1")
    return text == "1"


def _knobs(given: Mapping[str, str], defaults: Knobs) -> Knobs:
    values: dict[str, Any] = {name: getattr(defaults, name) for name in _KNOBS}
    for name in _KNOBS:
        if name not in given:
            continue
        try:
            values[name] = _KINDS[name](given[name])
        except ValueError:
            raise UsageError(f"the greeting: {name} is {given[name]!r}; it must be a number") from None
    return Knobs(**values)
