"""The range coder: what goes in comes out, in about as many bits as information theory asks for."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.frame import ProtocolError
from protocol.range_coder import RangeDecoder, RangeEncoder

CHANCES = st.integers(1, 255)
NUMBERS = st.lists(st.tuples(st.integers(-65550, 65550), CHANCES, CHANCES, st.booleans()), max_size=100)


@given(NUMBERS)
def test_numbers_come_back_with_any_chances(numbers):
    encoder = RangeEncoder()
    asked = [(value, zero, more, (value > 0) - (value < 0) if known else 0) for value, zero, more, known in numbers]
    for value, zero, more, sign in asked:
        encoder.number(value, zero, more, sign=sign)
    data = encoder.finish()
    decoder = RangeDecoder(data)
    assert [decoder.number(zero, more, sign=sign) for _, zero, more, sign in asked] == [value for value, *_ in numbers]
    decoder.finish()


@pytest.mark.parametrize("chance", [8, 64, 128, 250])
def test_bits_cost_what_they_are_worth(chance):
    random_bits = random.Random(chance)
    bits = [random_bits.random() >= chance / 256 for _ in range(20_000)]
    encoder = RangeEncoder()
    for bit in bits:
        encoder.bit(bit, chance)
    ones = sum(bits)
    worth = -ones * math.log2(1 - chance / 256) - (len(bits) - ones) * math.log2(chance / 256)
    assert 8 * len(encoder.finish()) == pytest.approx(worth, rel=0.002, abs=16)


@given(st.binary(max_size=200), st.lists(st.tuples(CHANCES, CHANCES), min_size=1, max_size=70))
def test_any_bytes_are_numbers_or_refused(data, chances):
    try:
        decoder = RangeDecoder(data)
        for zero, more in chances:
            assert abs(decoder.number(zero, more, sign=0)) <= 65550
    except ProtocolError:
        pass


def test_bytes_after_the_end_are_refused():
    encoder = RangeEncoder()
    encoder.number(5, 128, 128, sign=0)
    data = encoder.finish()
    for longer in (data + b"\0", data + b"\1\1\1\1\1"):
        decoder = RangeDecoder(longer)
        assert decoder.number(128, 128, sign=0) == 5
        with pytest.raises(ProtocolError, match="go on after their end"):
            decoder.finish()
