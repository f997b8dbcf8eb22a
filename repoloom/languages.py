"""The languages: DeepSeek Coder's list of 89 and Swift, and which of them a file is in.

The table is data (languages.toml). A file's language is decided by its name alone wherever that is enough: whole file
name, then extension, both dictionary look-ups. Only an extension that several languages share is decided by content,
with a few patterns on the first kilobytes, and a name that says nothing by its shebang or mode line. An answer of None
means "not on the list", which for a shared extension is an answer too (Objective-C's .m, Coq's .v).
"""

import re
import tomllib
from collections.abc import Callable, Mapping
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

    patterns: tuple[tuple[Callable[[str], object], Language | None], ...]
    otherwise: Language | None


def _finder(pattern: str) -> Callable[[str], object]:
    """Search for it, but only at the start if it stands there: `search` would try a leading \\A at every character."""
    compiled = re.compile(pattern, re.MULTILINE)
    return compiled.match if pattern.removeprefix("(?s)").startswith(r"\A") else compiled.search


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
            tuple((_finder(pattern), languages.get(id)) for id, pattern in entry["rules"]),
            languages.get(entry["otherwise"]),
        )
        for entry in shared
        for extension in entry["extensions"]
    }
    return languages, by_content


_languages, _BY_CONTENT = _read()
LANGUAGES: Mapping[str, Language] = MappingProxyType(_languages)
"""All 90, by id."""
PUBLISHED_87 = frozenset(LANGUAGES) - {"markdown", "restructuredtext", "swift"}
"""The ids of the paper's 87: the README's list without the two of prose. Swift is ours: apps are written in it."""

_BY_EXTENSION = {e: language for language in LANGUAGES.values() for e in language.extensions if e not in _BY_CONTENT}
_BY_NAME = {n.removesuffix(".*"): language for language in LANGUAGES.values() for n in language.filenames}
_BY_STEM = {n.removesuffix(".*"): _BY_NAME[n[:-2]] for x in LANGUAGES.values() for n in x.filenames if n.endswith(".*")}
_BY_INTERPRETER = {name: language for language in LANGUAGES.values() for name in language.interpreters}
_BY_WORD = _BY_INTERPRETER | {word: x for x in LANGUAGES.values() for word in (x.id, x.name.lower())}
_COMPOUND = tuple(e for e in (*_BY_EXTENSION, *_BY_CONTENT) if e.count(".") > 1)
_SHEBANG = re.compile(
    r"#![ \t]*(?:\S*/)?env[ \t]+(?:-\S+[ \t]+|\w+=\S*[ \t]+)*(?:\S*/)?([^\s/]+)|#![ \t]*(?:\S*/)?([^\s/]+)"
)
# `#!/bin/sh` whose next lines hand the file to its real interpreter, as Tcl's and Scala's manuals advise.
_EXEC = re.compile(r"^[ \t]*exec[ \t]+(?:\S*/)?([\w.+-]+)[^\n]*\$\{?0", re.MULTILINE)
# Emacs's `-*- C++ -*-` and `-*- mode: perl; ... -*-`, Vim's `vim: set ft=prolog:`, in the first lines.
_MODE = re.compile(
    r"-\*-[ \t]*+(?:[^\n]{0,80}?\bmode:[ \t]*+)?([\w+#-]+)(?=[ \t;]|-\*-)"
    r"|\b(?:vim?|ex):[^\n]{0,80}?\b(?:ft|filetype|syntax)=([\w+#]+)",
    re.IGNORECASE,
)
_FIRST_LINES = 400
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
    said = _said(head)
    rules = _BY_CONTENT.get(extension)
    if rules is None or (said and extension in said.extensions):
        return said
    for found, language in rules.patterns:
        if found(head):
            return language
    return rules.otherwise or said


def _said(head: str) -> Language | None:
    """What the file says of itself: its shebang line, or an editor's mode line."""
    if head.startswith("#!") and (match := _SHEBANG.match(head)):
        found = _interpreter(match[1] or match[2])
        if found and found.id == "shell" and (match := _EXEC.search(head, 0, _FIRST_LINES)):
            found = _interpreter(match[1]) or found
        if found:
            return found
    match = _MODE.search(head, 0, _FIRST_LINES)
    return _BY_WORD.get((match[1] or match[2]).lower()) if match else None


def _interpreter(word: str) -> Language | None:
    if word == "perl6":  # Raku's old name
        return None
    return _BY_INTERPRETER.get(word) or _BY_INTERPRETER.get(word.rstrip("0123456789.-"))


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
