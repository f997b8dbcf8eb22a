"""What the import tests share: the edges of a repository written down as a dictionary, and scores against a truth."""

from collections.abc import Collection, Mapping
from pathlib import Path

from repoloom.curate.imports import File, edges

Pairs = set[tuple[str, str]]


def language_of(path: str) -> str:
    suffixes = {
        "c": ".c",
        "cpp": ".cc .cpp .cu .h .hpp .inc .inl",
        "go": ".go",
        "java": ".java",
        "javascript": ".cjs .js .jsx .mjs",
        "json": ".json",
        "python": ".py .pyi",
        "rust": ".rs",
        "typescript": ".cts .mts .ts .tsx",
    }
    return next((language for language, known in suffixes.items() if Path(path).suffix in known.split()), "")


def edges_of(files: Mapping[str, str]) -> Pairs:
    """The edges by path of the files path -> text; languages go by suffix."""
    listed = [File(path, language_of(path), text) for path, text in files.items()]
    return {(listed[user].path, listed[used].path) for user, used in edges(listed)}


def read(folder: Path, suffixes: Collection[str], below: str = "") -> dict[str, str]:
    """path -> text of a real folder's files that are UTF-8 and end in one of `suffixes`."""
    found = {}
    for file in sorted((folder / below).rglob("*")):
        if file.suffix in suffixes and file.is_file() and file.stat().st_size < 3_000_000:
            try:
                found[file.relative_to(folder).as_posix()] = file.read_text("utf-8")
            except UnicodeDecodeError:
                continue
    return found


def scores(found: Pairs, truth: Pairs) -> tuple[float, float]:
    """Precision and recall of the edges found."""
    assert truth, "the truth is empty: the tool found nothing to compare with"
    right = len(found & truth)
    return right / max(1, len(found)), right / len(truth)
