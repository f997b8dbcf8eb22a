"""Import edges against tools that others wrote: precision and recall on real repositories, then MB/s a core.

Each argument is LANGUAGE:FOLDER, or LANGUAGE:FOLDER:OPTIONS with what the reference tool must be told: include paths
for c and cpp (-Iinclude,-Isrc), package names for python. Nothing is downloaded, nothing of the folder is run; the
tools must be there: grimp, gcc, g++, javac, go, cargo and rustc, and for javascript and typescript Node with madge and
TypeScript where NODE_PATH says. docs/dependencies.md names the repositories measured and how they were got.

    python benchmarks/bench_dependencies.py python:sqlalchemy/lib:sqlalchemy c:zstd:-Ilib,-Iprograms rust:tokio
    python benchmarks/bench_dependencies.py --speed python:sqlalchemy c:zstd rust:tokio

An edge of ours counts only where the reference looked: its user was read, and where a tool takes one branch of several
(`#if`, build tags, `cfg`), that branch. `--show N` prints that many edges of each kind of mistake.
"""

import argparse
import re
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench_dependencies_rust import rustc
from dependency_references import REFERENCES, Pair, Reference

from repoloom.curate.imports import File, edges
from repoloom.languages import detect

_MOST_BYTES = 3_000_000
_PATTERN = re.compile(r"//[^\n]*+|/\*.*?\*/|\"[^\"\n]*+\"|'[^'\n]*+'|\b(?:import|include|require|use|mod)\b", re.DOTALL)
"""The floor: one search for comments, strings and the words of imports, without looking at what it finds."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repositories", nargs="+", metavar="LANGUAGE:FOLDER[:OPTIONS]")
    parser.add_argument("--speed", action="store_true", help="MB/s a core and growth instead of precision and recall")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts (speed)")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="wrong and missing edges to print")
    asked = parser.parse_args()
    if asked.speed:
        print("| language | repository | files | MB | regex MB/s | edges MB/s | 1x, ms a file | 4x | 16x |")
        print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    else:
        print("| repository | reference | files | ours | reference's | precision | recall |")
        print("|---|---|---:|---:|---:|---:|---:|")
    for repository in asked.repositories:
        language, place, options = [*repository.split(":", 2), ""][:3]
        files = _read(Path(place))
        if asked.speed:
            _speed(language, place, [file for file in files if file.language == language], asked.rounds)
            continue
        found = {(files[user].path, files[used].path) for user, used in edges(files)}
        for tool, ask in (REFERENCES | {"rust": {"rustc": rustc}})[language].items():
            _score(place, tool, files, found, ask(Path(place).resolve(), files, options), asked.show)


def _read(place: Path) -> list[File]:
    """The files of a folder as a shard would hold them."""
    files = []
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if "node_modules/" in name or not path.is_file() or path.is_symlink() or path.stat().st_size > _MOST_BYTES:
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        known = detect(name, text)
        files.append(File(name, known.id if known else "", text))
    return files


def _score(place: str, tool: str, files: list[File], found: set[Pair], reference: Reference, show: int) -> None:
    truth = {pair for pair in reference.edges if pair[0] != pair[1]}
    ours = {reference.form(pair) for pair in found if reference.counts(pair)}
    ours = {pair for pair in ours if pair[0] != pair[1]}
    right = len(ours & truth)
    print(
        f"| {place} | {tool} | {reference.files} | {len(ours)} | {len(truth)} "
        f"| {right / max(1, len(ours)):.4f} | {right / max(1, len(truth)):.4f} |",
        flush=True,
    )
    for title, pairs in (("wrong", ours - truth), ("missing", truth - ours)):
        for user, used in sorted(pairs)[:show]:
            print(f"    {title}: {user} -> {used}")


def _speed(language: str, place: str, files: list[File], rounds: int) -> None:
    megabytes = sum(len(file.text.encode()) for file in files) / 1e6
    floor = _seconds(lambda: [_PATTERN.sub("", file.text) for file in files], rounds)
    whole = _seconds(partial(edges, files), rounds)
    # Copies side by side stand for a larger repository; each keeps its own names.
    grown = []
    for times in (1, 4, 16):
        part = [file for n, file in enumerate(files) if n % 16 == 0] if len(files) > 160 else files[:10]
        copies = [File(f"copy{n}/{file.path}", file.language, file.text) for n in range(times) for file in part]
        grown.append(1e3 * _seconds(partial(edges, copies), rounds) / len(copies))
    print(
        f"| {language} | {place} | {len(files)} | {megabytes:.1f} | {megabytes / floor:.0f} | {megabytes / whole:.1f} "
        f"| {' | '.join(f'{value:.3f}' for value in grown)} |",
        flush=True,
    )


def _seconds(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
