"""The languages: DeepSeek Coder's list of 89, and which of them a file is in.

The table is data (languages.toml). A file's language is decided by its name alone wherever that is enough: whole file
name, then extension, both dictionary look-ups. Only an extension that several languages share is decided by content,
with a few patterns on the first kilobytes, and a name that says nothing by its shebang line. An answer of None means
"not on the list", which for a shared extension is an answer too (Objective-C's .m, Coq's .v).
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

HEAD = 4096
"""Characters of a file's beginning that `detect` looks at."""


@dataclass(frozen=True, slots=True)
class Language:
    """One language: how its files are named and how it writes a comment."""

    id: str
    name: str
    extensions: tuple[str, ...]
    filenames: tuple[str, ...]
    """Whole names; one that ends with ".*" also stands for itself with any unknown extension."""
    interpreters: tuple[str, ...]
    line_comment: str | None
    block_comment: tuple[str, str] | None
    grammar: str | None
    """Its name in tree-sitter-language-pack; None where that has none."""


@dataclass(frozen=True, slots=True)
class _Rules:
    """How content decides an extension: the first pattern found wins; None is "not on the list"."""

    patterns: tuple[tuple[re.Pattern[str], Language | None], ...]
    otherwise: Language | None


def _read() -> tuple[dict[str, Language], dict[str, _Rules]]:
    tables: dict[str, Any] = tomllib.loads(Path(__file__).with_name("languages.toml").read_text("utf-8"))
    shared = tables.pop("ambiguous")
    languages = {
        id: Language(
            id=id,
            name=table["name"],
            extensions=tuple(table.get("extensions", ())),
            filenames=tuple(table.get("filenames", ())),
            interpreters=tuple(table.get("interpreters", ())),
            line_comment=table.get("line"),
            block_comment=tuple(table["block"]) if "block" in table else None,
            grammar=table.get("grammar"),
        )
        for id, table in tables.items()
    }
    by_content = {
        extension: _Rules(
            tuple((re.compile(pattern, re.MULTILINE), languages.get(id)) for id, pattern in entry["rules"]),
            languages.get(entry["otherwise"]),
        )
        for entry in shared
        for extension in entry["extensions"]
    }
    return languages, by_content


_languages, _BY_CONTENT = _read()
LANGUAGES: Mapping[str, Language] = MappingProxyType(_languages)
"""All 89, by id."""
PUBLISHED_87 = frozenset(LANGUAGES) - {"markdown", "restructuredtext"}
"""The ids of the paper's 87: the README's list without the two of prose."""

_BY_EXTENSION = {e: language for language in LANGUAGES.values() for e in language.extensions if e not in _BY_CONTENT}
_BY_NAME = {n.removesuffix(".*"): language for language in LANGUAGES.values() for n in language.filenames}
_BY_STEM = {n.removesuffix(".*"): _BY_NAME[n[:-2]] for x in LANGUAGES.values() for n in x.filenames if n.endswith(".*")}
_BY_INTERPRETER = {name: language for language in LANGUAGES.values() for name in language.interpreters}
_COMPOUND = tuple(e for e in _BY_EXTENSION if e.count(".") > 1)
_SHEBANG = re.compile(
    r"#![ \t]*(?:\S*/)?env[ \t]+(?:-\S+[ \t]+|\w+=\S*[ \t]+)*(?:\S*/)?([^\s/]+)|#![ \t]*(?:\S*/)?([^\s/]+)"
)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def extension_of(path: str) -> str:
    """The extension that decides, with its dot: ".py", ".C", ".lagda.md"; "" where the name has none that is known."""
    name = path[path.rfind("/") + 1 :]
    if name.endswith(_COMPOUND):
        return next(e for e in _COMPOUND if name.endswith(e))
    dot = name.rfind(".")
    exact = name[dot:] if dot > 0 else ""
    for extension in (exact, exact.lower()):
        if extension in _BY_CONTENT or extension in _BY_EXTENSION:
            return extension
    return ""


def needs_content(path: str) -> bool:
    """Whether `detect` can say more about this name when it is given the file's head."""
    name = path[path.rfind("/") + 1 :]
    extension = extension_of(name)
    return name not in _BY_NAME and (extension in _BY_CONTENT or (not extension and _stem(name) is None))


def detect(path: str, head: str) -> Language | None:
    """The language of the file at `path` (as `a/b.c`) whose text begins with `head`, or None if it is not on the list.

    `head` may be "" where the name is enough, see `needs_content`; at most the first HEAD characters are looked at.
    """
    name = path[path.rfind("/") + 1 :]
    if name in _BY_NAME:
        return _BY_NAME[name]
    extension = extension_of(name)
    if extension in _BY_EXTENSION:
        return _BY_EXTENSION[extension]
    if not extension and (known := _stem(name)):
        return known
    head = head[:HEAD]
    if head.startswith("#!") and (match := _SHEBANG.match(head)):
        interpreter = match[1] or match[2]
        for word in (interpreter, interpreter.rstrip("0123456789.-")):
            if word in _BY_INTERPRETER:
                return _BY_INTERPRETER[word]
    if extension in _BY_CONTENT:
        rules = _BY_CONTENT[extension]
        return next((language for pattern, language in rules.patterns if pattern.search(head)), rules.otherwise)
    return None


def _stem(name: str) -> Language | None:
    """Dockerfile.dev, Makefile.linux: a known name with an unknown extension."""
    return _BY_STEM.get(name.partition(".")[0])


def header(path: str, language: Language) -> str:
    """The comment line with a file's path that opens it in a document ([R]: `# model.py`), with its line break.

    Formats without comments (JSON) get `//`, which their readers with comments use. What would end the comment early
    (a line break or the comment's closing mark in a hostile name) is replaced.
    """
    path = _UNPRINTABLE.sub("\ufffd", path)
    if language.line_comment:
        return f"{language.line_comment} {path}\n"
    if language.block_comment:
        opening, closing = language.block_comment
        return f"{opening} {path.replace(closing, chr(0xFFFD))} {closing}\n"
    return f"// {path}\n"
