"""What a VMC receiver may ask of a performer (port 39540): fewer messages, news, and passing on what is not ours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from protocol import osc
from protocol.frame import ProtocolError

_LONGEST_PERIOD = 3600
_MOST_PASSED_ON = 16


@dataclass(frozen=True)
class Periods:
    """Every how many frames each kind of message is sent; 1 is every frame."""

    status: int = 1
    root: int = 1
    bone: int = 1
    blend: int = 1

    def due(self, number: int) -> Groups:
        """What frame `number` carries."""
        return Groups(*(number % period == 0 for period in (self.status, self.root, self.bone, self.blend)))


@dataclass(frozen=True)
class Groups:
    """Which kinds of messages a frame carries."""

    status: bool = True
    root: bool = True
    bone: bool = True
    blend: bool = True


EVERYTHING = Groups()


@dataclass(frozen=True)
class Requests:
    """What the messages of a datagram ask for.

    periods      /VMC/Ext/Set/Period, the last one; None when none came
    wants_news   /VMC/Ext/Set/Req: say now what is otherwise said once a second
    passed_on    /VMC/Thru/...: encoded again, to be sent on as they are
    """

    periods: Periods | None
    wants_news: bool
    passed_on: tuple[bytes, ...]


def decode(messages: Iterable[osc.Message]) -> Requests:
    """Read requests; ProtocolError when one has arguments that make no sense. Other addresses are passed over."""
    periods: Periods | None = None
    wants_news = False
    passed_on: list[bytes] = []
    for address, arguments in messages:
        if address == "/VMC/Ext/Set/Period":
            periods = _periods(arguments)
        elif address == "/VMC/Ext/Set/Req":
            wants_news = True
        elif address.startswith("/VMC/Thru/") and len(passed_on) < _MOST_PASSED_ON:
            passed_on.append(_again(address, arguments))
    return Requests(periods, wants_news, tuple(passed_on))


def encode_listening(port: int, host: str) -> bytes:
    """/VMC/Ext/Rcv: that requests are listened to, and where."""
    return osc.encode_message("/VMC/Ext/Rcv", 1, port, host)


def _periods(arguments: tuple[osc.Argument, ...]) -> Periods:
    """status, root, bone, blend, camera, devices; the last two are nothing that we send."""
    numbers = [one for one in arguments[:4] if isinstance(one, int) and not isinstance(one, bool)]
    if len(numbers) < 4 or not all(1 <= one <= _LONGEST_PERIOD for one in numbers):
        raise ProtocolError(
            f"/VMC/Ext/Set/Period has {arguments!r:.100}; it takes whole numbers in 1..{_LONGEST_PERIOD} for status, "
            "root, bone and blend"
        )
    return Periods(*numbers)


def _again(address: str, arguments: tuple[osc.Argument, ...]) -> bytes:
    """One text and at most one number, as the protocol has it."""
    match arguments:
        case (str(text),):
            return osc.encode_message(address, text)
        case (str(text), int() | float() as number) if not isinstance(number, bool):
            return osc.encode_message(address, text, number)
        case _:
            raise ProtocolError(f"{address} has {arguments!r:.100}; it takes a text and at most one number")
