"""Megatron-Core's own classes on datasets of ours, and ours on datasets of Megatron-Core's."""

import itertools
import json

import numpy as np
import pytest
from foreign import foreign
from library_corpus import write_curated

from repoloom.errors import UserError
from repoloom.tokens.pack import Packed, pack

torch = pytest.importorskip("torch")
pytest.importorskip("megatron.core", reason="megatron-core has no wheel for this Python")


@pytest.fixture(scope="module")
def large_folder(documents, tmp_path_factory):
    """A pack in int32: the end of text is an id that needs it."""
    place = tmp_path_factory.mktemp("large")
    foreign(place / "tokenizer", config={"eos_token": "<end>"})
    description = json.loads((place / "tokenizer" / "tokenizer.json").read_text())
    description["model"]["vocab"]["<end>"] = 70_000
    (place / "tokenizer" / "tokenizer.json").write_text(json.dumps(description))
    curated = write_curated(place / "curate", {"documents": [documents[:2], documents[2:4]]})
    pack(curated, place / "tokenizer", place / "pack")
    return place / "pack"


@pytest.fixture(params=["uint16", "int32"])
def ours(request, packed_folder, large_folder):
    folder = {"uint16": packed_folder, "int32": large_folder}[request.param]
    packed = Packed.open(folder, "train")
    assert packed.ids.dtype == request.param and len(packed) > 2
    return folder, packed


def build(prefix, dtype, documents):
    """A dataset of Megatron-Core's: each document is a list of sequences."""
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype)
    for sequences in documents:
        for sequence in sequences:
            builder.add_item(torch.from_numpy(sequence.astype(np.int64)))
        builder.end_document()
    builder.finalize(f"{prefix}.idx")


def files(packed, document):
    """A document's ids, file by file."""
    return np.split(packed.tokens(document), packed.file_starts(document)[1:])


@pytest.mark.parametrize("mapped", [True, False])
def test_megatron_reads_every_document_of_ours(ours, mapped):
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    folder, packed = ours
    theirs = IndexedDataset(str(folder / "train"), mmap=mapped)
    assert len(theirs) == len(packed) == len(theirs.document_indices) - 1
    for number in range(len(packed)):
        assert theirs[number].dtype == packed.ids.dtype
        np.testing.assert_array_equal(theirs[number], packed.tokens(number))


def test_the_same_documents_written_by_megatron_are_the_same_bytes(ours, tmp_path):
    folder, packed = ours
    build(tmp_path / "train", packed.ids.dtype.type, [[packed.tokens(number)] for number in range(len(packed))])
    for end in ("bin", "idx"):
        assert (tmp_path / f"train.{end}").read_bytes() == (folder / f"train.{end}").read_bytes()


def test_we_read_every_document_of_megatrons(ours, tmp_path):
    """Documents of several sequences, as its tool makes of texts split into sentences: here a sequence is a file."""
    _, packed = ours
    build(tmp_path / "train", packed.ids.dtype.type, [files(packed, number) for number in range(len(packed))])
    found = Packed.open(tmp_path, "train")
    assert found.ids.dtype == packed.ids.dtype and len(found) == len(packed)
    for number in range(len(packed)):
        np.testing.assert_array_equal(found.tokens(number), packed.tokens(number))
        assert [ids.tolist() for ids in files(found, number)] == [ids.tolist() for ids in files(packed, number)]
    with pytest.raises(UserError, match="where its files come from"):
        found.sources("language")


def test_an_index_whose_documents_are_broken_is_refused(ours, tmp_path):
    _, packed = ours
    build(tmp_path / "train", packed.ids.dtype.type, [[packed.tokens(0)], [packed.tokens(1)], [packed.tokens(2)]])
    index = (tmp_path / "train.idx").read_bytes()
    for borders in ([0, 1, 2, 2], [1, 1, 2, 3], [0, 2, 1, 3], [0, 1, -1, 3], [0, 1, 2, 99]):
        (tmp_path / "train.idx").write_bytes(index[:-32] + np.array(borders, np.int64).tobytes())
        with pytest.raises(UserError, match="do not cover"):
            Packed.open(tmp_path, "train")


def test_an_index_whose_numbers_cannot_be_is_refused(ours, tmp_path):
    _, packed = ours
    build(tmp_path / "train", packed.ids.dtype.type, [[packed.tokens(0)], [packed.tokens(1)]])
    index = (tmp_path / "train.idx").read_bytes()
    for first, last, number in ((18, 26, 2**64 - 1), (18, 26, 3), (26, 34, 2**63), (34, 38, 2**32 - 1)):
        broken = index[:first] + number.to_bytes(last - first, "little") + index[last:]
        (tmp_path / "train.idx").write_bytes(broken)
        with pytest.raises(UserError, match=r"which is not what|fewer than no ids"):
            Packed.open(tmp_path, "train")


def test_megatrons_training_samples_are_our_documents_in_a_row(packed_folder, packed, folder, tokenizer, tmp_path):
    """GPTDataset, built as pretrain_gpt.py builds it, with the tokenizer's folder in Megatron-Core's own class."""
    from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
    from megatron.core.tokenizers import MegatronTokenizer

    theirs = MegatronTokenizer.from_pretrained(str(folder), {"library": "huggingface", "model_type": "gpt"})
    assert (theirs.eod, theirs.pad) == (tokenizer.eos, tokenizer.pad)
    text = "def area(r):\n    return 3.14 * r**2  # 面积\n"
    assert theirs.tokenize(text) == tokenizer.encode(text)
    length = 100
    config = GPTDatasetConfig(
        random_seed=5,
        sequence_length=length,
        blend=([str(packed_folder / "train")], None),
        split="1,0,0",
        path_to_cache=str(tmp_path),
        tokenizer=theirs,
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        create_attention_mask=False,
    )
    data, *_ = BlendedMegatronDatasetBuilder(GPTDataset, [None, None, None], lambda: True, config).build()
    assert sorted(data.document_index) == list(range(len(packed)))
    row = np.concatenate([packed.tokens(int(number)) for number in data.document_index])
    assert len(data) == (len(row) - 1) // length
    places = np.argsort(data.shuffle_index)
    for place, start in zip(places, itertools.count(0, length), strict=False):
        sample = data[int(place)]
        np.testing.assert_array_equal(sample["tokens"], row[start : start + length])
        np.testing.assert_array_equal(sample["labels"], row[start + 1 : start + length + 1])
