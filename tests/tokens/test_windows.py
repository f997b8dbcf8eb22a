"""Pieces against a plain reading of the rule, on corpora of any shape and on the standard library's."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repoloom.tokens import windows
from repoloom.tokens.pack import Packed

WORD, BREAK, END = 0, 1, 2
ENDS_LINE = np.array([False, True, False])

FILE = st.lists(st.integers(0, 12), max_size=8)
"""Words of each line."""
CORPUS = st.lists(st.lists(FILE, min_size=1, max_size=5), max_size=6)
"""Documents of files of lines. A document without any file is left out by `pack`."""


def packed_of(corpus):
    ids, starts, files = [], [0], []
    for document in corpus:
        for file in document:
            files.append(len(ids))
            for words in file:
                ids += [WORD] * words + [BREAK]
        ids.append(END)
        starts.append(len(ids))
    return Packed(np.array(ids, np.uint16), np.array(starts, np.int64), np.array(files, np.int64))


def check(packed, pieces, ends_line, limit):
    """Nothing lost or doubled, nothing too long, no piece of two documents."""
    ends = pieces.starts + pieces.lengths
    assert pieces.starts.tolist() == ([0, *ends[:-1].tolist()] if len(pieces) else [])
    assert (ends[-1] if len(pieces) else 0) == len(packed.ids)
    assert all(1 <= length <= limit for length in pieces.lengths.tolist())
    assert set(packed.starts[:-1].tolist()) <= set(pieces.starts.tolist())
    lines = set((np.flatnonzero(ends_line[packed.ids]) + 1).tolist())
    files, borders = set(packed.files.tolist()), set(packed.starts.tolist())
    for start, end in zip(pieces.starts.tolist(), ends.tolist(), strict=True):
        if end in borders:
            continue
        last_quarter = range(start + limit, start + int(0.75 * limit), -1)
        of_file = [place for place in last_quarter if place in files]
        of_line = [place for place in last_quarter if place in lines]
        assert end == [*of_file[:1], *of_line[:1], start + limit][0]


@settings(max_examples=500, deadline=None)
@given(CORPUS, st.integers(1, 60))
def test_every_piece_ends_at_the_last_file_else_line_border_of_its_last_quarter(corpus, limit):
    packed = packed_of(corpus)
    check(packed, windows.cut(packed, ENDS_LINE, limit), ENDS_LINE, limit)


@pytest.mark.parametrize("limit", [50, 118, 502, 4086, 10**7])
def test_the_standard_librarys_pieces_follow_the_rule(packed, tokenizer, limit):
    ends_line = np.array([entry.endswith(b"\n") for entry in tokenizer.table])
    pieces = windows.cut(packed, ends_line, limit)
    check(packed, pieces, ends_line, limit)
    if limit > 10**6:
        assert len(pieces) == len(packed)


def test_pieces_joined_are_the_documents_and_few_begin_in_mid_line(packed, tokenizer, documents):
    ends_line = np.array([entry.endswith(b"\n") for entry in tokenizer.table])
    pieces = windows.cut(packed, ends_line, 502)
    texts = [
        tokenizer.decode_bytes(packed.ids[start : start + length].tolist())
        for start, length in zip(pieces.starts, pieces.lengths, strict=True)
    ]
    assert b"".join(texts).decode() == "".join(row["text"] for row in documents)
    assert np.mean([text.endswith(b"\n") or not text for text in texts]) > 0.99


def test_a_tokenizer_that_is_not_byte_level_is_cut_at_files_and_limits(packed, tokenizer):
    nowhere = np.zeros(tokenizer.size, np.bool_)
    check(packed, windows.cut(packed, nowhere, 502), nowhere, 502)


@settings(max_examples=500, deadline=None)
@given(CORPUS, st.integers(1, 60), st.integers(0, 20))
def test_files_that_begin_inside_a_piece_take_their_share_of_it(corpus, limit, a_file):
    packed = packed_of(corpus)
    pieces = windows.cut(packed, ENDS_LINE, limit, a_file)
    ends = pieces.starts + pieces.lengths
    assert np.concatenate([pieces.starts, [len(packed.ids)]]).tolist() == [0, *ends.tolist()]
    assert set(packed.starts[:-1].tolist()) <= set(pieces.starts.tolist())
    for start, end in zip(pieces.starts.tolist(), ends.tolist(), strict=True):
        taken = end - start + a_file * sum(start < file < end for file in packed.files.tolist())
        assert 1 <= taken <= limit
        # It could not be a quarter larger: it ends with the document, or what follows would be too much.
        if end not in packed.starts:
            longer = min(end + limit // 4 + 1, len(packed.ids))
            more = longer - start + a_file * sum(start < file < longer for file in packed.files.tolist())
            assert more > limit or longer > packed.starts[packed.starts > start].min()


@settings(max_examples=500, deadline=None)
@given(CORPUS, st.integers(5, 60), st.integers(1, 4), st.integers(0, 20), st.randoms())
def test_concatenated_documents_fill_every_row_but_the_last(corpus, room, a_piece, a_file, random):
    packed = packed_of(corpus)
    order = list(range(len(packed)))
    random.shuffle(order)
    pieces, bounds = windows.concatenate(packed, np.array(order, np.int64), room, a_piece, a_file)
    shown = (packed.ids[a : a + n].tolist() for a, n in zip(pieces.starts, pieces.lengths, strict=True))
    known = (packed.tokens(document).tolist() for document in order)
    assert list(itertools.chain(*shown)) == list(itertools.chain(*known))
    sizes = a_piece + pieces.lengths + a_file * windows.begun(packed, pieces.starts, pieces.lengths)
    assert bounds.tolist() == sorted(set(bounds.tolist())) and bounds[-1] == len(pieces)
    for first, last in itertools.pairwise(bounds.tolist()):
        taken = int(sizes[first:last].sum())
        assert taken <= room
        if last < len(pieces):
            assert taken > room - a_piece - max(a_file, 1), "one more token would not have fitted"
