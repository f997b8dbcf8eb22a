"""The stage on a real tokenizer, a real pack and an untrained model: each part, resumed, or told why it cannot be."""

import gzip
import json
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from repoloom import recipe, sandbox, tasks
from repoloom.errors import UsageError
from repoloom.evaluate import benchmark, compression, evaluate, heldout, samples
from repoloom.formats import DOCUMENT
from repoloom.generate import Generator
from repoloom.model import huggingface
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.sandbox import bubblewrap
from repoloom.stage import build
from repoloom.tokens.pack import Packed, pack
from repoloom.tokens.tokenizer import Tokenizer, train

SETTINGS = recipe.Evaluate(heldout_tokens=600, infilling_tasks=5, new_tokens=4, samples=5, benchmarks=())
SHAPE = recipe.Model(hidden=32, mlp=64, layers=2, heads=4, kv_heads=2, context=64)


def document(number: int, language: str = "python") -> dict[str, Any]:
    files, text = [], ""
    for name in ("a", "b"):
        lines = [f"def {name}_{number}_{i}(x):\n    return x + {i} * {number}  # naïve ±\n" for i in range(8)]
        body = f"# {name}.py\n" + "".join(lines)
        files.append({"path": f"{name}.py", "language": language, "start": len(text), "end": len(text) + len(body)})
        text += body
    whole = {"document_id": f"d{number}", "repo": f"r{number}", "revision": "", "license": None}
    return {**whole, "language": language, "files": files, "text": text}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    with build(folder / "curate", "curate", inputs={}, settings={}, code=[]) as work:
        for kind, numbers in (("documents", range(12)), ("heldout", range(12, 16))):
            rows = [document(number, "python" if number % 3 else "c") for number in numbers]
            with work.write(f"{kind}/part-00000.parquet") as path:
                pq.write_table(pa.Table.from_pylist(rows, DOCUMENT), path)
        work.finish({})
    train(folder / "curate", folder / "tokenizer", recipe.TokenizerSettings(vocabulary=400), seed=0)
    pack(folder / "curate", folder / "tokenizer", folder / "pack")
    model = Transformer(Config.from_recipe(SHAPE, Tokenizer.load(folder / "tokenizer").size))
    model.initialise(seed=0)
    huggingface.save(model, folder / "tokenizer", folder / "model")
    huggingface.save(model, folder / "tokenizer", folder / "model-instruct", instruct=True)
    return folder


def measure(run: Path, out: Path, settings: recipe.Evaluate = SETTINGS, **changes: Any) -> dict[str, Any]:
    places = {"pack": run / "pack", "curated": run / "curate", "instruct": run / "model-instruct"} | changes
    evaluate(str(run / "model"), out, settings, 0, **places)
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    return results


def test_everything_is_measured(run: Path, tmp_path: Path) -> None:
    results = measure(run, tmp_path / "out")
    bits = results["bits_per_byte"]
    assert 0 < bits["tokens"] <= SETTINGS.heldout_tokens
    assert min(bits[name] for name in ("model", "unigram", "bigram", "xz")) > 0
    assert bits["bigram"] < bits["unigram"]
    assert set(bits["by_language"]) == {"python", "c"}
    for name in ("bytes", "tokens"):
        assert sum(part[name] for part in bits["by_language"].values()) == bits[name]
    for name in ("model", "unigram", "bigram"):
        weighted = sum(part[name] * part["bytes"] for part in bits["by_language"].values())
        assert weighted / bits["bytes"] == pytest.approx(bits[name])
    assert results["infilling"]["tasks"] == 5
    assert {sample["kind"] for sample in results["samples"]} == {"infill", "complete", "instruct"}
    assert len(results["samples"]) == 5
    assert results["benchmarks"] == {}
    assert results["text"] == {"not_run": "no shards were given"}


def test_the_same_bytes_again_and_nothing_done_twice(run: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    measure(run, first)
    measure(run, second)
    assert (first / "results.json").read_bytes() == (second / "results.json").read_bytes()
    stamp = (first / "results.json").stat().st_mtime_ns
    measure(run, first)
    assert (first / "results.json").stat().st_mtime_ns == stamp


def test_a_uniform_model_needs_log2_v_bits_a_token(run: Path) -> None:
    generator = Generator.load(run / "model")
    for parameter in generator.model.parameters():
        torch.nn.init.zeros_(parameter)
    found = compression.measure(generator, run / "pack", run / "curate", 10**6, 0)
    expected = np.log2(generator.model.config.vocabulary) * found["tokens"] / found["bytes"]
    assert found["model"] == pytest.approx(expected, rel=1e-6)
    texts = [document(number)["text"] for number in range(12, 16)]
    assert found["bytes"] == sum(len(text.encode()) for text in texts), "every held-out byte, counted once"


def test_byte_lengths_are_those_of_the_text(run: Path) -> None:
    tokenizer = Tokenizer.load(run / "tokenizer")
    packed = Packed.open(run / "pack", "heldout")
    lengths = heldout.byte_lengths(tokenizer)
    for number in range(len(packed)):
        tokens = packed.tokens(number)
        assert lengths[tokens].sum() == len(tokenizer.decode(tokens.tolist()).encode())
    texts = [document(number)["text"] for number in range(12, 16)]
    files = [
        text[f["start"] : f["end"]] for text, n in zip(texts, range(12, 16), strict=True) for f in document(n)["files"]
    ]
    assert [tokenizer.decode(heldout.file(packed, n).tolist()) for n in range(len(files))] == files


def test_windows_cover_the_documents_once_and_fit_the_budget(run: Path) -> None:
    packed = Packed.open(run / "pack", "heldout")
    whole = heldout.choose(packed, 64, 10**9, seed=0)
    stream = np.concatenate([packed.tokens(number) for number in range(len(packed))])
    np.testing.assert_array_equal(whole.tokens, stream)
    assert np.diff(whole.bounds).max() <= 64
    some = heldout.choose(packed, 64, 300, seed=0)
    assert 0 < len(some.tokens) <= 300
    other = heldout.choose(packed, 64, 300, seed=1)
    assert some.tokens.tolist() != other.tokens.tolist()


def test_an_interrupted_evaluation_goes_on(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(samples, "write", interrupt)
        measure(run, tmp_path / "out")
    monkeypatch.setattr(compression, "measure", interrupt)
    assert measure(run, tmp_path / "out") == measure(run, tmp_path / "out")
    assert "model" in json.loads((tmp_path / "out" / "results.json").read_text())["bits_per_byte"]


def humaneval(folder: Path, count: int = 6, **changes: Any) -> recipe.Evaluate:
    """Settings for its first tasks."""
    place = folder / "humaneval.jsonl"
    with gzip.open(tasks.find("humaneval").data(), "rt", encoding="utf-8") as file:  # type: ignore[misc]
        place.write_text("".join(islice(file, count)), "utf-8")
    return SETTINGS.model_copy(update={"benchmarks": ("humaneval",), "data": {"humaneval": str(place)}} | changes)


def test_a_benchmark_in_the_sandbox(run: Path, tmp_path: Path) -> None:
    if sandbox.probe().reason is not None:
        pytest.skip(f"no sandbox: {sandbox.probe().reason}")
    settings = humaneval(tmp_path, n=2, temperature=0.8)
    found = measure(run, tmp_path / "out", settings)["benchmarks"]["humaneval"]
    assert (found["variant"], found["tasks"], found["samples"], found["n"]) == ("deepseek", 6, 12, 2)
    assert found["scores"]["pass@1"]["mean"] == 0.0
    assert 0.4 < found["scores"]["pass@1"]["high"] < 0.5, "1 - 0.025^(1/6)"
    assert sum(found["outcomes"].values()) == 12
    assert found["untouched"]["tasks"] == 6
    assert found["sandbox"] == sandbox.probe().level
    rows = samples_of(tmp_path / "out", "humaneval")
    assert [(row["task_id"], row["sample"]) for row in rows] == [(f"HumanEval/{n // 2}", n % 2) for n in range(12)]
    assert rows[0]["completion"] != rows[1]["completion"]
    assert not (tmp_path / "out" / benchmark.WORK).exists()


def test_a_killed_benchmark_goes_on_to_the_same_samples(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = humaneval(tmp_path, 3)
    measure(run, tmp_path / "whole", settings)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(benchmark, "score", interrupt)
        measure(run, tmp_path / "out", settings)
    made = tmp_path / "out" / benchmark.WORK / "humaneval.0.jsonl"
    lines = made.read_bytes().splitlines(keepends=True)
    made.write_bytes(b"".join(lines[:2]) + lines[2][:10])
    measure(run, tmp_path / "out", settings)
    assert samples_of(tmp_path / "out", "humaneval") == samples_of(tmp_path / "whole", "humaneval")


def test_what_a_training_file_holds_is_touched(run: Path, tmp_path: Path) -> None:
    settings = humaneval(tmp_path, 4)
    rows = [json.loads(line) for line in (tmp_path / "humaneval.jsonl").read_text("utf-8").splitlines()]
    curated = tmp_path / "curate"
    with build(curated, "curate", inputs={}, settings={}, code=[]) as work:
        text = "# a.py\n" + rows[1]["prompt"] + rows[1]["canonical_solution"]
        file = {"path": "a.py", "language": "python", "start": 0, "end": len(text)}
        with work.write("documents/part-00000.parquet") as path:
            pq.write_table(pa.Table.from_pylist([document(0) | {"files": [file], "text": text}], DOCUMENT), path)
        work.finish({})
    found = measure(run, tmp_path / "out", settings, curated=curated, pack=None)["benchmarks"]["humaneval"]
    assert found["untouched"]["tasks"] == 3
    shared = {row["task_id"]: row.get("shared", 0) for row in samples_of(tmp_path / "out", "humaneval")}
    assert shared["HumanEval/1"] > 50
    assert max(shared[f"HumanEval/{n}"] for n in (0, 2, 3)) < 10


def test_shards_are_measured(run: Path, tmp_path: Path) -> None:
    found = measure(run, tmp_path / "out", shards=run / "curate")["text"]
    assert found["bytes"] == sum(row["bytes"] for row in found["by_language"].values())
    assert found["bits_per_byte"] > 0
    assert found["psm"] > 0


def test_a_benchmark_without_a_sandbox_says_so_and_the_stage_goes_on(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "missing", lambda: bubblewrap.INSTALL)
    sandbox.probe.cache_clear()
    try:
        results = measure(run, tmp_path / "out", SETTINGS.model_copy(update={"benchmarks": ("humaneval",)}))
    finally:
        sandbox.probe.cache_clear()
    assert results["benchmarks"]["humaneval"]["not_run"].startswith("no sandbox: install bubblewrap (apt install")
    assert results["samples"]


def test_a_language_without_its_toolchain_is_not_run(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sandbox.probe().reason is not None:
        pytest.skip(f"no sandbox: {sandbox.probe().reason}")
    place, which = tmp_path / "php.jsonl", shutil.which
    test = (
        "if (candidate(1) !== 2) { throw new Exception(); }\n    if (candidate(2) !== 3) { throw new Exception(); }\n"
    )
    row = {"task_id": "php/0", "prompt": "<?php\nfunction f($x) {\n", "test": test, "stop_tokens": ["\nfunction"]}
    place.write_text(json.dumps(row) + "\n", "utf-8")
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "php" else which(tool))
    settings = SETTINGS.model_copy(update={"benchmarks": ("humaneval-php",), "data": {"humaneval-php": str(place)}})
    found = measure(run, tmp_path / "out", settings)["benchmarks"]["humaneval-php"]
    assert found["not_run"].startswith("no php: php not installed")


def test_data_that_is_not_given_is_asked_for(run: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"benchmarks": ("humaneval-cpp",)})
    with pytest.raises(UsageError, match="humaneval-cpp: its data does not come with the package: give --data"):
        measure(run, tmp_path / "out", settings)


def samples_of(out: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "samples" / f"{name}.jsonl").read_text("utf-8").splitlines()]


def test_without_anything_held_out(run: Path, tmp_path: Path) -> None:
    results = measure(run, tmp_path / "out", pack=None, curated=None, instruct=None)
    assert "nothing is held out" in results["bits_per_byte"]["not_run"]
    assert "nothing is held out" in results["infilling"]["not_run"]
    assert results["samples"] == []
