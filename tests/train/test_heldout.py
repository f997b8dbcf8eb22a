"""What a run is validated on, in parts: whose text it is, which targets count, and that they are measured and fixed."""

import json

import numpy as np
import pytest

from repoloom import stage
from repoloom.tokens.pack import Packed
from repoloom.tokens.tokenizer import Tokenizer
from repoloom.train import heldout
from tests.train.test_pretrain import CONTEXT, train


@pytest.fixture(scope="module")
def tokenizer(street):
    return Tokenizer.load(street.tokenizer)


@pytest.fixture(scope="module")
def parts(street, tokenizer):
    return heldout.parts(street.pack, tokenizer, CONTEXT, 3)


def spelt(tokenizer, row):
    return tokenizer.decode(row[row != -100].tolist())


def test_languages_and_their_infilling_are_parts(parts):
    assert set(parts) == {"fim", "python", "python fim"}


def test_a_languages_text_is_that_of_its_files(street, tokenizer):
    packed = Packed.open(street.pack, "heldout")
    sources = packed.sources("language")
    ends = np.append(packed.files[1:], len(packed.ids))
    found = heldout.by_language(packed, tokenizer, CONTEXT)
    for language, part in found.items():
        number = sources.names.index(language)
        files = [packed.ids[packed.files[n] : ends[n]] for n in np.flatnonzero(sources.numbers == number)]
        own = tokenizer.decode(np.concatenate(files).tolist())
        read = "".join(tokenizer.decode(part.tokens(document).tolist()) for document in range(len(part)))
        assert own.startswith(read) and len(read) > 0
        assert all(part.tokens(document)[-1] == tokenizer.eos for document in range(len(part)))


def test_of_infilling_the_middle_and_its_end_count_and_nothing_else(parts, tokenizer):
    sentinels = [tokenizer.fim_begin, tokenizer.fim_hole, tokenizer.fim_end]
    seen = 0
    for batch in parts["fim"].batches:
        for tokens, targets in zip(batch.tokens.tolist(), batch.targets.tolist(), strict=True):
            inside = False
            for token, target in zip(tokens, targets, strict=True):
                inside = token == tokenizer.fim_end or (inside and token != tokenizer.eos)
                assert (target != -100) == inside, "a window holds whole pieces: all of a middle is a target"
                assert target not in sentinels
                seen += inside
    assert seen > 200


def test_bytes_are_those_of_the_text_that_the_targets_spell(parts, tokenizer):
    for part in parts.values():
        text = [spelt(tokenizer, row) for batch in part.batches for row in batch.targets]
        assert part.bytes == sum(len(row.encode()) for row in text) > 0
    assert any("def " in spelt(tokenizer, row) for batch in parts["python"].batches for row in batch.targets)


def test_they_are_fixed_by_the_seed(street, tokenizer, parts):
    again, other = (heldout.parts(street.pack, tokenizer, CONTEXT, seed) for seed in (3, 4))
    first = [part["fim"].batches[0].tokens for part in (parts, again, other)]
    assert np.array_equal(first[0], first[1]) and not np.array_equal(first[0], first[2])


def test_a_run_measures_each_at_every_validation(street, tmp_path):
    train(street, tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    curve = [line["bits_per_byte"] for line in lines if "heldout_loss" in line]
    assert len(curve) == 3 and all(set(point) == {"fim", "python", "python fim"} for point in curve)
    assert all(curve[-1][name] < curve[0][name] for name in curve[0])
    assert stage.read_manifest(tmp_path / "out")["counts"]["bits_per_byte"] == curve[-1]


def test_nothing_held_out_has_no_parts(tokenizer, tmp_path):
    assert heldout.parts(tmp_path, tokenizer, CONTEXT, 3) == {}
