"""A binary range coder: bits with known chances become a number, in as many binary digits as the bits were a surprise.

As in LZMA (Igor Pavlov; the idea: G. N. N. Martin 1979, "Range encoding: an algorithm for removing redundancy from a
digitised message"): the range is split in the ratio of the chances, and grows by whole bytes when it falls below 2^24.
Everything is in whole numbers, so that any language decodes the same bits.
"""

from __future__ import annotations

from protocol.frame import ProtocolError

# A chance is a number of 256ths, 1..255.
CHANCE_ONE = 256
EVEN = CHANCE_ONE // 2

_FULL = 2**32 - 1
_SHORT = 2**24
# A magnitude is counted one by one up to here; what lies beyond is written in binary.
_COUNTED = 15
_MOST_DIGITS = 16


class RangeEncoder:
    """Takes bits and whole numbers; `finish` gives the bytes."""

    def __init__(self) -> None:
        self._low: int = 0  # of any length: carries need no care
        self._range: int = _FULL
        self._shifted_bytes = 0

    def bit(self, bit: bool, chance_of_zero: int) -> None:
        """One bit that is 0 with `chance_of_zero` (256ths)."""
        bound = (self._range >> 8) * chance_of_zero
        if bit:
            self._low += bound
            self._range -= bound
        else:
            self._range = bound
        while self._range < _SHORT:
            self._low <<= 8
            self._range <<= 8
            self._shifted_bytes += 1

    def number(self, value: int, chance_of_zero: int, chance_of_more: int, *, sign: int) -> None:
        """`value`, within +-65550. `chance_of_more`: that a magnitude of at least n is more than n (256ths).

        `sign` says what is known of the sign: 1 or -1 when `value` cannot have the other, 0 when it can.
        """
        self.bit(value != 0, chance_of_zero)
        if not value:
            return
        if not sign:
            self.bit(value < 0, EVEN)
        rest = abs(value) - 1
        for _ in range(min(rest, _COUNTED)):
            self.bit(True, CHANCE_ONE - chance_of_more)
        if rest < _COUNTED:
            self.bit(False, CHANCE_ONE - chance_of_more)
            return
        # Elias' gamma code: how many digits, then the digits after the first, which is 1.
        rest += 1 - _COUNTED
        digits = rest.bit_length()
        for _ in range(digits - 1):
            self.bit(True, EVEN)
        self.bit(False, EVEN)
        for place in reversed(range(digits - 1)):
            self.bit(bool(rest >> place & 1), EVEN)

    def finish(self) -> bytes:
        """The shortest bytes that mean what was taken: zeros at their end are left out."""
        for zeros in reversed(range(32)):
            value = -(-self._low >> zeros) << zeros
            if value < self._low + self._range:
                return value.to_bytes(self._shifted_bytes + 4, "big").rstrip(b"\0")
        raise AssertionError("a range of one number or more contains a number")


class RangeDecoder:
    """Gives back what RangeEncoder took, when asked in the same order with the same chances.

    Any bytes mean something; `finish` tells whether they were all used. ProtocolError for what no encoder writes.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 4
        self._code: int = int.from_bytes(data[:4].ljust(4, b"\0"), "big")
        self._range: int = _FULL
        if self._code >= _FULL:
            raise ProtocolError("the range-coded bytes begin with a number that is out of range")

    def bit(self, chance_of_zero: int) -> bool:
        """The next bit."""
        bound = (self._range >> 8) * chance_of_zero
        is_one = self._code >= bound
        if is_one:
            self._code -= bound
            self._range -= bound
        else:
            self._range = bound
        while self._range < _SHORT:
            following = self._data[self._position] if self._position < len(self._data) else 0
            self._code = self._code << 8 | following
            self._range <<= 8
            self._position += 1
        return is_one

    def number(self, chance_of_zero: int, chance_of_more: int, *, sign: int) -> int:
        """The next whole number; reads at most 50 bits."""
        if not self.bit(chance_of_zero):
            return 0
        if not sign:
            sign = -1 if self.bit(EVEN) else 1
        rest = 0
        while rest < _COUNTED and self.bit(CHANCE_ONE - chance_of_more):
            rest += 1
        if rest == _COUNTED:
            digits = 1
            while self.bit(EVEN):
                digits += 1
                if digits > _MOST_DIGITS:
                    raise ProtocolError(f"a range-coded number has more than {_MOST_DIGITS} binary digits")
            beyond = 1
            for _ in range(digits - 1):
                beyond = beyond << 1 | self.bit(EVEN)
            rest += beyond - 1
        return sign * (rest + 1)

    def finish(self) -> None:
        """ProtocolError when bytes are left that no number needed, or zeros that a sender leaves out."""
        if len(self._data) > self._position or self._data[-1:] == b"\0":
            raise ProtocolError("the range-coded bytes go on after their end")
