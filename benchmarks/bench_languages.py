"""How often the language of a file is right, and how many files a second, on files that others have labelled.

A corpus is a folder of folders, one a language, named as GitHub's linguist names it (its own `samples/` is one); the
first folder below the corpus is the label, whatever lies deeper is the file's path. A label of no language on the list
is right when the answer is None. Dialects count as their language (PLSQL is SQL). Peers answer on the same files where
they are installed: Pygments (`guess_lexer_for_filename`, the dependency of the tests) and `github-linguist` (Ruby).

    python benchmarks/bench_languages.py samples/ more/
    python benchmarks/bench_languages.py --wrong 5 samples/
"""

import argparse
import shutil
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pygments.lexers import guess_lexer_for_filename  # type: ignore[import-untyped] # Pygments has no types
from pygments.util import ClassNotFound  # type: ignore[import-untyped]

from repoloom.languages import HEAD, LANGUAGES, detect, needs_content

# fmt: off
LARGEST = (
    "java", "python", "cpp", "typescript", "php", "c-sharp", "javascript", "html", "c", "tex", "sql", "ruby",
    "jupyter-notebook", "shell", "rmarkdown", "kotlin", "css", "json", "go", "rust",
)
# fmt: on
"""The twenty that hold the most bytes of the published corpus."""

_DIALECTS = {
    "sql": ("CQL", "MySQL", "PLSQL", "PLpgSQL", "SQLPL", "TSQL", "Transact-SQL", "PL/pgSQL", "PostgreSQL SQL dialect"),
    "visual-basic": ("VBA", "VBScript", "Visual Basic 6.0", "Visual Basic .NET", "VB.net"),
    "assembly": ("Motorola 68K Assembly", "Unix Assembly", "NASM", "GAS", "TASM", "ca65 assembler"),
    "json": ("JSON with Comments", "OASv2-json", "OASv3-json", "JSON-LD"),
    "yaml": ("OASv2-yaml", "OASv3-yaml", "YAML+Jinja"),
    "mathematica": ("Wolfram Language",),
    "typescript": ("TSX",),
    "tex": ("BibTeX",),
    "groovy": ("Gradle", "Nextflow"),
    "kotlin": ("Gradle Kotlin DSL",),
    "python": ("Snakemake", "Python 2.x"),
    "shell": ("Alpine Abuild", "Bash"),
    "isabelle": ("Isabelle ROOT",),
    "lean": ("Lean 4", "Lean4"),
    "lua": ("Xmake",),
    "html": ("Ecmarkup",),
    "javascript": ("JSX",),
    "emacs-lisp": ("EmacsLisp",),
    "pascal": ("Delphi",),
    "prolog": ("Logtalk",),
    "r": ("S",),
    "fortran": ("FortranFixed",),
    "java-server-pages": ("Java Server Page",),
}
_BY_LABEL = {x.name.lower(): x.id for x in LANGUAGES.values()} | {
    dialect.lower(): id for id, dialects in _DIALECTS.items() for dialect in dialects
}


@dataclass(frozen=True, slots=True)
class Sample:
    """A labelled file."""

    file: Path
    label: str
    """As the corpus has it."""
    path: str
    """Inside its repository."""
    head: str

    @property
    def truth(self) -> str:
        """The id of its language, "" where that is not on the list."""
        return _BY_LABEL.get(self.label.lower(), "")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+", type=Path, metavar="CORPUS", help="a folder of folders, one a language")
    parser.add_argument("--wrong", type=int, default=3, help="names to print of each kind of mistake (default: 3)")
    asked = parser.parse_args()
    files = [(corpus, file) for corpus in asked.corpora for file in sorted(corpus.rglob("*")) if file.is_file()]
    samples = [_sample(corpus, file) for corpus, file in files]
    ours = [_ours(sample) for sample in samples]
    hard = [needs_content(sample.path) for sample in samples]
    print(f"{len(samples):,} files, {sum(hard):,} of them with a name that does not decide\n")
    _table(samples, hard, {"ours": ours} | {name: peer(samples) for name, peer in _peers().items()})
    _confusion(samples, ours, asked.wrong)
    _speed(samples, hard)


def _sample(corpus: Path, file: Path) -> Sample:
    label, *inside = file.relative_to(corpus).parts
    with file.open("rb") as stream:
        head = stream.read(HEAD).removeprefix(b"\xef\xbb\xbf").decode("utf-8", "ignore")
    return Sample(file, label, "/".join(inside), head)


def _ours(sample: Sample) -> str:
    language = detect(sample.path, sample.head)
    return language.id if language else ""


def _peers() -> dict[str, Callable[[list[Sample]], list[str]]]:
    peers: dict[str, Callable[[list[Sample]], list[str]]] = {"pygments": _pygments}
    return peers | ({"linguist": _linguist} if shutil.which("github-linguist") else {})


def _pygments(samples: list[Sample]) -> list[str]:
    answers = []
    for sample in samples:
        try:
            name = guess_lexer_for_filename(sample.file.name, sample.head).name
        except ClassNotFound:
            name = ""
        answers.append(_BY_LABEL.get(name.lower(), ""))
    return answers


def _linguist(samples: list[Sample]) -> list[str]:
    """What GitHub's own tool says, with the whole file at hand."""
    program = 'require "linguist"; STDIN.each_line(chomp: true) { |f| puts(Linguist::FileBlob.new(f).language || "") }'
    files = "".join(f"{sample.file}\n" for sample in samples)
    done = subprocess.run(["ruby", "-e", program], input=files, capture_output=True, text=True, check=True)
    return [_BY_LABEL.get(name.lower(), "") for name in done.stdout.split("\n")[: len(samples)]]


def _table(samples: list[Sample], hard: list[bool], answers: dict[str, list[str]]) -> None:
    """The share that is right: of each large language, of all 20, of all languages, of what is not on the list."""
    groups = {id: [i for i, sample in enumerate(samples) if sample.truth == id] for id in LARGEST}
    groups["the 20 largest"] = [i for members in list(groups.values()) for i in members]
    groups["all on the list"] = [i for i, sample in enumerate(samples) if sample.truth]
    groups["not on the list"] = [i for i, sample in enumerate(samples) if not sample.truth]
    print(f"| {'':16} | files | " + " | ".join(answers) + f" | hard | {' | '.join(answers)} |")
    print("|---" * (3 + 2 * len(answers)) + "|")
    for group, members in groups.items():
        difficult = [i for i in members if hard[i]]
        cells = [str(len(members)), *(_right(samples, answer, members) for answer in answers.values())]
        cells += [str(len(difficult)), *(_right(samples, answer, difficult) for answer in answers.values())]
        print(f"| {group:16} | " + " | ".join(cells) + " |")


def _right(samples: list[Sample], answer: list[str], members: list[int]) -> str:
    return f"{sum(answer[i] == samples[i].truth for i in members) / len(members):.1%}" if members else "-"


def _confusion(samples: list[Sample], ours: list[str], names: int) -> None:
    """One row for each true language with mistakes; where it is not on the list, the label stands in brackets."""
    wrong: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    total = Counter(sample.truth or f"({sample.label})" for sample in samples)
    for sample, answer in zip(samples, ours, strict=True):
        if answer != sample.truth:
            wrong[sample.truth or f"({sample.label})", answer or "none"].append(sample.file.name)
    print("\n| true | files | answered | files | such as |\n|---|---|---|---|---|")
    for (truth, answer), files in sorted(wrong.items(), key=lambda item: (item[0][0].startswith("("), item[0])):
        print(f"| {truth} | {total[truth]} | {answer} | {len(files)} | {', '.join(files[:names])} |")


def _speed(samples: list[Sample], hard: list[bool]) -> None:
    print()
    for title, chosen in (("all", samples), ("hard", [s for s, h in zip(samples, hard, strict=True) if h])):
        rounds = []
        for _ in range(5):
            started = time.perf_counter()
            for sample in chosen:
                detect(sample.path, sample.head)
            rounds.append(len(chosen) / (time.perf_counter() - started))
        if chosen:
            print(f"{title}: {sorted(rounds)[2]:,.0f} files/s on one core, heads in memory (median of 5)")


if __name__ == "__main__":
    main()
