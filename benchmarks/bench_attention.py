"""Attention in training: ours over whole rows and inside documents, beside PyTorch's kernel, causal and under a mask.

Forward and backward of one layer's attention, after its projections. The contenders take turns; figures are medians.
The floor is the arithmetic of the pairs that attend (6 x 2 x width x heads a pair, forward and backward) at the
best rate of square matrix products, measured in the same run. On a CPU time is what the process's cores spent, since
others may want them too: run it on one thread, else waiting for one another counts as work.

    python benchmarks/bench_attention.py           # 8 x 512, 2 x 2048 and 1 x 8192 tokens, 3 heads on 1, as the demo's
    python benchmarks/bench_attention.py --heads 6 --kv-heads 2 --width 128   # the preset 125m
    python benchmarks/bench_attention.py --step    # the whole network's loss and gradient instead
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import SimpleNamespace

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from torch import Tensor

from repoloom import recipe
from repoloom.model import attention
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.stage import machine
from repoloom.train import speed

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]

MEAN = 200
"""Tokens of a document, on average; the lengths are exponentially distributed, and cut where a row ends."""


def main() -> None:
    """Measure and print a table, or one JSON object with --json."""
    asked = _arguments()
    device = speed.device()
    precision = speed.precision(asked.precision, device)
    if asked.step:
        _steps(asked, device, precision)
        return
    tables = [_measure(rows, time, asked, device, precision) for rows, time in ((8, 512), (2, 2048), (1, 8192))]
    if asked.json:
        print(json.dumps([asdict(table) for table in tables]))
        return
    name = torch.cuda.get_device_name() if device.type == "cuda" else machine()["processor"]
    print(f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}, {precision}")
    print(f"{asked.heads} heads on {asked.kv_heads}, {asked.width} wide; milliseconds, forward and backward")
    for table in tables:
        print(f"\n{table.rows} x {table.length}, {table.documents} documents")
        peer = table.milliseconds["SDPA, causal"]
        for contender, spent in table.milliseconds.items():
            print(f"  {contender:<28}{spent:8.1f}   {peer / spent:5.2f}x SDPA, causal")
        for kind, spent in table.floors.items():
            print(f"  floor, {kind:<21}{spent:8.1f}")


@dataclass(frozen=True, slots=True)
class Table:
    """What was measured at one length, in milliseconds."""

    rows: int
    length: int
    documents: int
    milliseconds: dict[str, float]
    floors: dict[str, float]


def _measure(rows: int, length: int, asked: SimpleNamespace, device: torch.device, precision: speed.Precision) -> Table:
    torch.compiler.reset()
    generator = torch.Generator().manual_seed(length)
    documents = torch.stack([_documents(length, generator) for _ in range(rows)]).to(device)
    heads = (asked.heads, asked.kv_heads, asked.kv_heads)
    inputs = [
        torch.randn(rows, length, count, asked.width, generator=generator)
        .to(device, getattr(torch, precision))
        .requires_grad_()
        for count in heads
    ]
    slope = torch.ones(rows, asked.heads, length, asked.width, device=device, dtype=inputs[0].dtype)
    contenders = _contenders(documents, grouped=asked.heads > asked.kv_heads)
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    peaks: list[float] = []
    for turn in range(asked.rounds + 1):
        peaks += [_peak(device, precision) for _ in range(3)]
        for name, attend in contenders.items():
            clock = _clock(device)
            torch.autograd.backward(attend(*(x.transpose(1, 2) for x in inputs)), slope)
            speed.synchronize(device)
            if turn:  # the first compiles
                spent[name].append(1e3 * (_clock(device) - clock))
            for x in inputs:
                x.grad = None
    a_pair = 12 * asked.width * asked.heads / max(peaks) * 1e3
    position = torch.arange(length, device=device) - attention.starts(documents)
    return Table(
        rows,
        length,
        documents=int((position == 0).sum()),
        milliseconds={name: round(statistics.median(times), 2) for name, times in spent.items()},
        floors={
            "whole rows": round(a_pair * rows * length * (length + 1) / 2, 2),
            "documents": round(a_pair * int((position + 1).sum()), 2),
        },
    )


def _steps(asked: SimpleNamespace, device: torch.device, precision: speed.Precision) -> None:
    """Print what the loss and its gradient take for the demo's network, with and without documents."""
    shape = recipe.Model(preset="laptop")
    model = Transformer(Config.from_recipe(shape, 4096)).initialise(0).to(device)
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, 4096, (8, shape.context), generator=generator).to(device)
    documents = torch.stack([_documents(shape.context, generator) for _ in range(8)]).to(device)
    compiled = model.compiled_loss(dynamic=False)
    ways = {"eager": model.loss, "compiled": compiled}
    spent: dict[tuple[str, bool], list[float]] = {(way, masked): [] for way in ways for masked in (False, True)}
    for turn in range(asked.rounds + 1):
        for (way, masked), times in spent.items():
            clock = _clock(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                loss = ways[way](tokens, tokens, documents if masked else None)
            torch.autograd.backward(loss)
            speed.synchronize(device)
            if turn:
                times.append(1e3 * (_clock(device) - clock))
            model.zero_grad()
    print(
        f"8 x {shape.context} tokens of the preset laptop, {precision}, {torch.get_num_threads()} threads: milliseconds"
    )
    for way in ways:
        whole, inside = (statistics.median(spent[way, masked]) for masked in (False, True))
        print(f"  {way:<10} whole rows {whole:7.0f}   inside documents {inside:7.0f}   {inside / whole:.2f} of it")


def _documents(length: int, generator: torch.Generator) -> Tensor:
    """Numbers [length] of documents."""
    sizes = torch.empty(length).exponential_(1 / MEAN, generator=generator).ceil().long()
    return torch.arange(length).repeat_interleave(sizes)[:length]


def _clock(device: torch.device) -> float:
    return time.process_time() if device.type == "cpu" else time.perf_counter()


def _peak(device: torch.device, precision: speed.Precision) -> float:
    """FLOP/s of one square matrix product."""
    square = torch.ones(2048, 2048, device=device, dtype=getattr(torch, precision))
    speed.synchronize(device)
    clock = _clock(device)
    torch.matmul(square, square)
    speed.synchronize(device)
    return 2.0 * 2048**3 / (_clock(device) - clock)


def _contenders(documents: Tensor, grouped: bool) -> dict[str, Attend]:
    """`starts` and the mask are made once a batch, so they are in none of the times."""
    prepared = attention.prepare(attention.starts(documents))
    place = torch.arange(documents.shape[1], device=documents.device)
    seen = (documents[:, None] == documents[:, :, None]) & (place <= place[:, None])

    def ours(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attention.attend(q, k, v, None)

    def inside(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attention.attend(q, k, v, prepared)

    def causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)

    def masked(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=seen[:, None], enable_gqa=grouped)

    return {
        "ours, eager": ours,
        "ours, compiled": torch.compile(ours, dynamic=False),
        "ours in documents, eager": inside,
        "ours in documents, compiled": torch.compile(inside, dynamic=False),
        "SDPA, causal": causal,
        "SDPA, documents as a mask": masked,
    }


def _arguments() -> SimpleNamespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", type=int, default=3)
    parser.add_argument("--kv-heads", type=int, default=1)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--step", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--json", action="store_true")
    return SimpleNamespace(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
