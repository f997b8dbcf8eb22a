"""Pairs as sequences, as batches, and the stage that learns them: the prompt is given, the answer learnt to its end."""

import json
import subprocess

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from repoloom import recipe, stage
from repoloom.errors import UserError
from repoloom.model import huggingface
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.tokens import bpe, chat
from repoloom.tokens.tokenizer import Tokenizer
from repoloom.train import turns
from repoloom.train.pairs import Pair, collect
from repoloom.train.tune import tune
from repoloom.train.turns import Turn, Turns
from tests.tokens.library_corpus import document, write_curated
from tests.train.spread import command, losses, started

CONTEXT = 300
"""No multiple of what rows are padded to."""
IGNORED = -100
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.fixture(scope="module")
def tokenizer(street):
    return Tokenizer.load(street.tokenizer)


@pytest.fixture(scope="module")
def base(street, tokenizer, tmp_path_factory):
    """A model that has learnt nothing yet."""
    out = tmp_path_factory.mktemp("base") / "model"
    shape = recipe.Model(hidden=32, mlp=64, layers=2, heads=4, kv_heads=2, context=CONTEXT, init_std=0.02, tied=True)
    huggingface.save(Transformer(Config.from_recipe(shape, tokenizer.size)).initialise(0), street.tokenizer, out)
    return out


def tables(**changes):
    return {
        "name": "tiny",
        "tune": {"steps": 30, "batch": 8, "learning_rate": 1e-2, "warmup": 3, "pairs": 200} | changes,
        "pretrain": {"precision": "float32", "compile": "no", "validate_every": 10},
    }


def run(base, curated, out, **changes):
    return tune(base, curated, out, recipe.parse(tables(**changes)))


@pytest.fixture(scope="module")
def tuned(street, base, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "tune"
    run(base, street.curated, out)
    return out


def pair(instruction="Add two numbers.", response="def add(a, b):\n    return a + b"):
    return Pair("r", "a.py", "add", instruction, response)


def some_turns(lengths):
    """Turns that can be told apart, of these lengths."""
    return [Turn([1000 + number] * length, 1 + length // 2) for number, length in enumerate(lengths)]


@settings(max_examples=200)
@given(TEXTS, TEXTS)
def test_a_turn_is_what_chat_writes_up_to_the_end_of_the_answer(tokenizer, asked, answered):
    """So that a prompt in use looks as it did in training, whatever is in it."""
    (turn,) = turns.encode([pair(asked + bpe.EOT, answered + bpe.EOT)], tokenizer, 10_000)
    messages = [
        {"role": "user", "content": asked + bpe.EOT},
        {"role": "assistant", "content": answered + bpe.EOT},
    ]
    whole = chat.encode(tokenizer, messages, add_generation_prompt=False)
    assert [*turn.ids, *tokenizer.encode("\n")] == whole
    assert turn.ids[: turn.prompt] == chat.encode(tokenizer, messages[:1])
    assert turn.ids.index(tokenizer.eot) == len(turn.ids) - 1


def test_the_answer_is_learnt_to_its_end_and_nothing_else(tokenizer):
    pairs = [pair("Add. " * n, "x = 1\n" * (20 - n)) for n in range(1, 20)]
    batch = turns.pad(turns.encode(pairs, tokenizer, CONTEXT), tokenizer.pad, CONTEXT)
    assert batch.tokens.shape == batch.targets.shape and len(batch.tokens) == len(pairs)
    for one, tokens, targets in zip(pairs, batch.tokens, batch.targets, strict=True):
        learnt = np.flatnonzero(targets != IGNORED)
        assert learnt.tolist() == list(range(learnt[0], learnt[-1] + 1)), "in one piece"
        assert targets[learnt[-1]] == tokenizer.eot
        assert tokenizer.decode(targets[learnt].tolist()) == one.response + "\n"
        np.testing.assert_array_equal(targets[learnt[:-1]], tokens[learnt[1:]])
        asked = [{"role": "user", "content": one.instruction}]
        assert tokens[: learnt[0] + 1].tolist() == chat.encode(tokenizer, asked)
        assert (tokens[learnt[-1] + 1 :] == tokenizer.pad).all()


def test_what_does_not_fit_into_the_context_is_left_out_and_what_fits_exactly_is_not(tokenizer):
    (turn,) = turns.encode([pair()], tokenizer, 10_000)
    length = len(turn.ids)
    assert turns.encode([pair()], tokenizer, length - 1) == [turn], "the last token is a target only"
    assert turns.encode([pair()], tokenizer, length - 2) == []


@given(st.lists(st.integers(2, CONTEXT + 1), min_size=1, max_size=20))
def test_rows_are_never_longer_than_the_context(lengths):
    batch = turns.pad(some_turns(lengths), 0, CONTEXT)
    assert max(lengths) - 1 <= batch.tokens.shape[1] <= CONTEXT


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(2, 200), min_size=1, max_size=150), st.integers(1, 16), st.integers(0, 5), st.data())
def test_a_batch_depends_on_seed_and_step_alone_and_an_epoch_repeats_nothing(lengths, batch, seed, data):
    some = some_turns(lengths)
    source, other = (Turns(some, batch=batch, pad=0, seed=seed, context=CONTEXT) for _ in range(2))
    assert source.batch == min(batch, len(some))
    a_epoch = len(some) // source.batch
    shown = [source[step] for step in range(2 * a_epoch)]
    for epoch in (shown[:a_epoch], shown[a_epoch:]):
        firsts = [row[0] for batch in epoch for row in batch.tokens.tolist()]
        assert len(set(firsts)) == len(firsts) == a_epoch * source.batch
    for step in data.draw(st.lists(st.integers(0, 2 * a_epoch - 1), max_size=8)):
        np.testing.assert_array_equal(other[step].tokens, shown[step].tokens)
        np.testing.assert_array_equal(other[step].targets, shown[step].targets)
    for step, found in enumerate(other.prefetch(1, 2 * a_epoch), 1):
        np.testing.assert_array_equal(found.tokens, shown[step].tokens)


def test_rows_of_like_length_stand_together_and_epochs_and_seeds_differ():
    some = some_turns(np.random.default_rng(0).integers(20, 200, 640).tolist())
    source, other = (Turns(some, batch=16, pad=0, seed=seed, context=CONTEXT) for seed in (0, 1))
    padding = np.mean([(source[step].tokens == 0).mean() for step in range(40)])
    shuffled = np.mean([(turns.pad(some[n : n + 16], 0, CONTEXT).tokens == 0).mean() for n in range(0, 640, 16)])
    assert padding < 0.65 * shuffled
    assert [source[0].tokens[0, 0], source[40].tokens[0, 0]] != [other[0].tokens[0, 0], other[40].tokens[0, 0]]
    assert [source[step].tokens[0, 0] for step in range(40)] != [source[step].tokens[0, 0] for step in range(40, 80)]
    widths = [source[step].tokens.shape[1] for step in range(40)]
    assert widths != sorted(widths) and widths != sorted(widths, reverse=True), "long and short come mixed"


@pytest.mark.parametrize(("batch", "shares"), [(8, 4), (7, 2), (3, 4)])
def test_the_shares_of_a_batch_are_the_batch(batch, shares):
    whole = Turns(some_turns(range(2, 42)), batch=batch, pad=0, seed=1, context=CONTEXT, multiple=6)
    for step in range(5):
        parts = [whole.share(share, shares)[step] for share in range(shares)]
        assert len({part.tokens.shape for part in parts}) == 1, "they compute in step with each other"
        assert parts[0].tokens.shape[1] % 6 == 0
        tokens, targets = (np.concatenate([getattr(p, name) for p in parts]) for name in ("tokens", "targets"))
        np.testing.assert_array_equal(tokens[:batch], whole[step].tokens)
        np.testing.assert_array_equal(targets[:batch], whole[step].targets)
        assert (targets[batch:] == IGNORED).all(), "rows that fill up carry no loss"


def test_it_learns_and_leaves_an_instruct_model(street, tokenizer, tuned):
    counts = stage.read_manifest(tuned)["counts"]
    assert counts["steps"] == 30
    assert counts["heldout_loss"] < counts["heldout_loss_before"] - 1.0
    assert counts["loss"] < counts["heldout_loss_before"] - 1.0
    assert "fim" not in counts, "no fill-in-the-middle in tuning"
    pairs, watched = collect(street.curated, 200, 0)
    listed = [json.loads(line) for line in (tuned / "pairs.jsonl").read_text("utf-8").splitlines()]
    assert [row.pop("split") for row in listed] == ["train"] * len(pairs) + ["watched"] * len(watched)
    assert [Pair(**row) for row in listed] == [*pairs, *watched]
    encoded = turns.encode(pairs, tokenizer, CONTEXT)
    assert (counts["pairs"], counts["watched"]) == (len(encoded), len(turns.encode(watched, tokenizer, CONTEXT)))
    data = Turns(encoded, batch=8, pad=tokenizer.pad, seed=0, context=CONTEXT)
    assert counts["tokens"] == sum(int((data[step].targets != IGNORED).sum()) for step in range(30))
    sentinels = [tokenizer.fim_begin, tokenizer.fim_hole, tokenizer.fim_end]
    assert not any(np.isin(data[step].tokens, sentinels).any() for step in range(30))
    settings = json.loads((tuned / "model" / "tokenizer_config.json").read_text("utf-8"))
    assert settings["chat_template"] == chat.TEMPLATE
    ends = json.loads((tuned / "model" / "generation_config.json").read_text("utf-8"))["eos_token_id"]
    assert ends == [tokenizer.eos, tokenizer.eot]


def test_the_same_recipe_gives_the_same_model_and_stands(street, base, tuned, tmp_path):
    run(base, street.curated, tmp_path / "again")
    weights = "model/model.safetensors"
    assert (tmp_path / "again" / weights).read_bytes() == (tuned / weights).read_bytes()
    assert (tuned / weights).read_bytes() != (base / "model.safetensors").read_bytes()
    stamp = (tuned / weights).stat().st_mtime_ns
    run(base, street.curated, tuned)
    assert (tuned / weights).stat().st_mtime_ns == stamp


def test_a_corpus_without_documented_functions_is_refused_in_one_line(base, tmp_path):
    text = "# a.py\nx = 1\n"
    bare = {"document_id": "d", "repo": "r", "text": text}
    bare["files"] = [{"path": "a.py", "language": "python", "start": 0, "end": len(text)}]
    curated = write_curated(tmp_path / "c", {"documents": [[bare]]})
    with pytest.raises(UserError, match="nothing to tune on") as failure:
        run(base, curated, tmp_path / "out")
    assert "\n" not in str(failure.value) and not (tmp_path / "out" / "manifest.json").exists()


def test_few_pairs_are_enough(base, tmp_path):
    curated = write_curated(tmp_path / "c", {"documents": [[document("json")]]})
    counts = run(base, curated, tmp_path / "out", steps=2, pairs=3, batch=1024)["counts"]
    assert 1 <= counts["pairs"] <= 3 and counts["steps"] == 2


RECIPE = """
name = "tiny"
tune = { steps = 10, batch = 7, learning_rate = 1e-2, warmup = 3, pairs = 200 }
pretrain = { precision = "float32", compile = "no", validate_every = 5 }
"""


@pytest.fixture(scope="module")
def commanded(street, base, tmp_path_factory):
    """`repoloom tune` as a user runs it, by so many processes: the run's folder."""

    def run(processes, parallel=""):
        out = tmp_path_factory.mktemp("commanded")
        (out / "recipe.toml").write_text(RECIPE + parallel)
        (out / "pretrain").mkdir()
        (out / "pretrain" / "model").symlink_to(base)
        (out / "curate").symlink_to(street.curated)
        words = command(processes, "-m", "repoloom", "tune", str(out / "recipe.toml"), "--out", str(out))
        with started(words, stdout=subprocess.PIPE) as process:
            printed, said = process.communicate(timeout=240)
        assert process.returncode == 0, said
        assert printed.count("model  ") == 1, "one process says where the model is"
        return out

    return run


@pytest.fixture(scope="module")
def alone(commanded):
    return commanded(1)


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["", "parallel = { context = 2 }"])
def test_two_processes_give_the_losses_and_the_model_of_one(commanded, alone, parallel):
    """Seven rows a batch, which two processes cannot halve."""
    out = commanded(2, parallel)
    found, expected = losses(out, "tune"), losses(alone, "tune")
    assert len(expected) == 10 and expected[-1] < expected[0] - 1
    assert found == pytest.approx(expected, abs=1e-5)
    ours, theirs = (stage.read_manifest(each / "tune")["counts"] for each in (out, alone))
    for name in ("tokens", "pairs", "watched", "batch"):
        assert ours[name] == theirs[name]
    for name in ("heldout_loss_before", "heldout_loss"):
        assert ours[name] == pytest.approx(theirs[name], abs=1e-5)
    ours, theirs = (huggingface.load(each / "tune" / "model").state_dict() for each in (out, alone))
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=1e-3)
