"""Bytes a token by language on held-out repositories: ours at two sizes beside GPT-2's and cl100k_base.

Their ranks are taken from js-tiktoken, which npm fetches, and checked against the digests that tiktoken states. The
corpus is one that `repoloom curate` made with `curate.heldout`.

    python benchmarks/bench_tokenizers.py runs/laptop/curate
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from repoloom.recipe import TokenizerSettings
from repoloom.tokens.compare import compare
from repoloom.tokens.tokenizer import train

_DIGESTS = {
    "gpt2": "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}
"""SHA-256 of the files of ranks, from tiktoken_ext/openai_public.py. GPT-2's are those of r50k_base."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="?", default=Path("runs/laptop/curate"))
    parser.add_argument("--vocabulary", type=int, nargs="+", default=[4096, 32_000])
    parser.add_argument("--megabytes", type=float, default=TokenizerSettings().sample_megabytes)
    parser.add_argument("--least", type=float, default=100_000, help="bytes of a language that gets a row of its own")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-tokenizers-") as place:
        folder = Path(place)
        names: dict[str, str] = {}
        for size in asked.vocabulary:
            settings = TokenizerSettings(vocabulary=size, sample_megabytes=asked.megabytes)
            counts = train(asked.corpus, folder / str(size), settings, seed=0)["counts"]
            names[str(folder / str(size))] = f"ours, {size:,} learnt of {counts['sampled']['bytes'] / 1e6:.0f} MB"
        subprocess.run(
            ["npm", "pack", "--silent", "js-tiktoken@1.0.21"], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
        shutil.unpack_archive(folder / "js-tiktoken-1.0.21.tgz", folder, filter="data")
        for name in _DIGESTS:
            names[str(_ranks(folder / "package" / "dist" / "ranks", name, folder))] = name
        found = compare(asked.corpus, list(names))
    sizes = {name: size for name, size in found["bytes"].items() if size >= asked.least}
    print(f"| held-out | MB | {' | '.join(names.values())} |\n|---|---|{'---|' * len(names)}")
    for language, size in {**sizes, "all": sum(found["bytes"].values())}.items():
        rates = [found["tokenizers"][name]["bytes_per_token"][language] for name in names]
        print(f"| {language} | {size / 1e6:.2f} | {' | '.join(f'{rate:.2f}' for rate in rates)} |")
    entries = [f"{found['tokenizers'][name]['entries']:,}" for name in names]
    print(f"| entries | | {' | '.join(entries)} |")


def _ranks(package: Path, name: str, folder: Path) -> Path:
    """A file of ranks as OpenAI publishes it, out of the JavaScript module that holds the same tokens in lines."""
    text = (package / f"{name}.js").read_text("utf-8")
    module = json.loads(text[text.index("{") : text.rindex("}") + 1])
    lines = []
    for line in module["bpe_ranks"].splitlines():
        _, first, *tokens = line.split(" ")
        lines += [f"{token} {rank}\n" for rank, token in enumerate(tokens, int(first))]
    path = folder / f"{name}.tiktoken"
    path.write_text("".join(lines), "utf-8")
    if hashlib.sha256(path.read_bytes()).hexdigest() != _DIGESTS[name]:
        raise SystemExit(f"{package}: these are not the ranks of {name}")
    return path


if __name__ == "__main__":
    main()
