"""The stage on a real tokenizer, a real pack and an untrained model: each part, resumed, or told why it cannot be."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from repoloom import recipe, sandbox
from repoloom.evaluate import compression, evaluate, heldout, humaneval, samples
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
    evaluate(run / "model", out, settings, 0, **places)
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
    assert results["humaneval"] == {"not_run": "not among evaluate.benchmarks"}


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


def test_humaneval_in_the_sandbox(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sandbox.probe().reason is not None:
        pytest.skip(f"no sandbox: {sandbox.probe().reason}")
    monkeypatch.setattr("repoloom.evaluate.load", lambda name: humaneval_tasks(name))
    results = measure(run, tmp_path / "out", SETTINGS.model_copy(update={"benchmarks": ("humaneval",)}))
    scores = results["humaneval"]
    assert (scores["tasks"], scores["passed"], scores["pass@1"]) == (6, 0, 0.0)
    assert sum(scores["outcomes"].values()) == 6
    rows = [json.loads(line) for line in (tmp_path / "out" / "samples.jsonl").read_text().splitlines()]
    assert [row["task_id"] for row in rows] == [f"HumanEval/{number}" for number in range(6)]


def test_humaneval_without_a_sandbox_says_so_and_the_stage_goes_on(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "missing", lambda: bubblewrap.INSTALL)
    sandbox.probe.cache_clear()
    try:
        results = measure(run, tmp_path / "out", SETTINGS.model_copy(update={"benchmarks": ("humaneval",)}))
    finally:
        sandbox.probe.cache_clear()
    assert results["humaneval"]["not_run"].startswith("no sandbox: install bubblewrap (apt install")
    assert results["samples"]


def test_without_anything_held_out(run: Path, tmp_path: Path) -> None:
    results = measure(run, tmp_path / "out", pack=None, curated=None, instruct=None)
    assert "nothing is held out" in results["bits_per_byte"]["not_run"]
    assert "nothing is held out" in results["infilling"]["not_run"]
    assert results["samples"] == []


def humaneval_tasks(name: str) -> list[Any]:
    from repoloom.tasks import load

    return load(name)[:6]


def test_stop_texts_are_the_published_ones() -> None:
    assert humaneval.STOP == ("\ndef", "\nclass", "\nif", "\n#", "\nprint")
