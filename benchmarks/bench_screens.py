"""The screens on code that is known to compile: which valid files fail, which planted errors pass, and MB/s a core.

Folders of sources are given, one a package (Debian sources that were built, a JDK's `src`, released packages). Files
are taken from them in turn, so that no large package decides alone. In a copy of every valid file one error is planted:

- brace    one `{` or `}` outside strings and comments is dropped (see _DROPPED for languages with other blocks)
- cut      the rest after a random line of its middle half is dropped; counted apart are cuts inside of a bracket or
           block, and cuts between two top-level items, which leave a valid program in most languages
- merge    three lines are put into conflict markers

A copy of a script that bash still reads (`bash -n`, which runs nothing) holds no error: a second row, "shell bash",
counts only the scripts that bash reads and the copies that it refuses.

A threshold is the least of STEPS at which the given share of the valid files passes. The machine's noise is in the
speeds: CPU seconds of one process, parsing alone and the whole screen.

    python benchmarks/bench_screens.py --files 500 FOLDER...
    python benchmarks/bench_screens.py --files 100 --compilers FOLDER...
    python benchmarks/bench_screens.py --files 400 --quality FOLDER...
"""

import argparse
import os
import random
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np
from tree_sitter import Node
from tree_sitter_language_pack import get_parser

from repoloom.curate import brackets, compilers, quality, screen
from repoloom.languages import HEAD, LANGUAGES, detect

STEPS = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
KINDS = ("valid", "brace", "cut inside", "cut between", "merge")
QUANTILES = (0.005, 0.05, 0.5, 0.95, 0.995)
_BLOCKS = frozenset({"python", "ruby", "lua", "shell"})
_DROPPED = {
    "python": {*"()[]{}"},
    "ruby": {*"()[]{}", "end"},
    "lua": {*"()[]{}", "end"},
    "shell": {"{", "}", "fi", "done", "esac"},
}
_SKIPPED = frozenset({"testdata", "fixtures", "node_modules"})
File = tuple[str, str, str]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--files", type=int, default=500, help="at most this many a language")
    parser.add_argument("--languages", nargs="+", default=sorted(screen.SCREENS.keys() | screen.READ_WHOLE))
    parser.add_argument("--passing", type=float, default=0.995, help="share of valid files that a threshold lets pass")
    parser.add_argument("--compilers", action="store_true", help="agreement with the compilers instead")
    parser.add_argument("--quality", action="store_true", help="distributions of the quality features instead")
    asked = parser.parse_args()
    files = _collect(asked.folders, frozenset(asked.languages), asked.files)
    if asked.quality:
        _quality(files)
    elif asked.compilers:
        _compilers(files)
    else:
        _thresholds(files, asked.passing)


def _collect(folders: list[Path], languages: frozenset[str], most: int) -> dict[str, list[File]]:
    """By language, in turn from each folder, in an order drawn by seed."""
    turns: defaultdict[str, list[list[File]]] = defaultdict(list)
    for folder in folders:
        found: defaultdict[str, list[File]] = defaultdict(list)
        for place, names, leaves in os.walk(folder):
            names[:] = sorted(set(names) - _SKIPPED)
            for path in (Path(place, leaf) for leaf in sorted(leaves)):
                if not path.is_symlink() and (file := _read(path, languages)):
                    found[file[0]].append(file)
        for language, several in found.items():
            random.Random(f"{language} {folder.name}").shuffle(several)
            turns[language].append(several)
    return {
        language: [file for turn in zip_longest(*turns[language]) for file in turn if file][:most]
        for language in sorted(turns)
    }


def _read(path: Path, languages: frozenset[str]) -> File | None:
    try:
        if not path.is_file() or not 50 < path.stat().st_size < 300_000:
            return None
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None
    language = detect(str(path), text[:HEAD])
    return (language.id, str(path), text) if language and language.id in languages else None


def _thresholds(files: dict[str, list[File]], passing: float) -> None:
    print(
        "language     files     MB "
        + " ".join(f"{kind:>18}" for kind in KINDS)
        + "  threshold  fits  parse  screen MB/s"
    )
    for language, several in files.items():
        failed: defaultdict[str, list[bool]] = defaultdict(list)
        by_bash: defaultdict[str, list[bool]] = defaultdict(list)
        bash = shutil.which("bash") if language == "shell" else None
        shares = []
        seconds = 0.0
        rng = random.Random(language)
        for _, path, text in several:
            started = time.process_time()
            failed["valid"].append(screen.syntax(language, path, text) is not None)
            seconds += time.process_time() - started
            read = bash is not None and _bash_reads(bash, text)
            if read:
                by_bash["valid"].append(failed["valid"][-1])
            if language in screen.SCREENS:
                shares.append(screen.misplaced(language, path, text))
            if not failed["valid"][-1]:
                for kind, broken in _planted(language, path, text, rng):
                    failed[kind].append(screen.syntax(language, path, broken) is not None)
                    if bash and read and not _bash_reads(bash, broken):
                        by_bash[kind].append(failed[kind][-1])
        size = sum(len(text.encode()) for _, _, text in several) / 1e6
        fits = next((step for step in STEPS if np.mean([s <= step for s in shares] or [True]) >= passing), STEPS[-1])
        print(
            f"{language:12} {len(several):5} {size:6.1f} {_shares(failed)}  {screen.SCREENS.get(language, 0.0):9}  "
            f"{fits:4}  {size / _parse_seconds(language, several):5.1f}  {size / seconds:6.1f}",
            flush=True,
        )
        if by_bash:
            print(f"{language + ' bash':12} {len(by_bash['valid']):5} {'':6} {_shares(by_bash)}", flush=True)


def _shares(failed: dict[str, list[bool]]) -> str:
    cells = []
    for kind in KINDS:
        share = np.mean(failed[kind]) if failed[kind] else np.nan
        cells.append(f"{100 * (1 - share if kind == 'valid' else share):10.1f}% of {len(failed[kind]):4}")
    return " ".join(cells)


def _bash_reads(bash: str, text: str) -> bool:
    """Whether bash can parse it; with an empty environment, so that not even BASH_ENV is read."""
    command = [bash, "--norc", "-O", "extglob", "-n"]
    return subprocess.run(command, input=text.encode(), capture_output=True, env={}).returncode == 0


def _parse_seconds(language: str, files: list[File]) -> float:
    started = time.process_time()
    for _, path, text in files:
        if language == "python":
            screen.python_error(text)
        else:
            _tree(language, path, text)
    return time.process_time() - started


def _tree(language: str, path: str, text: str) -> Node:
    grammar = "tsx" if language == "typescript" and path.endswith(".tsx") else LANGUAGES[language].grammar
    return get_parser(grammar).parse(text.encode()).root_node  # type: ignore[arg-type]  # its names are a Literal


def _planted(language: str, path: str, text: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """The kinds of error that this file can have, each with a text that has it."""
    data, root = text.encode(), _tree(language, path, text)
    droppable = _DROPPED.get(language, {"{", "}"})
    tokens = sorted((node.start_byte, node.end_byte, node.type) for node in _tokens(root))
    if spots := [(start, end) for start, end, kind in tokens if kind in droppable]:
        start, end = rng.choice(spots)
        yield "brace", (data[:start] + data[end:]).decode()
    lines = text.split("\n")
    if len(lines) >= 8:
        cut = "\n".join(lines[: rng.randrange(len(lines) // 4, 3 * len(lines) // 4)]) + "\n"
        length = len(cut.encode())
        before = "".join(kind for _, end, kind in tokens if end <= length and set(kind) & {*"()[]{}"}).encode()
        inside = not brackets.balanced(byte for byte in before if byte in b"()[]{}")
        if language in _BLOCKS - {"python"}:
            inside = inside or any(n.child_count and n.start_byte < length - 1 < n.end_byte - 2 for n in root.children)
        yield "cut inside" if inside else "cut between", cut
    at = rng.randrange(len(lines) + 1)
    ours = lines[at : at + 3]
    conflict = ["<<<<<<< HEAD", *ours, "=======", *ours, ">>>>>>> theirs"]
    yield "merge", "\n".join([*lines[:at], *conflict, *lines[at + 3 :], ""])


def _tokens(root: Node) -> Iterator[Node]:
    walk = [root]
    while walk:
        node = walk.pop()
        walk.extend(node.children)
        if not node.child_count and not node.is_named and not node.is_missing:
            yield node


def _compilers(files: dict[str, list[File]]) -> None:
    for line in compilers.missing(files):
        print(line)
    print("kind         language     files  both pass  both fail  screen alone fails  compiler alone fails  MB/s")
    for language, several in files.items():
        rng = random.Random(language)
        kinds = [("valid", file) for file in several]
        for _, path, text in several:
            if screen.syntax(language, path, text) is None:
                kinds += [(kind, (language, path, broken)) for kind, broken in _planted(language, path, text, rng)]
        started = time.perf_counter()
        opinions = compilers.opinions([file for _, file in kinds])
        speed = sum(len(file[2]) for _, file in kinds) / 1e6 / (time.perf_counter() - started)
        for wanted in KINDS:
            rows = [
                (language, screen.syntax(*file) is None, opinion)
                for (kind, file), opinion in zip(kinds, opinions, strict=True)
                if kind == wanted
            ]
            for row in compilers.agreement(rows):
                print(
                    f"{wanted:12} {language:12} {row.files:5} {row.both_pass:10} {row.both_fail:10} "
                    f"{row.screen_fails:19} {row.compiler_fails:21} {speed:5.1f}",
                    flush=True,
                )


def _quality(files: dict[str, list[File]]) -> None:
    every: defaultdict[str, list[float]] = defaultdict(list)
    low: list[tuple[float, float, str]] = []
    print(
        "language     files  MB/s  readability: quantiles " + " ".join(map(str, QUANTILES)) + "; modularity: the same"
    )
    for language, several in files.items():
        if language not in quality.SCORED:
            continue
        started = time.process_time()
        found = [(path, quality.scores(language, text)) for _, path, text in several]
        speed = sum(len(text) for _, _, text in several) / 1e6 / (time.process_time() - started)
        scored = [(path, scores) for path, scores in found if scores is not None]
        for path, scores in scored:
            low.append((scores.readability, scores.modularity, path))
            for name, value in scores.features.items():
                every[name].append(value)
        both = [_quantiles([getattr(s, name) for _, s in scored]) for name in ("readability", "modularity")]
        print(f"{language:12} {len(scored):5} {speed:5.0f}  {both[0]}; {both[1]}", flush=True)
    for name, values in every.items():
        print(f"{name:20} {_quantiles(values)}")
    for name in ("readability", "modularity"):
        values = [readability if name == "readability" else modularity for readability, modularity, _ in low]
        print(f"{name:20} {_quantiles(values)}; lowest:")
        for value, path in sorted(zip(values, (path for _, _, path in low), strict=True))[:10]:
            print(f"  {value:.2f} {path}")


def _quantiles(values: list[float]) -> str:
    return " ".join(f"{value:7.2f}" for value in np.quantile(values, QUANTILES))


if __name__ == "__main__":
    main()
