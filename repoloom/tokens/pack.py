"""Documents to tokens on disk: Megatron-Core's indexed dataset (.bin, .idx), and of each file where it starts
(.files.npy) and its repository and language (.sources.parquet).

One sequence is one document, ended by EOS, which is how Megatron-LM and NeMo read it. Files are encoded one by one: a
file ends with a line break, so for our tokenizer that is the encoding of the whole. The corpus is encoded in
pieces that are kept until the end, so that an interrupted run goes on. How many processes share them changes no byte.
"""

import functools
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from repoloom import engine, formats
from repoloom.errors import UserError
from repoloom.progress import bar
from repoloom.stage import MANIFEST, Manifest, Work, build, digest_file, read_manifest
from repoloom.tokens import megatron
from repoloom.tokens.tokenizer import FILE, Tokenizer

Ids = npt.NDArray[np.uint16] | npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]

_SOURCES = pa.schema([("repo", pa.string()), ("language", pa.string())])
_PARTS = ".parts"
_PIECE = 32_000_000
"""Bytes that are encoded and kept at one time: after a kill no more is done again."""
_WORTHWHILE = 50_000_000
"""Bytes for each process: it takes longer to start one than to encode less."""
_BATCH = 1_000_000
"""Characters handed to the tokenizer at one time."""
_ROWS = 16
"""Documents in memory at one time."""


def pack(documents: Path, tokenizer: Path, out: Path) -> Manifest:
    """Encode a curate folder's `documents/` and `heldout/` into `train.*` and `heldout.*`.

    Counts: documents, files, tokens (EOS among them) and bytes of each split, also by language, and the training text's
    bytes per token.
    Raises UserError where the tokenizer has no token that ends a text.
    """
    encoder = Tokenizer.load(tokenizer)
    if encoder.eos is None:
        raise UserError(f"{tokenizer} names no eos_token: documents could not be told apart")
    inputs = {"documents": read_manifest(documents)["content"], "tokenizer": digest_file(tokenizer / FILE)}
    code = [
        "tokens/pack.py",
        "tokens/megatron.py",
        "tokens/tokenizer.py",
        "tokens/bpe.py",
        "tokens/fast.py",
        "tokens/bulk.py",
        "engine.py",
    ]
    settings = {"eos": encoder.eos}
    with build(out, "pack", inputs=inputs, settings=settings, code=code, libraries=["tokenizers", "tiktoken"]) as work:
        if work.finished is None:
            found = {"train": formats.parts(documents, "documents")}
            if (documents / "heldout").exists():
                found["heldout"] = formats.parts(documents, "heldout")
            pieces = _pieces(work, found)
            _encode_all(work, pieces, tokenizer)
            counts: dict[str, Any] = {
                split: _join(work, split, [p.place for p in pieces if p.split == split], _dtype(encoder))
                for split in found
            }
            counts["bytes_per_token"] = counts["train"]["bytes"] / max(counts["train"]["tokens"], 1)
            shutil.rmtree(work.path(_PARTS))
            work.finish(counts)
    assert work.manifest is not None
    return work.manifest


@dataclass(frozen=True, slots=True)
class _Piece:
    """Row groups of one part of the corpus, and the folder of its tokens."""

    split: str
    part: Path
    groups: range
    bytes: int
    place: Path


def _pieces(work: Work, found: dict[str, list[Path]]) -> list[_Piece]:
    """The corpus in pieces of about `_PIECE`, in order."""
    pieces: list[_Piece] = []
    for split, parts in found.items():
        for part in parts:
            with pq.ParquetFile(part) as file:
                sizes = [file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups)]
            first = size = 0
            for group, more in enumerate(sizes):
                size += more
                if size >= _PIECE or group == len(sizes) - 1:
                    place = work.path(f"{_PARTS}/{len(pieces):06d}")
                    pieces.append(_Piece(split, part, range(first, group + 1), size, place))
                    first, size = group + 1, 0
    return pieces


def _encode_all(work: Work, pieces: list[_Piece], tokenizer: Path) -> None:
    work.path(_PARTS).mkdir(exist_ok=True)
    missing = [piece for piece in pieces if not piece.place.exists()]
    left, total = (sum(piece.bytes for piece in some) for some in (missing, pieces))
    # A second process pays off where it has more to do than to start.
    count = max(1, min(engine.cores(), left // _WORTHWHILE))
    with bar("pack", total / 1e6, (total - left) / 1e6) as progress:
        encode = functools.partial(_encode, tokenizer)
        for piece, tokens in zip(missing, engine.map_ordered(encode, missing, count), strict=True):
            progress.advance(piece.bytes / 1e6, f"{tokens:,} tokens in the last piece")


_tokenizer = functools.cache(Tokenizer.load)


def _encode(folder: Path, piece: _Piece) -> int:
    """Encode a piece into a folder of its own: ids, tokens a document, tokens and bytes of text a file, and sources.

    EOS counts to a document's last file.
    """
    tokenizer = _tokenizer(folder)
    partial = piece.place.with_name(f".partial-{os.getpid()}-{piece.place.name}")
    partial.mkdir()
    documents: list[int] = []
    files: list[int] = []
    sizes: list[int] = []
    sources: list[dict[str, str]] = []
    end = np.asarray([tokenizer.eos], _dtype(tokenizer)).tobytes()
    with (partial / "ids").open("wb") as out:
        for batch in _batches(piece):
            ids = iter(tokenizer.encode_arrays([text for row in batch for text in row.texts]))
            for row in batch:
                sources += row.sources
                lengths = []
                for text in row.texts:
                    of_file = next(ids)
                    out.write(of_file.astype(_dtype(tokenizer)).tobytes())
                    lengths.append(len(of_file))
                    sizes.append(len(text.encode()))
                out.write(end)
                lengths[-1] += 1
                files += lengths
                documents.append(sum(lengths))
    of_documents, of_files, in_bytes = (np.array(counts, np.int64) for counts in (documents, files, sizes))
    np.savez(partial / "counts.npz", documents=of_documents, files=of_files, bytes=in_bytes)
    pq.write_table(pa.Table.from_pylist(sources, _SOURCES), partial / "sources")
    partial.replace(piece.place)
    return sum(documents)


@dataclass(frozen=True, slots=True)
class _Row:
    """A document's files."""

    texts: list[str]
    sources: list[dict[str, str]]


def _batches(piece: _Piece) -> Iterator[list[_Row]]:
    """About `_BATCH` characters of documents at a time."""
    batch: list[_Row] = []
    size = 0
    with pq.ParquetFile(piece.part) as file:
        for table in file.iter_batches(_ROWS, list(piece.groups), ["repo", "files", "text"]):
            for row in table.to_pylist():
                if row["files"]:
                    texts = [row["text"][one["start"] : one["end"]] for one in row["files"]]
                    sources = [{"repo": row["repo"], "language": one["language"]} for one in row["files"]]
                    batch.append(_Row(texts, sources))
                    size += len(row["text"])
                if size >= _BATCH:
                    yield batch
                    batch, size = [], 0
    if batch:
        yield batch


def _dtype(tokenizer: Tokenizer) -> np.dtype[Any]:
    return np.dtype(np.uint16 if tokenizer.size <= 65_536 else np.int32)


def _join(work: Work, split: str, places: Sequence[Path], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Join the pieces of one split, in order, and write its index and its files' starts."""
    counts = [np.load(place / "counts.npz") for place in places]
    documents, files, sizes = (
        np.concatenate([np.empty(0, np.int64), *(count[name] for count in counts)])
        for name in ("documents", "files", "bytes")
    )
    with work.write(f"{split}.bin") as path, path.open("wb") as whole:
        for place in places:
            with (place / "ids").open("rb") as piece:
                shutil.copyfileobj(piece, whole, 1 << 24)
    with work.write(f"{split}.idx") as path:
        megatron.write(path, documents, dtype)
    with work.write(f"{split}.files.npy") as path, path.open("wb") as file:
        np.save(file, np.cumsum(files) - files)
    with work.write(f"{split}.sources.parquet") as path, pq.ParquetWriter(path, _SOURCES) as whole_table:
        for place in places:
            whole_table.write_table(pq.read_table(place / "sources"))
    return {
        "documents": len(documents),
        "files": len(files),
        "tokens": int(documents.sum()),
        "bytes": int(sizes.sum()),
        "languages": _by_language(work.path(f"{split}.sources.parquet"), files, sizes),
    }


def _by_language(sources: Path, tokens: Offsets, sizes: Offsets) -> dict[str, dict[str, int]]:
    """Files, tokens and bytes of each language, the largest first."""
    table = pq.read_table(sources, columns=["language"])
    table = table.append_column("tokens", pa.array(tokens)).append_column("bytes", pa.array(sizes))
    sums = table.group_by("language").aggregate([("bytes", "count"), ("tokens", "sum"), ("bytes", "sum")])
    return {
        row["language"]: {"files": row["bytes_count"], "tokens": row["tokens_sum"], "bytes": row["bytes_sum"]}
        for row in sums.sort_by([("bytes_sum", "descending"), ("language", "ascending")]).to_pylist()
    }


def identity(folder: Path) -> object:
    """What a stage that reads a pack depends on: the content that its manifest states.

    For a dataset without one, as Megatron-Core writes it, digests of its files. Raises UserError for neither.
    """
    files = sorted([*folder.glob("train.*"), *folder.glob("heldout.*")])
    if (folder / MANIFEST).exists() or not files:
        return read_manifest(folder)["content"]
    return {file.name: megatron.digest(file) for file in files}


@dataclass(frozen=True)
class Packed:
    """One split of a packed corpus, read through a memory map."""

    ids: Ids
    starts: Offsets
    """Where each document starts in `ids`, and where the last one ends."""
    files: Offsets
    """Where each file starts in `ids`."""
    place: Path | None = None
    """The file that says where the files come from."""

    @classmethod
    def open(cls, folder: Path, split: str) -> "Packed":
        """The split `train` or `heldout` of a pack stage's folder. Raises UserError where it is missing or broken.

        A dataset that Megatron-Core wrote serves as well: where nothing says where files start, each of its sequences
        is a file.
        """
        try:
            index = megatron.read(folder / f"{split}.idx")
            tokens = folder / f"{split}.bin"
            # As a plain array: a memmap's own slices cost ten times as much.
            ids = np.asarray(np.memmap(tokens, index.dtype, "r")) if tokens.stat().st_size else np.empty(0, index.dtype)
            of_files = folder / f"{split}.files.npy"
            files = np.load(of_files) if of_files.exists() else index.ends[:-1]
        except (OSError, EOFError, ValueError) as error:
            raise UserError(f"{folder} holds no packed {split} tokens: {error}") from None
        if index.ends[-1] != len(ids):
            raise UserError(f"{folder}/{split}.bin holds {len(ids):,} tokens, not {index.ends[-1]:,}: pack again")
        starts = index.ends[index.documents]
        return cls(ids, starts, files, folder / f"{split}.sources.parquet")

    def __len__(self) -> int:
        """The number of documents."""
        return len(self.starts) - 1

    def tokens(self, document: int) -> Ids:
        """A document's ids, EOS at the end."""
        return self.ids[self.starts[document] : self.starts[document + 1]]

    def file_starts(self, document: int) -> Offsets:
        """Where its files start, counted from the document's start; the first is 0."""
        first, last = np.searchsorted(self.files, self.starts[document : document + 2])
        starts: Offsets = self.files[first:last] - self.starts[document]
        return starts

    @property
    def sourced(self) -> bool:
        """Whether it is known where the files come from."""
        return self.place is not None and self.place.exists()

    def sources(self, column: str) -> "Sources":
        """Of each file its `repo` or its `language`. Raises UserError where that is not known."""
        if self.place is None or not self.sourced:
            raise UserError(f"{self.place or 'this pack'} does not say where its files come from: pack again")
        table = pq.read_table(self.place, columns=[column], read_dictionary=[column]).combine_chunks()
        if len(table) != len(self.files):
            raise UserError(f"{self.place} knows of {len(table):,} files, not {len(self.files):,}: pack again")
        chunk = table[column].combine_chunks()
        return Sources(chunk.indices.to_numpy().astype(np.int64), chunk.dictionary.to_pylist())


@dataclass(frozen=True)
class Sources:
    """A name for each file: `names[numbers[file]]`."""

    numbers: Offsets
    names: list[str]
