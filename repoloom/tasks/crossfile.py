"""Tasks from a team's own code: in held-out files of a curated corpus, lines that name something of another file.

A document's files stand in dependency order, so what a file uses stands before it. A name counts where one other file
alone defines it, before this one, and this file imports the name or writes `file.name`; in languages that include whole
files the file's import does, in those whose packages are folders a file of the same folder. From each file one line is
taken, drawn by a hash of its place: never an import, never one that the file holds already. Definitions and names are
tree-sitter's, in every language it reads.
"""

import functools
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from repoloom.errors import UserError
from repoloom.tasks import syntax
from repoloom.tasks.task import Row

_IMPORT = re.compile(r"^\s*(?:import|from|use|using|include|#\s*include|require\w*|export .* from)\b|\brequire\(")
_WORD = re.compile(r"[^\W\d]\w*")
_BY_FOLDER = ("java", "kotlin", "scala", "c-sharp", "go", "swift", "php")
_BY_FILE = ("c", "cpp", "cuda", "php", "ruby", "lua", "perl", "shell")
_SHORTEST = 4
"""Letters of a name: shorter ones are too often another's."""
_SNIPPETS = 8
_SNIPPET_LINES = 30
_LINES_BEFORE = 150
_LONGEST_LINE = 200
_LARGEST_FILE = 1 << 20


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    language: str
    text: str
    """Without the line with its path."""
    defined: Mapping[str, str]
    """Names, and the beginning of what defines each."""


def rows(corpus: Path) -> Iterator[Row]:
    """Rows of RepoBench's form, one for each held-out file that has such a line.

    Raises UserError where the folder holds no `heldout/part-*.parquet`.
    """
    from repoloom import formats  # with it comes pyarrow, and a recipe is checked without it

    if not any((corpus / "heldout").glob("part-*.parquet")):
        raise UserError(f"{corpus} holds no heldout/part-*.parquet: curate with curate.heldout in the recipe")
    for part in formats.parts(corpus, "heldout"):
        for document in formats.rows(part, ["repo", "files", "text"]):
            files = [_file(file, document["text"]) for file in document["files"]]
            owners = _owners(files)
            for number, file in enumerate(files):
                row = _row(document["repo"], file, _usable(files, number, owners))
                if row is not None:
                    yield row


def _file(file: Mapping[str, object], text: str) -> _File:
    path, language = str(file["path"]), str(file["language"])
    body = text[int(str(file["start"])) : int(str(file["end"]))].partition("\n")[2]
    defined: dict[str, str] = {}
    if len(body) <= _LARGEST_FILE:
        data = body.encode()
        for name, (start, end) in syntax.definitions(body, language).items():
            lines = data[start:end].decode("utf-8", "replace").split("\n")
            defined[name] = "\n".join(lines[:_SNIPPET_LINES])
    return _File(path, language, body, defined)


def _owners(files: Sequence[_File]) -> dict[str, int | None]:
    """Which file defines a name; None where more than one does."""
    owners: dict[str, int | None] = {}
    for number, file in enumerate(files):
        for name in file.defined:
            owners[name] = None if name in owners else number
    return owners


def _usable(files: Sequence[_File], number: int, owners: Mapping[str, int | None]) -> Callable[[str], _File | None]:
    """Of a name, the file before this one that this one has it from, if it does."""
    file = files[number]
    imported = set(_WORD.findall("\n".join(line for line in file.text.split("\n") if _IMPORT.search(line))))
    folder = PurePosixPath(file.path).parent

    @functools.cache
    def owner(name: str) -> _File | None:
        which = owners.get(name)
        if which is None or which >= number or len(name) < _SHORTEST or files[which].language != file.language:
            return None
        place = PurePosixPath(files[which].path)
        near = file.language in _BY_FOLDER and place.parent == folder
        whole = file.language in _BY_FILE and place.stem in imported
        said = near or whole or name in imported or f"{place.stem}.{name}" in file.text
        return files[which] if said else None

    return owner


def _row(repo: str, file: _File, usable: Callable[[str], _File | None]) -> Row | None:
    lines = file.text.split("\n")
    seen: set[str] = set()
    mentioned: dict[str, _File] = {}
    candidates: list[tuple[bytes, int, str]] = []
    for word, number in syntax.names(file.text, file.language) or ():
        owner = usable(word)
        if owner is None or number >= len(lines) or _IMPORT.search(lines[number]):
            continue
        mentioned[word] = owner
        if 0 < len(lines[number]) <= _LONGEST_LINE and lines[number] not in seen and number:
            candidates.append((_drawn(repo, file.path, number), number, word))
        seen.add(lines[number])
    if not candidates:
        return None
    _, number, name = min(candidates)
    chosen = [name, *(other for other in mentioned if other != name)][:_SNIPPETS]
    ordered = [word for word in mentioned if word in chosen]
    return {
        "repo_name": repo,
        "file_path": file.path,
        "context": [
            {"identifier": word, "path": mentioned[word].path, "snippet": mentioned[word].defined[word]}
            for word in ordered
        ],
        "import_statement": "",
        "cropped_code": "\n".join(lines[max(0, number - _LINES_BEFORE) : number]),
        "next_line": lines[number],
        "gold_snippet_index": ordered.index(name),
    }


def _drawn(repo: str, path: str, number: int) -> bytes:
    key = f"{repo}/{path}:{number}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(key, digest_size=8).digest()
