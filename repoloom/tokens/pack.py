"""Documents to tokens on disk: Megatron-Core's indexed dataset (.bin, .idx), and of each file where it starts
(.files.npy) and its repository and language (.sources.parquet).

One sequence is one document, ended by EOS, which is how Megatron-LM and NeMo read it. Files are encoded one by one: a
file ends with a line break, so for our tokenizer that is the encoding of the whole. The corpus is encoded in
pieces that are kept until the end, so that an interrupted run goes on. How many processes share them changes no byte.
"""

import functools
import os
import shutil
import struct
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
from repoloom.stage import Manifest, Work, build, digest_file, read_manifest
from repoloom.tokens.tokenizer import FILE, Tokenizer

Ids = npt.NDArray[np.uint16] | npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]

_MAGIC = b"MMIDIDX\x00\x00"
_HEAD = "<QBQQ"
"""Version, code of the ids' type, number of sequences, number of document borders."""
_CODES: dict[np.dtype[Any], int] = {np.dtype(np.int32): 4, np.dtype(np.uint16): 8}
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

    Counts: documents, files, tokens (EOS among them) and bytes of each split, and the training text's bytes per token.
    Raises UserError where the tokenizer has no token that ends a text.
    """
    encoder = Tokenizer.load(tokenizer)
    if encoder.eos is None:
        raise UserError(f"{tokenizer} names no eos_token: documents could not be told apart")
    inputs = {"documents": read_manifest(documents)["content"], "tokenizer": digest_file(tokenizer / FILE)}
    code = ["tokens/pack.py", "tokens/tokenizer.py", "tokens/bpe.py", "tokens/fast.py", "tokens/bulk.py", "engine.py"]
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
    """Encode a piece into a folder of its own: ids, tokens a document, tokens a file, bytes of text, and sources.

    EOS counts to a document's last file.
    """
    tokenizer = _tokenizer(folder)
    partial = piece.place.with_name(f".partial-{os.getpid()}-{piece.place.name}")
    partial.mkdir()
    documents: list[int] = []
    files: list[int] = []
    sources: list[dict[str, str]] = []
    size = 0
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
                    size += len(text.encode())
                out.write(end)
                lengths[-1] += 1
                files += lengths
                documents.append(sum(lengths))
    np.savez(
        partial / "counts.npz", documents=np.array(documents, np.int64), files=np.array(files, np.int64), size=size
    )
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


def _join(work: Work, split: str, places: Sequence[Path], dtype: np.dtype[Any]) -> dict[str, int]:
    """Join the pieces of one split, in order, and write its index and its files' starts."""
    counts = [np.load(place / "counts.npz") for place in places]
    documents = np.concatenate([count["documents"] for count in counts])
    files = np.concatenate([count["files"] for count in counts])
    with work.write(f"{split}.bin") as path, path.open("wb") as whole:
        for place in places:
            with (place / "ids").open("rb") as piece:
                shutil.copyfileobj(piece, whole, 1 << 24)
    with work.write(f"{split}.idx") as path:
        _write_index(path, documents, dtype)
    with work.write(f"{split}.files.npy") as path, path.open("wb") as file:
        np.save(file, np.cumsum(files) - files)
    with work.write(f"{split}.sources.parquet") as path, pq.ParquetWriter(path, _SOURCES) as whole_table:
        for place in places:
            whole_table.write_table(pq.read_table(place / "sources"))
    return {
        "documents": len(documents),
        "files": len(files),
        "tokens": int(documents.sum()),
        "bytes": sum(int(count["size"]) for count in counts),
    }


def _write_index(path: Path, lengths: Offsets, dtype: np.dtype[Any]) -> None:
    """Megatron-Core's index: header, int32 lengths, int64 byte offsets, int64 borders of documents."""
    with path.open("wb") as file:
        file.write(_MAGIC + struct.pack(_HEAD, 1, _CODES[dtype], len(lengths), len(lengths) + 1))
        file.write(lengths.astype(np.int32).tobytes())
        file.write(((np.cumsum(lengths) - lengths) * dtype.itemsize).astype(np.int64).tobytes())
        file.write(np.arange(len(lengths) + 1, dtype=np.int64).tobytes())


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
        """The split `train` or `heldout` of a pack stage's folder. Raises UserError where it is missing or broken."""
        try:
            index = (folder / f"{split}.idx").read_bytes()
            version, code, sequences, _ = struct.unpack_from(_HEAD, index, len(_MAGIC))
            if not index.startswith(_MAGIC) or version != 1:
                raise ValueError("not a Megatron-Core index of version 1")
            dtype = next(dtype for dtype, known in _CODES.items() if known == code)
            lengths = np.frombuffer(index, np.int32, sequences, len(_MAGIC) + struct.calcsize(_HEAD))
            tokens = folder / f"{split}.bin"
            # As a plain array: a memmap's own slices cost ten times as much.
            ids = np.asarray(np.memmap(tokens, dtype, "r")) if tokens.stat().st_size else np.empty(0, dtype)
            files = np.load(folder / f"{split}.files.npy")
        except (OSError, EOFError, ValueError, struct.error, StopIteration) as error:
            reason = str(error) or "unknown type of ids"
            raise UserError(f"{folder} holds no packed {split} tokens: {reason}") from None
        starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        if starts[-1] != len(ids):
            raise UserError(f"{folder}/{split}.bin holds {len(ids):,} tokens, not {starts[-1]:,}: pack again")
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

    def sources(self, column: str) -> "Sources":
        """Of each file its `repo` or its `language`. Raises UserError where that is not known."""
        if self.place is None or not self.place.exists():
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
