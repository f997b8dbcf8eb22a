"""Near-deduplication: what it finds of copies made from real files and repositories, whose similarity is known.

Of each of the installed distributions' Python files a copy is made: identifiers renamed, other text in place of the
header, functions or lines left out, another file appended; and of each distribution forks made the same way. Prints, by
exact Jaccard similarity, the share that is found, and the same for the published method on the same texts (25 bands of
10 rows, no check of candidates; by datasketch too where that is installed).

    python benchmarks/bench_dedup.py --draw docs/pictures/deduplication.svg
"""

import argparse
import importlib.util
import re
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from repoloom.curate.clusters import MISS, Floats, Numbers, matches
from repoloom.curate.grams import Hashes
from repoloom.curate.measure import gram_set
from repoloom.curate.minhash import Store, banding, cross_candidates, jaccard, keys, signatures
from repoloom.recipe import Curate
from repoloom.stage import machine

SETTINGS = Curate()
_EDGES = [0.4, 0.5, 0.6, 0.64, 0.66, 0.68, 0.7, 0.72, 0.74, 0.76, 0.8, 0.85, 0.9, 1.0001]

Found = NDArray[np.bool_]


def main() -> None:
    """Print a table for each level, and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=6000)
    parser.add_argument("--forks", type=int, default=12, help="of each distribution")
    parser.add_argument("--draw", type=Path)
    asked = parser.parse_args()
    print(f"{machine()['processor']}, {machine()['cores']} cores\n")
    packages = _packages()
    curves: dict[str, tuple[Floats, Found]] = {}
    levels = {"files": [_planted_files(packages, asked.files)], "repositories": _planted_forks(packages, asked.forks)}
    for level, corpora in levels.items():
        similarity = np.concatenate([planted.similarity() for planted in corpora])
        print(f"{level}: {len(similarity):,} pairs")
        methods: dict[str, Callable[[Planted], Found]] = {"verified": _ours, "25x10": _plain}
        if importlib.util.find_spec("datasketch"):
            methods["datasketch"] = _datasketch
        found = {name: np.concatenate([method(planted) for planted in corpora]) for name, method in methods.items()}
        for bands, height in (banding(0.7, 256), banding(0.7, 256, MISS)):
            count = sum(_candidates(planted, bands, height) for planted in corpora)
            print(f"  {bands} bands of {height} rows: {count:,} candidate pairs")
        _table(similarity, found)
        curves |= {f"{level}, {name}": (similarity, found[name]) for name in ("verified", "25x10")}
    if asked.draw:
        asked.draw.write_text(_svg(curves), "utf-8")


@dataclass
class Planted:
    """Pairs of texts by their gram sets: pair n is texts 2n (the original) and 2n + 1."""

    sets: list[Hashes]

    def similarity(self) -> Floats:
        """Of each pair, exactly."""
        return np.array([jaccard(self.sets[n], self.sets[n + 1]) for n in range(0, len(self.sets), 2)])


def _ours(planted: Planted) -> Found:
    """Which pairs deduplication unites; raises AssertionError where it names one that is not alike."""

    def exact(pairs: Numbers) -> Floats:
        return np.array([jaccard(planted.sets[first], planted.sets[second]) for first, second in pairs.tolist()])

    with tempfile.TemporaryDirectory(prefix="bench-dedup-") as place:
        store = Store(Path(place) / "signatures", 256)
        store.append(signatures(planted.sets, 256))
        every = np.arange(len(planted.sets))
        gone = matches(store, every, every, SETTINGS, exact, Path(place))
    wrong = [m for m in gone if jaccard(planted.sets[m.text], planted.sets[m.like]) < 0.68]
    assert len(wrong) <= 0.01 * len(gone), wrong
    like = {match.text: match.like for match in gone}

    def root(text: int) -> int:
        while text in like:
            text = like[text]
        return text

    return np.array([root(text) == root(text + 1) for text in range(0, len(planted.sets), 2)])


def _plain(planted: Planted) -> Found:
    """Which pairs share a bucket: all that goes where candidates are not checked."""
    found = keys(signatures(planted.sets, 256), *banding(0.7, 256))
    return np.asarray((found[::2] == found[1::2]).any(axis=1))


def _candidates(planted: Planted, bands: int, height: int) -> int:
    """How many pairs of all the texts share a bucket."""
    found = keys(signatures(planted.sets, 256), bands, height)
    return (len(cross_candidates(found, found)) - len(found)) // 2


def _datasketch(planted: Planted) -> Found:
    datasketch = importlib.import_module("datasketch")
    index = datasketch.MinHashLSH(threshold=0.7, num_perm=256)
    found = []
    for number, grams in enumerate(planted.sets):
        sketch = datasketch.MinHash(num_perm=256, hashfunc=lambda gram: int(gram) & 0xFFFFFFFF)
        sketch.update_batch(grams.tolist())
        if number % 2:
            found.append(number - 1 in index.query(sketch))
        index.insert(number, sketch)
    return np.array(found)


def _table(similarity: Floats, found: dict[str, Found]) -> None:
    print(f"  {'exact Jaccard':>13} {'pairs':>6} " + " ".join(f"{name:>10}" for name in found))
    for low, high in pairwise(_EDGES):
        here = (similarity >= low) & (similarity < high)
        if here.any():
            shares = " ".join(f"{hits[here].mean():>10.4f}" for hits in found.values())
            print(f"  {low:>5.2f} to {min(high, 1):>4.2f} {here.sum():>6,} {shares}")
    above, below = similarity >= 0.72, similarity < 0.68
    for name, hits in found.items():
        recall, precision = hits[above].mean(), (hits & above).sum() / hits[above | below].sum()
        print(f"  {name}: recall {recall:.4f}, precision {precision:.4f}")
    print()


def _packages() -> dict[str, list[str]]:
    """The Python files of the installed distributions, by package, those with enough text to be copied."""
    packages: dict[str, list[str]] = {}
    site = Path(sysconfig.get_path("purelib"))
    for path in sorted(site.glob("*/**/*.py")):
        if 2000 <= path.stat().st_size <= 60_000:
            packages.setdefault(path.relative_to(site).parts[0], []).append(path.read_text("utf-8", "replace"))
    return packages


def _planted_files(packages: dict[str, list[str]], count: int) -> Planted:
    rng = Random(0)
    texts = [text for files in packages.values() for text in files]
    texts = rng.sample(texts, min(count, len(texts)))
    sets = []
    for number, text in enumerate(texts):
        copy = _EDITS[number % len(_EDITS)](text, texts[number - 1], rng.random(), rng)
        pair = [gram_set(text, 5), gram_set(copy, 5)]
        if min(map(len, pair)) >= 16:  # files of fewer words are not compared
            sets += pair
    return Planted(sets)


def _planted_forks(packages: dict[str, list[str]], forks: int) -> list[Planted]:
    """So many corpora with a fork of each distribution of 5 files and more (of large ones, of 60 by chance)."""
    rng = Random(1)
    names = [name for name in packages if len(packages[name]) >= 5]
    corpora = []
    for fork in range(forks):
        sets = []
        for number, name in enumerate(names):
            files = rng.sample(packages[name], min(len(packages[name]), 60))
            other = rng.choice(packages[names[number - 1]])
            edit, share = _EDITS[(number + fork) % len(_EDITS)], rng.random()
            changed = [edit(text, other, share, rng) for text in files[1:] if rng.random() > share / 8]
            for texts in (files, [files[0], *changed]):
                grams = [gram_set(text, 5) for text in texts]
                sets.append(np.unique(np.concatenate(grams)))
        corpora.append(Planted(sets))
    return corpora


def _renamed(text: str, other: str, share: float, rng: Random) -> str:
    names = sorted(set(re.findall(r"\b[a-z_]{4,}\b", text))) or ["name"]
    chosen = set(rng.sample(names, 1 + int(len(names) * share * 0.12)))
    return re.sub(r"\b[a-z_]{4,}\b", lambda word: word[0] + "_2" * (word[0] in chosen), text)


def _other_header(text: str, other: str, share: float, rng: Random) -> str:
    licence = "".join(f"# {line}\n" for line in other[: int(len(text) * share)].splitlines())
    return licence + re.sub(r"\A(#.*\n|\s)*+", "", text)


def _without_functions(text: str, other: str, share: float, rng: Random) -> str:
    return "\n".join(part for part in re.split(r"\n(?=(?: {4})?(?:def|class) )", text) if rng.random() >= share * 0.6)


def _without_lines(text: str, other: str, share: float, rng: Random) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if rng.random() >= share * 0.2)


def _merged(text: str, other: str, share: float, rng: Random) -> str:
    return text + (other * (1 + len(text) // len(other)))[: int(len(text) * share * 1.2)]


Edit = Callable[[str, str, float, Random], str]
_EDITS: Sequence[Edit] = (_renamed, _other_header, _without_functions, _without_lines, _merged)


def _svg(curves: dict[str, tuple[Floats, Found]]) -> str:
    """The share found against exact similarity, in steps of 0.02."""

    def at(similarity: float, share: float) -> str:
        return f"{60 + (similarity - 0.5) * 1100:.1f},{300 - share * 260:.1f}"

    parts = [f'<rect class="band" x="{at(0.68, 1).split(",")[0]}" y="40" width="44" height="260"/>']
    for tenth in range(6):
        x, height = at(0.5 + tenth / 10, tenth / 5).split(",")
        parts.append(f'<path class="grid" d="M{at(0.5, tenth / 5)} L{at(1, tenth / 5)}"/>')
        parts.append(f'<text x="52" y="{float(height) + 4:.1f}" text-anchor="end">{tenth * 20}%</text>')
        parts.append(f'<text x="{x}" y="322" text-anchor="middle">{0.5 + tenth / 10:.1f}</text>')
    for number, (name, (similarity, hits)) in enumerate(curves.items()):
        bins = np.floor(similarity / 0.02 + 1e-9).astype(int)
        points = [at((n + 0.5) * 0.02, hits[bins == n].mean()) for n in range(25, 50) if (bins == n).sum() >= 10]
        kind = f"{'ours' if 'verified' in name else 'plain'}{' dashed' if 'repositories' in name else ''}"
        parts.append(f'<polyline class="{kind}" points="{" ".join(points)}"/>')
        y = 70 + 22 * number
        parts.append(f'<path class="{kind}" d="M70,{y} h30"/><text x="108" y="{y + 4}">{name}</text>')
    style = (
        "svg{--ink:#1d1b18;--paper:#fdfcf9;--line:#e5e0d6;--ours:#b3401a;--plain:#6a655c}"
        "@media(prefers-color-scheme:dark){svg{--ink:#ece8e0;--paper:#151412;--line:#302d29;--ours:#f2845c;--plain:#a19a8e}}"
        "text{font:12.5px system-ui,sans-serif;fill:var(--ink)}.paper{fill:var(--paper)}.band{fill:var(--line)}"
        ".grid{stroke:var(--line)}.ours,.plain{fill:none;stroke-width:2}.ours{stroke:var(--ours)}"
        ".plain{stroke:var(--plain)}.dashed{stroke-dasharray:5 4}"
    )
    title = "Share of planted copies that are found, by their exact Jaccard similarity"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="650" height="340" viewBox="0 0 650 340" role="img"'
        f' aria-label="{title}"><style>{style}</style><rect class="paper" width="650" height="340"/>'
        f'<text x="60" y="24">{title}</text>{"".join(parts)}</svg>\n'
    )


if __name__ == "__main__":
    main()
