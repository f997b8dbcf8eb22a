"""Values cross exactly, type and all; whatever is no plain data does not cross."""

import json
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repoloom.sandbox.guest import wire

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**30),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False),
    st.text(),
    st.binary(),
    st.decimals(allow_nan=False),
    st.fractions(),
)
HASHABLE = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner).map(tuple), st.frozensets(inner)), max_leaves=5
)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(HASHABLE, inner), st.sets(HASHABLE)),
    max_leaves=10,
)


def refuse(value: object) -> list[object]:
    raise AssertionError(f"{value!r} is no plain data")


def crossed(value: object) -> object:
    return wire.decode(json.loads(json.dumps(wire.encode(value, refuse))), refuse)


def typed(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return type(value), [typed(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(map(repr, map(typed, value)))
    if isinstance(value, dict):
        return type(value), [(typed(k), typed(v)) for k, v in value.items()]
    return type(value), repr(value)


@settings(max_examples=80, deadline=None)
@given(VALUES)
def test_plain_data_crosses_exactly(value: object) -> None:
    assert typed(crossed(value)) == typed(value)


def test_special_values() -> None:
    assert str(crossed(float("nan"))) == "nan"
    assert repr(crossed(-0.0)) == "-0.0"
    assert crossed(range(3, 10**20, 2)) == range(3, 10**20, 2)
    assert crossed("\ud800") == "\ud800"
    assert list(crossed(map(str, [1, 2]))) == ["1", "2"]  # type: ignore[call-overload]
    assert (crossed(Decimal("1.10")), crossed(Fraction(1, 3))) == (Decimal("1.10"), Fraction(1, 3))


def test_a_subclass_arrives_as_what_it_is_a_subclass_of() -> None:
    class Agrees(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

    assert crossed(Agrees(3)) != 4
    assert type(crossed(Counter("aab"))) is dict


@pytest.mark.parametrize(
    "message", [{}, ["evil"], ["int", "zz"], ["list"], ["dict", [[["list", []], 1]]], ["range", "a"], [[], 1], []]
)
def test_nonsense_is_refused(message: object) -> None:
    with pytest.raises((ValueError, TypeError, IndexError, AttributeError)):
        wire.decode(message, refuse)
