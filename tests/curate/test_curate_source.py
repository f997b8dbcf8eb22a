"""Shards in pieces: cut by repository alone, read back whole, whatever the row groups are like."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repoloom.curate import source as module
from repoloom.curate.source import Entry, Piece, Source
from repoloom.errors import UserError
from repoloom.formats import SHARD

Row = tuple[str, str]
"""Repository and content."""


def write(path: Path, rows: Sequence[Row], group: int) -> Path:
    table = pa.Table.from_pylist(
        [{"repo": repo, "path": f"{n}.py", "size": len(text), "content": text} for n, (repo, text) in enumerate(rows)],
        SHARD,
    )
    pq.write_table(table, path, row_group_size=group)
    return path


def contents(source: Source, pieces: Sequence[Piece]) -> list[list[str]]:
    return [table.column("content").to_pylist() for table in source.tables(pieces)]


ROWS = [(f"r{n // 7}", f"{n}" * (n % 5 + 1)) for n in range(100)] + [("large", "x" * 40)] * 30 + [("last", "y")]


@pytest.mark.parametrize("group", [1, 3, 64, 1000])
def test_pieces_hold_every_row_once_and_depend_on_their_repository_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int
) -> None:
    monkeypatch.setattr(module, "PIECE", 100)
    shards = [write(tmp_path / "a", ROWS[:50], group), write(tmp_path / "b", ROWS[50:], group)]
    source = Source(shards)
    pieces = list(source.pieces())
    found = contents(source, pieces)
    assert [text for piece in found for text in piece] == [text for _, text in ROWS]
    assert [len(piece.places()) for piece in pieces] == [len(texts) for texts in found]
    assert all(piece.bytes == sum(map(len, texts)) for piece, texts in zip(pieces, found, strict=True))
    large = [texts for piece, texts in zip(pieces, found, strict=True) if piece.repo == "large"]
    assert [len(texts) for texts in large] == [3] * 10
    # The same repository behind others, in other row groups, is cut at the same files.
    alone = Source([write(tmp_path / "c", [("other", "z")] * 11 + ROWS[100:130], 4)])
    assert [
        t for p, t in zip(alone.pieces(), contents(alone, list(alone.pieces())), strict=True) if p.repo == "large"
    ] == large


def test_a_large_row_group_is_one_job_and_small_ones_are_shared_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIECE", 100)
    source = Source([write(tmp_path / "a", ROWS, 10)])
    jobs = source.jobs(source.pieces())
    assert [piece for job in jobs for piece in job] == list(source.pieces())
    assert len(jobs) > 5 and all(sum(piece.bytes for piece in job[:-1]) < 100 for job in jobs)
    monkeypatch.setattr(module, "_LARGE", 10)
    whole = Source([write(tmp_path / "b", ROWS, 1000)])
    assert len(whole.jobs(whole.pieces())) == 1


def test_texts_come_in_the_order_of_the_shards_however_they_are_asked_for(tmp_path: Path) -> None:
    source = Source([write(tmp_path / "a", ROWS[:50], 7), write(tmp_path / "b", ROWS[50:], 7)])
    places = [place for piece in source.pieces() for place in piece.places()]

    def entry(number: int) -> Entry:
        about: dict[str, Any] = {"revision": None, "language": "", "license": None, "bytes": 0, "words": 0, "plain": 0}
        return Entry(places[number], ROWS[number][0], "", **about)

    asked = [120, 3, 77, 4, 49, 50, 6, 130]
    found = [(entry.place, text) for entry, text in source.texts(entry(number) for number in asked)]
    assert found == [(places[number], ROWS[number][1]) for number in sorted(asked)]


def test_a_shard_that_is_cut_off_or_lacks_a_column_is_said_in_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a", [("r", "text " * 1000)] * 100, 10)
    pq.write_table(pq.read_table(path).drop_columns(["license"]), tmp_path / "b")
    with pytest.raises(UserError, match="no column named license"):
        list(Source([tmp_path / "b"]).pieces())
    data = bytearray(path.read_bytes())
    data[4:2000] = bytes(1996)
    path.write_bytes(data)
    source = Source([path])
    with pytest.raises(UserError, match="cannot read the shard") as failure:
        contents(source, list(source.pieces()))
    assert "\n" not in str(failure.value)
