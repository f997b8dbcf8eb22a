"""Rows of pieces: whole, never overfilled, as few as best fit gives."""

import bisect

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from repoloom.tokens import rows, windows

CAPACITY = 40
SIZES = st.lists(st.integers(1, CAPACITY), max_size=80).map(lambda sizes: np.array(sizes, np.int64))


def loads(table, sizes):
    return [int(sizes[table[row]].sum()) for row in range(len(table))]


def best_fit(sizes, capacity):
    """Tokens of each row, plainly: the longest piece left goes into the fullest row that still holds it."""
    room = []
    for size in sorted(sizes.tolist(), reverse=True):
        place = bisect.bisect_left(room, size)
        left = (room.pop(place) if place < len(room) else capacity) - size
        bisect.insort(room, left)
    return sorted(capacity - left for left in room)


@settings(max_examples=500)
@given(SIZES, st.integers(0, 3))
def test_each_piece_stands_once_and_no_row_is_overfilled(sizes, seed):
    table = rows.fill(sizes, CAPACITY, seed)
    assert sorted(table.pieces.tolist()) == list(range(len(sizes)))
    assert [piece for row in range(len(table)) for piece in table[row].tolist()] == table.pieces.tolist()
    assert all(0 < load <= CAPACITY for load in loads(table, sizes))


@settings(max_examples=500)
@given(SIZES)
def test_rows_are_filled_as_best_fit_decreasing_fills_them(sizes):
    assert sorted(loads(rows.fill(sizes, CAPACITY, 0), sizes)) == best_fit(sizes, CAPACITY)


@given(SIZES)
def test_no_two_rows_could_be_one(sizes):
    emptiest = sorted(loads(rows.fill(sizes, CAPACITY, 0), sizes))[:2]
    assert len(emptiest) < 2 or sum(emptiest) > CAPACITY


@given(SIZES, st.integers(0, 100))
def test_the_same_seed_gives_the_same_rows(sizes, seed):
    first, again = (rows.fill(sizes.copy(), CAPACITY, seed) for _ in range(2))
    np.testing.assert_array_equal(first.pieces, again.pieces)
    np.testing.assert_array_equal(first.bounds, again.bounds)


def test_the_seed_mixes_equals_and_the_order_within_a_row():
    sizes = np.full(4000, 10, np.int64)
    first, other = (rows.fill(sizes, CAPACITY, seed) for seed in (0, 1))
    assert len(first) == 1000
    assert {frozenset(first[row].tolist()) for row in range(1000)} != {
        frozenset(other[row].tolist()) for row in range(1000)
    }
    assert abs(np.mean([first[row][0] < first[row][-1] for row in range(1000)]) - 0.5) < 0.06
    mixed = rows.fill(np.repeat(np.array([25, 15], np.int64), 1000), CAPACITY, 0)
    assert abs(np.mean([mixed[row][0] < 1000 for row in range(1000)]) - 0.5) < 0.06, "the longest stands anywhere"


def test_the_standard_library_fills_its_rows(packed, tokenizer):
    context = 512
    ends_line = np.array([entry.endswith(b"\n") for entry in tokenizer.table])
    pieces = windows.cut(packed, ends_line, context)
    sizes = pieces.lengths + 1
    table = rows.fill(sizes, context + 1, 0)
    assert max(loads(table, sizes)) <= context + 1
    assert sizes.sum() / (len(table) * (context + 1)) > 0.98
