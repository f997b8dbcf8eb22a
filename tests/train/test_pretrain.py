"""The stage on a real tokenizer and a real pack: what it counts, killed or not, and what it holds out."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from repoloom import recipe, stage
from repoloom.errors import UsageError, UserError
from repoloom.model import huggingface
from repoloom.report.inputs import Run
from repoloom.report.learning import loss
from repoloom.tokens.batches import Batches, FimCounts
from repoloom.tokens.pack import Packed, pack
from repoloom.tokens.tokenizer import Tokenizer
from repoloom.train import heldout, speed
from repoloom.train.heldout import TOKENS, text_bytes
from repoloom.train.pretrain import CODE, pretrain
from tests.tokens.library_corpus import write_curated

CONTEXT, BATCH, STEPS = 72, 8, 40
SCRIPT = """
import json, sys
from pathlib import Path
from repoloom.recipe import parse
from repoloom.train.pretrain import pretrain
pretrain(*map(Path, sys.argv[1:4]), parse(json.loads(sys.argv[4])))
"""


def tables(**changes):
    return {
        "name": "tiny",
        "seed": 3,
        "fim": {"rate": changes.pop("rate", 0.5)},
        "model": {
            "hidden": 32, "mlp": 64, "layers": 2, "heads": 4, "kv_heads": 2, "init_std": 0.02, "tied": True,
            "context": changes.pop("context", CONTEXT),
        },
        "pretrain": {
            "steps": STEPS, "batch": BATCH, "learning_rate": 1e-2, "warmup": 4, "schedule": "linear",
            "precision": "float32", "compile": "no", "checkpoint_minutes": 1e-3, "validate_every": 20, **changes,
        },
    }  # fmt: skip


def train(street, out, **changes):
    return pretrain(street.pack, street.tokenizer, out, recipe.parse(tables(**changes)))


def curve(out):
    """What a resumed run has to repeat bit for bit: all but the clock."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in {"seconds", "tokens_per_second"}} for line in lines]


def batches(street, rate=0.5):
    return Batches(
        Packed.open(street.pack, "train"),
        Tokenizer.load(street.tokenizer),
        context=CONTEXT,
        fim=recipe.Fim(rate=rate),
        seed=3,
        batch=BATCH,
    )


def fim_of(batches, steps):
    total = FimCounts()
    for step in range(steps):
        total.add(batches[step].fim)
    return total


@pytest.fixture(scope="module")
def whole(street, tmp_path_factory):
    """A run that was not interrupted."""
    out = tmp_path_factory.mktemp("run") / "pretrain"
    train(street, out)
    return out


def test_it_learns_and_counts_what_it_trained_on(street, whole):
    counts = stage.read_manifest(whole)["counts"]
    source = batches(street)
    shown = [source[step] for step in range(STEPS)]
    assert counts["steps"] == STEPS
    assert counts["tokens"] == sum(int((batch.targets != -100).sum()) for batch in shown)
    model = huggingface.load(whole / "model")
    assert counts["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    size = Tokenizer.load(street.tokenizer).size
    assert counts["heldout_loss_before"] == pytest.approx(np.log(-(-size // 64) * 64), abs=0.1)
    assert counts["loss"] < counts["heldout_loss_before"] - 1.0
    assert counts["heldout_loss"] < counts["heldout_loss_before"] - 1.0
    losses = [line["loss"] for line in curve(whole) if "loss" in line]
    assert counts["loss"] == losses[-1], "the mean of the last fiftieth"
    assert len(losses) == STEPS


def test_the_heldout_loss_is_that_of_the_saved_model(street, whole):
    counts = stage.read_manifest(whole)["counts"]
    tokenizer, model = Tokenizer.load(street.tokenizer), huggingface.load(whole / "model")
    watched = heldout.whole(street.pack, tokenizer, CONTEXT, 3)
    total = count = 0
    for batch in watched:
        with torch.no_grad():
            logits = model(torch.from_numpy(batch.tokens))
        targets = torch.from_numpy(batch.targets)
        total += torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
        count += int((targets != -100).sum())
    assert counts["heldout_loss"] == pytest.approx(total / count, rel=1e-4)
    bits = total / np.log(2) / text_bytes(tokenizer, watched)
    assert counts["heldout_bits_per_byte"] == pytest.approx(bits, rel=1e-4)


def test_the_manifest_states_the_fim_rate_of_the_steps_trained(street, whole):
    fim, expected = stage.read_manifest(whole)["counts"]["fim"], fim_of(batches(street), STEPS)
    assert fim == expected.rates()
    assert fim["pieces"] >= STEPS * BATCH and fim["cut"] + fim["left"] <= fim["pieces"]
    assert abs(fim["rate_by_pieces"] - 0.5) < 0.1 and abs(fim["rate_by_tokens"] - 0.5) < 0.1
    assert fim["rate_by_tokens"] == fim["cut_tokens"] / fim["tokens"]


def test_the_manifest_states_the_languages_of_the_steps_trained(street, whole):
    counts = stage.read_manifest(whole)["counts"]
    assert counts["languages"] == {"python": counts["fim"]["tokens"]}
    lines = [line for line in curve(whole) if "loss" in line]
    assert sum(line["languages"]["python"] for line in lines) == counts["fim"]["tokens"]


def test_the_best_by_validation_is_exported_beside_the_last(street, tmp_path):
    """A rate that is far too high in the end: the model gets worse after the first validation."""
    changes = {"schedule": "warmup-stable-decay", "floor": 1.0, "validate_every": 4, "learning_rate": 0.3}
    parsed = recipe.parse(tables(**changes) | {"checkpoints": {"best": True}})
    counts = pretrain(street.pack, street.tokenizer, tmp_path / "out", parsed)["counts"]
    losses = {line["step"]: line["heldout_loss"] for line in curve(tmp_path / "out") if "heldout_loss" in line}
    del losses[0]
    step = min(losses, key=losses.get)
    assert counts["best"] == {"step": step, "heldout_loss": losses[step]}
    assert step < STEPS and losses[step] < counts["heldout_loss"] == losses[STEPS]
    watched = heldout.whole(street.pack, Tokenizer.load(street.tokenizer), CONTEXT, 3)
    for name, expected in (("model-best", losses[step]), ("model", losses[STEPS])):
        model = huggingface.load(tmp_path / "out" / name)
        total = count = 0
        for batch in watched:
            tensors = [torch.from_numpy(array) for array in (batch.tokens, batch.targets, batch.documents)]
            targets = int((batch.targets != -100).sum())
            with torch.no_grad():
                total, count = total + model.loss(*tensors).item() * targets, count + targets
        assert total / count == pytest.approx(expected, rel=1e-4), name


def test_it_trains_on_a_dataset_that_megatron_wrote_and_a_tokenizer_of_no_stage(street, tmp_path):
    """Of the same documents: the same batches, and so the same losses; who wrote which file is not known."""
    pytest.importorskip("megatron.core", reason="megatron-core has no wheel for this Python")
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    for split in ("train", "heldout"):
        ours = Packed.open(street.pack, split)
        theirs = tmp_path / "pack" / split
        theirs.parent.mkdir(exist_ok=True)
        builder = IndexedDatasetBuilder(f"{theirs}.bin", ours.ids.dtype.type)
        borders = [*ours.files.tolist(), len(ours.ids)]
        for document in range(len(ours)):
            first, last = np.searchsorted(ours.files, ours.starts[document : document + 2])
            for start, end in itertools.pairwise(borders[first : last + 1]):
                builder.add_item(torch.from_numpy(ours.ids[start:end].astype(np.int64)))
            builder.end_document()
        builder.finalize(f"{theirs}.idx")
    (tmp_path / "tokenizer").mkdir()
    for name in huggingface.TOKENIZER_FILES:
        if (street.tokenizer / name).exists():
            shutil.copy(street.tokenizer / name, tmp_path / "tokenizer")

    def trained(folder=tmp_path):
        return pretrain(folder / "pack", folder / "tokenizer", tmp_path / "out", recipe.parse(tables(steps=5)))

    manifest = trained()
    expected = pretrain(street.pack, street.tokenizer, tmp_path / "ours", recipe.parse(tables(steps=5)))["counts"]
    for key in ("loss", "heldout_loss", "tokens", "fim", "best"):
        assert manifest["counts"][key] == expected[key]
    assert manifest["counts"]["bits_per_byte"].keys() == {"fim"}
    assert "languages" in expected and "languages" not in manifest["counts"]
    assert trained()["run"] == manifest["run"], "it stands"
    with (tmp_path / "pack" / "train.bin").open("r+b") as file:
        file.seek(1000)
        file.write(bytes(2))
    assert trained()["run"] != manifest["run"], "the dataset changed"
    with (tmp_path / "pack" / "train.bin").open("r+b") as file:
        file.write(b"\xff\xff")
    with pytest.raises(UserError, match=r"holds the id 65,535, and the tokenizer .* it was packed with another"):
        trained()


def test_the_report_shows_the_realised_rate_and_how_full_the_rows_are(street, whole):
    fim = stage.read_manifest(whole)["counts"]["fim"]
    rows = dict(loss(Run(whole.parent), "pretrain").numbers.rows)
    said = rows["cut for fill-in-the-middle"]
    assert f"{100 * fim['rate_by_pieces']:.1f}% of the pieces" in said
    assert f"{100 * fim['rate_by_tokens']:.1f}% of their tokens" in said
    assert rows["share of the rows' positions filled"] == f"{100 * batches(street).utilisation:.1f}%"
    assert "tokens seen by source" not in rows, "nothing is weighted"


def test_the_report_shows_what_was_weighted(documents, street, tmp_path):
    rows = [row | {"repo": f"stdlib/{row['repo']}"} for row in documents]
    pack(write_curated(tmp_path / "curate", {"documents": [rows]}), street.tokenizer, tmp_path / "pack")
    parsed = recipe.parse(tables(steps=2) | {"batches": {"weights": {"stdlib/json": 2.0}}})
    sources = pretrain(tmp_path / "pack", street.tokenizer, tmp_path / "pretrain", parsed)["counts"]["sources"]
    whole = sum(sources.values())
    assert sources.keys() == {"stdlib/json", "rest"} and all(sources.values())
    said = dict(loss(Run(tmp_path), "pretrain").numbers.rows)["tokens seen by source"]
    for name, count in sources.items():
        assert f"{name} {count:,} ({100 * count / whole:.1f}%)" in said.split(", ")
    assert said.startswith(max(sources, key=sources.get))


def test_without_fim_nothing_is_cut_and_the_manifest_says_so(street, tmp_path):
    fim = train(street, tmp_path / "out", rate=0.0, steps=2)["counts"]["fim"]
    assert (fim["cut"], fim["left"], fim["rate_by_pieces"], fim["rate_by_tokens"]) == (0, 0, 0, 0)
    assert fim == fim_of(batches(street, rate=0.0), 2).rates()


@pytest.mark.skipif(speed.cannot_compile(speed.device()) is not None, reason="nothing to measure without a compiler")
def test_steps_that_only_measure_are_not_counted(street, tmp_path):
    counts = train(street, tmp_path / "out", compile="auto", steps=5)["counts"]
    fixed = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert fixed["step_seconds"] is not None, "steps were taken to measure"
    assert counts["fim"] == fim_of(batches(street), 5).rates()


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_metrics_counts_and_weights(street, whole, tmp_path):
    out = tmp_path / "pretrain"
    often = tables(checkpoint_minutes=1e-6)  # after every step; no part of the fingerprint
    arguments = [*map(str, (street.pack, street.tokenizer, out)), json.dumps(often)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for pause in (9, 20):  # lines of metrics to wait for
        command = [sys.executable, "-c", SCRIPT, *arguments]
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and _lines(out) < pause:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert list((out / ".checkpoints").glob("step-*")), "it was killed after a checkpoint"
    counts = train(street, out)["counts"]
    assert curve(out) == curve(whole)
    before = stage.read_manifest(whole)["counts"]
    clocks = {"tokens_per_second", "peak_flops", "peak_share"}
    assert {k: v for k, v in counts.items() if k not in clocks} == {k: v for k, v in before.items() if k not in clocks}
    weights = "model/model.safetensors"
    assert (out / weights).read_bytes() == (whole / weights).read_bytes()


def _lines(out):
    return (out / "metrics.jsonl").read_text().count("\n") if (out / "metrics.jsonl").exists() else 0


def test_a_finished_run_stands_and_the_seed_changes_all(street, whole, tmp_path):
    stamp = (whole / "metrics.jsonl").stat().st_mtime_ns
    train(street, whole, checkpoint_minutes=5)
    assert (whole / "metrics.jsonl").stat().st_mtime_ns == stamp
    other = recipe.parse(tables(steps=2) | {"seed": 4})
    pretrain(street.pack, street.tokenizer, tmp_path / "out", other)
    assert curve(tmp_path / "out")[1]["loss"] != curve(whole)[1]["loss"]


def test_neither_steps_nor_minutes_is_a_usage_error_that_names_the_key(street, tmp_path):
    with pytest.raises(UsageError, match=r"pretrain\.steps.*pretrain\.minutes") as failure:
        train(street, tmp_path / "out", steps=None)
    assert failure.value.exit_code == 2 and not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="not both"):
        tables_of_both = tables(minutes=1.0)
        recipe.parse(tables_of_both)


def test_a_context_without_room_for_the_sentinels_is_refused(street, tmp_path):
    with pytest.raises(UserError, match=r"model\.context is 16"):
        train(street, tmp_path / "out", context=16)
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize("context", [72, 1024, 4096])
def test_every_held_out_window_is_shown_once(street, context):
    tokenizer, packed = Tokenizer.load(street.tokenizer), Packed.open(street.pack, "heldout")
    one = Batches(packed, tokenizer, context=context, fim=recipe.Fim(rate=0), seed=3, batch=1)
    epoch = [one[number] for number in range(one.rows)]
    found = heldout.whole(street.pack, tokenizer, context, 3)
    for name in ("tokens", "targets"):
        rows = np.concatenate([getattr(batch, name) for batch in found])
        most = -(-TOKENS // context)
        np.testing.assert_array_equal(rows, np.concatenate([getattr(batch, name) for batch in epoch])[:most])
    if len(packed.ids) < TOKENS:
        assert sum((batch.targets != -100).sum() for batch in found) == len(packed.ids), "a small split is seen whole"
    for batch in found:
        assert not np.isin(batch.tokens, [tokenizer.fim_begin, tokenizer.fim_hole, tokenizer.fim_end]).any()


def test_without_held_out_repositories_there_is_no_held_out_loss(street, tmp_path):
    for split in ("bin", "idx", "files.npy"):
        (tmp_path / f"train.{split}").write_bytes((street.pack / f"train.{split}").read_bytes())
    (tmp_path / "manifest.json").write_text((street.pack / "manifest.json").read_text())
    counts = pretrain(tmp_path, street.tokenizer, tmp_path / "out", recipe.parse(tables(steps=2)))["counts"]
    assert counts["heldout_loss"] is counts["heldout_loss_before"] is counts["heldout_bits_per_byte"] is None
    assert counts["steps"] == 2


def test_the_fingerprint_is_of_source_that_exists():
    assert stage.digest_code(CODE) == stage.digest_code(CODE)
    for absent in ("keyed.py", "train/keyed.py", "no-such-room"):
        with pytest.raises(AssertionError, match=absent):
            stage.digest_code([*CODE, absent])
