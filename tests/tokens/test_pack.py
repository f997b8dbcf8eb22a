"""Packed tokens read back by a reader of our own, from Megatron-Core's published layout; packing killed and shared."""

import itertools
import os
import signal
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from foreign import foreign
from library_corpus import HELDOUT, document, write_curated

from repoloom.errors import UserError
from repoloom.formats import DOCUMENT
from repoloom.stage import read_manifest
from repoloom.tokens.pack import Packed, pack

SPLITS = ("train", "heldout")
NAMES = [f"{split}.{end}" for split in SPLITS for end in ("bin", "idx", "files.npy", "sources.parquet")]
SCRIPT = """
import os, sys
from pathlib import Path
from repoloom.tokens.pack import pack
if __name__ == "__main__":
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[4])])
    pack(*map(Path, sys.argv[1:4]))
"""


def command(curated, folder, out, cores):
    """Pack in a process of its own on so many cores: on one, one part is encoded after the other."""
    script = out.with_suffix(".py")
    script.write_text(SCRIPT)
    return [sys.executable, str(script), *map(str, (curated, folder, out, cores))]


def contents(out):
    return {name: (out / name).read_bytes() for name in NAMES}


@dataclass
class Indexed:
    """What a reader that follows Megatron-Core's indexed_dataset.py finds: nothing of it is ours."""

    sequences: list
    borders: list


def read_megatron(prefix):
    """Header: nine bytes, version, type, two counts. Then int32 sizes, int64 pointers in bytes, int64 borders."""
    index, data = Path(f"{prefix}.idx").read_bytes(), Path(f"{prefix}.bin").read_bytes()
    assert index[:9] == b"MMIDIDX\x00\x00"
    version, code = struct.unpack_from("<QB", index, 9)
    assert version == 1
    dtype = {1: "<u1", 2: "<i1", 3: "<i2", 4: "<i4", 5: "<i8", 6: "<f8", 7: "<f4", 8: "<u2"}[code]
    count, documents = struct.unpack_from("<QQ", index, 18)
    assert len(index) == 34 + 12 * count + 8 * documents, "nothing stands behind the borders"
    sizes = struct.unpack_from(f"<{count}i", index, 34)
    pointers = struct.unpack_from(f"<{count}q", index, 34 + 4 * count)
    borders = struct.unpack_from(f"<{documents}q", index, 34 + 12 * count)
    sequences = [
        np.frombuffer(data, dtype, size, pointer).tolist() for size, pointer in zip(sizes, pointers, strict=True)
    ]
    assert sum(sizes) * np.dtype(dtype).itemsize == len(data)
    return Indexed(sequences, list(borders))


@pytest.mark.parametrize("split", SPLITS)
def test_megatrons_layout_holds_one_document_a_sequence_ended_by_eos(packed_folder, tokenizer, documents, split):
    rows = documents if split == "train" else [document(package) for package in HELDOUT]
    found = read_megatron(packed_folder / split)
    assert found.borders == list(range(len(rows) + 1))
    assert len(found.sequences) == len(rows)
    for ids, row in zip(found.sequences, rows, strict=True):
        assert ids.index(tokenizer.eos) == len(ids) - 1
        assert tokenizer.decode(ids) == row["text"]
        assert ids[:-1] == tokenizer.encode(row["text"]), "file by file is the same as the whole"


def test_our_reader_finds_the_same_and_where_files_start(packed_folder, tokenizer, documents):
    packed, found = Packed.open(packed_folder, "train"), read_megatron(packed_folder / "train")
    assert packed.ids.dtype == np.uint16
    assert [packed.tokens(number).tolist() for number in range(len(packed))] == found.sequences
    for number, row in enumerate(documents):
        starts = [*packed.file_starts(number).tolist(), len(packed.tokens(number))]
        texts = [tokenizer.decode(packed.tokens(number)[a:b].tolist()) for a, b in itertools.pairwise(starts)]
        assert texts == [row["text"][file["start"] : file["end"]] for file in row["files"]]


def test_the_counts_are_those_of_the_corpus(packed_folder, documents):
    counts = read_manifest(packed_folder)["counts"]
    languages = counts["train"].pop("languages")
    size = sum(len(row["text"].encode()) for row in documents)
    tokens = sum(map(len, read_megatron(packed_folder / "train").sequences))
    files = sum(len(row["files"]) for row in documents)
    assert counts["train"] == {"documents": len(documents), "files": files, "tokens": tokens, "bytes": size}
    assert counts["bytes_per_token"] == size / tokens
    assert languages == {"python": {"files": files, "tokens": tokens, "bytes": size}}


def test_the_counts_by_language_are_those_of_its_files(folder, tokenizer, tmp_path):
    texts = {"go": ["x := 1\n", "func f() {}\n"], "c": ["int é;\n"], "sql": ["SELECT 1;\n"] * 9}
    rows = [
        {"files": [{"language": language, "start": 0, "end": len(text)}], "text": text}
        for language, of in texts.items()
        for text in of
    ]
    curated = write_curated(tmp_path / "curate", {"documents": [rows[:2], rows[2:]]})
    counts = pack(curated, folder, tmp_path / "out")["counts"]["train"]["languages"]
    assert list(counts) == ["sql", "go", "c"]
    for language, of in texts.items():
        ids = sum(len(tokenizer.encode(text)) + 1 for text in of)  # each a document, ended by EOS
        assert counts[language] == {"files": len(of), "tokens": ids, "bytes": sum(len(text.encode()) for text in of)}


@pytest.mark.parametrize("cores", [1, 2])
def test_the_bytes_are_the_same_for_any_number_of_processes(curated, folder, packed_folder, tmp_path, cores):
    """`packed_folder` was made in this process, with as many workers as this machine has cores."""
    subprocess.run(command(curated, folder, tmp_path / "out", cores), check=True)
    assert contents(tmp_path / "out") == contents(packed_folder)
    assert read_manifest(tmp_path / "out")["content"] == read_manifest(packed_folder)["content"]


def test_killed_at_any_moment_it_goes_on_and_ends_with_the_same_bytes(documents, folder, tmp_path):
    rows = [row | {"document_id": f"{row['document_id']}/{n}"} for n in range(3) for row in documents]
    curated = write_curated(tmp_path / "curate", {"documents": [[row] for row in rows], "heldout": [rows[:1]]})
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    pack(curated, folder, whole)
    kept = {}
    for parts in (1, 6, 13):
        with subprocess.Popen(command(curated, folder, killed, 1)) as process:
            while process.poll() is None and len(list(killed.glob(".parts/[0-9]*"))) < parts:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL, "it was too fast to be killed"
        stands = {place.name: os.stat(place).st_ino for place in killed.glob(".parts/[0-9]*")}
        assert kept.items() <= stands.items(), "a whole part is not made twice"
        assert parts <= len(stands) < len(rows)
        kept = stands
    assert not (killed / "manifest.json").exists()
    assert pack(curated, folder, killed)["run"]["resumed"]
    assert contents(killed) == contents(whole)
    assert sorted(place.name for place in killed.iterdir() if not place.name.startswith(".")) == sorted(
        [*NAMES, "manifest.json"]
    )
    assert not list(killed.rglob(".part*"))


def test_what_changed_nothing_is_not_packed_again(curated, folder, packed_folder):
    before = {name: os.stat(packed_folder / name).st_mtime_ns for name in NAMES}
    pack(curated, folder, packed_folder)
    assert {name: os.stat(packed_folder / name).st_mtime_ns for name in NAMES} == before


def test_empty_files_and_documents_keep_their_place(folder, tokenizer, tmp_path):
    def row(*texts):
        files, text = [], ""
        for number, content in enumerate(texts):
            files.append({"path": str(number), "start": len(text), "end": len(text) + len(content)})
            text += content
        return {"document_id": "d", "repo": "r", "files": files, "text": text}

    rows = [row("", "a = 1\n", ""), row(), row(""), row("é\r\n", "b\n")]
    curated = write_curated(tmp_path / "curate", {"documents": [rows, []], "heldout": [[]]})
    counts = pack(curated, folder, tmp_path / "out")["counts"]
    assert (counts["train"]["documents"], counts["train"]["files"], counts["heldout"]["tokens"]) == (3, 6, 0)
    packed = Packed.open(tmp_path / "out", "train")
    texts = [tokenizer.decode(packed.tokens(number).tolist()) for number in range(3)]
    assert texts == ["a = 1\n", "", "é\r\nb\n"]
    assert [len(packed.file_starts(number)) for number in range(3)] == [3, 1, 2]
    assert len(Packed.open(tmp_path / "out", "heldout")) == 0


def test_a_corpus_of_nothing_is_packed(folder, tmp_path):
    """Curate writes a part without a row group where it kept no file."""
    curated = write_curated(tmp_path / "curate", {"documents": []})
    pq.ParquetWriter(curated / "documents" / "part-00000.parquet", DOCUMENT).close()
    counts = pack(curated, folder, tmp_path / "out")["counts"]
    assert counts["train"] == {"documents": 0, "files": 0, "tokens": 0, "bytes": 0, "languages": {}}
    assert len(Packed.open(tmp_path / "out", "train")) == 0


def test_a_large_vocabulary_is_packed_in_int32(tmp_path, documents):
    """70,000 entries: the merges that the packing does not need are there as added tokens."""
    names = [f"<unused {number}>" for number in range(70_000)]
    large = foreign(tmp_path / "large", [*names, "<end>"], {"eos_token": "<end>"})
    assert large.eos == 256 + 70_000
    curated = write_curated(tmp_path / "curate", {"documents": [documents[:1]]})
    pack(curated, tmp_path / "large", tmp_path / "out")
    (ids,) = read_megatron(tmp_path / "out" / "train").sequences
    assert ids[-1] == large.eos and large.decode(ids) == documents[0]["text"]
    assert Packed.open(tmp_path / "out", "train").tokens(0).tolist() == ids


def test_what_is_missing_or_broken_is_said_in_one_line(curated, packed_folder, tmp_path):
    nameless = foreign(tmp_path / "nameless").folder
    with pytest.raises(UserError, match="names no eos_token"):
        pack(curated, nameless, tmp_path / "out")
    with pytest.raises(UserError, match="holds no packed train tokens"):
        Packed.open(tmp_path, "train")
    good = contents(packed_folder)
    for name, data, reason in (
        ("train.idx", good["train.idx"][:20], "holds no packed train tokens"),
        ("train.idx", b"MMIDIDX\x00\x01" + good["train.idx"][9:], "not a Megatron-Core index"),
        ("train.idx", good["train.idx"][:17] + b"\x09" + good["train.idx"][18:], "ids of type 9"),
        ("train.idx", good["train.idx"][:50], "holds no packed train tokens"),
        ("train.bin", good["train.bin"][:-2], "pack again"),
        ("train.files.npy", b"", "holds no packed train tokens"),
    ):
        for other, content in good.items():
            (tmp_path / other).write_bytes(data if other == name else content)
        with pytest.raises(UserError, match=reason) as failure:
            Packed.open(tmp_path, "train")
        assert "\n" not in str(failure.value)
