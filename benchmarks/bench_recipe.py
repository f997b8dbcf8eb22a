"""How the laptop recipe was chosen: the same minutes of pretraining under other settings, by held-out bits per byte.

Every line is one change (or several, joined by commas) to the recipe; the first is the recipe as it stands. Corpus and
held-out repositories are the same for all. Bits per byte do not depend on the tokenizer, so vocabularies compare.

    python benchmarks/bench_recipe.py --minutes 3 model.layers=8 pretrain.batch=8,model.context=1024
    python benchmarks/bench_recipe.py --steps 700 batches.copying=0        # on a busy machine: the same steps for all
"""

import argparse
import tempfile
from pathlib import Path
from types import SimpleNamespace

from repoloom import recipe
from repoloom.collect import collect
from repoloom.curate import curate
from repoloom.stage import machine
from repoloom.tokens.pack import pack
from repoloom.tokens.tokenizer import train
from repoloom.train.pretrain import pretrain


def main() -> None:
    """Train each variant and print a line for it."""
    asked = _arguments()
    base = recipe.load(asked.recipe)
    length = {"minutes": None, "steps": asked.steps} if asked.steps else {"minutes": asked.minutes, "steps": None}
    each = f"{asked.steps} steps" if asked.steps else f"{asked.minutes:g} minutes"
    print(f"{machine()['processor']}, {each} of pretraining each\n")
    print(f"{'bits/byte':>9} {'parameters':>10} {'steps':>6} {'tokens':>11} {'tokens/s':>8} {'of peak':>7}  change")
    with tempfile.TemporaryDirectory(prefix="bench-recipe-") as place:
        out = Path(place)
        collect(out / "collect", base.collect, base.seed)
        curate(out / "collect", out / "curate", base.curate, base.seed)
        for number, change in enumerate(["", *asked.changes]):
            changes = [part for part in change.split(",") if part]
            counts = _train(recipe.load(asked.recipe, changes), length, out, number)
            print(
                f"{counts['heldout_bits_per_byte']:>9.4f} {counts['parameters']:>10,} {counts['steps']:>6,}"
                f" {counts['tokens']:>11,} {counts['tokens_per_second']:>8,.0f} {counts['peak_share']:>7.2f}"
                f"  {change or 'the recipe'}",
                flush=True,
            )


def _train(settings: recipe.Recipe, length: dict[str, float | None], out: Path, number: int) -> dict[str, float]:
    vocabulary = settings.tokenizer.vocabulary
    tokenizer, packed = out / f"tokenizer-{vocabulary}", out / f"pack-{vocabulary}"
    train(out / "curate", tokenizer, settings.tokenizer, settings.seed)
    pack(out / "curate", tokenizer, packed)
    settings = settings.model_copy(update={"pretrain": settings.pretrain.model_copy(update=length)})
    counts: dict[str, float] = pretrain(packed, tokenizer, out / f"pretrain-{number}", settings)["counts"]
    return counts


def _arguments() -> SimpleNamespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("changes", nargs="*", help="KEY=VALUE[,KEY=VALUE...], as for repoloom run --set")
    parser.add_argument("--recipe", type=Path, default=Path("recipes/laptop.toml"))
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--steps", type=int, help="instead of minutes")
    return SimpleNamespace(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
