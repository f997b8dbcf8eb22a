"""Rust: `mod` trees, `use` and inline paths through `crate::`, `self::`, `super::`, modules and workspace crates.

`mod x;` is an edge from the declaring file to the module's file; a path is an edge to the file of the deepest module
it names. Crates are found from their root files; see crates.py.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from repoloom.curate.imports.crates import Crates, Module, Segments
from repoloom.curate.imports.file import File
from repoloom.curate.imports.paths import folder, join

_LINE, _BLOCK = r"//[^\n]*+", r"/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z)"
_NESTED = rf"/\*[^*/]*+(?:(?:\*(?!/)|/(?!\*)|{_BLOCK})[^*/]*+)*+(?:\*/|\Z)"
_RAW = "|".join(
    rf'"{m}[^"]*+(?:"(?!{m})[^"]*+)*+(?:"{m}|\Z)'.replace('"', f'{m}"', 1)
    for m in ("", *(r"\#" * n for n in range(1, 9)))
)


def _scanner(braces: bool) -> re.Pattern[str]:
    """One match for each thing of interest: what stands before it is passed over inside of the match.

    That, and that words are taken whole, is what makes the scan fast. Braces are of interest inside of inline modules.
    """
    return re.compile(
        rf"""
        (?:
            [^\w"'/\#:{"{}" if braces else ""}]++
          | {_LINE} | {_NESTED} | /
          | [bc]?+r(?:{_RAW})
          | "[^"\\]*+(?:\\.?+[^"\\]*+)*+(?:"|\Z)
          | '(?:[^'\\\n]'|\\[^\n]{{1,10}}?')?+
          | \#(?!!?\[(?:path|cfg_attr)\b)
          | :(?!:[a-z_]\w*+::)
          | pub\s*+\(\s*+in\s[^()]*+\)
          | (?!(?:use|mod)\s|include(?:_str|_bytes)?+!)[a-z_]\w*+(?!::[A-Za-z_])
          | [^\Wa-z_]\w*+(?:::\w++)*+
        )*+
        (?:
            \#!?\[(?P<attribute>(?:[^\]"\n]|"[^"\n]*+"){{1,300}}+)
          | (?P<brace>[{{}}])
          | include(?:_str|_bytes)?+!\s*+[(\[{{]\s*+"(?P<include>[^"\n]{{1,300}}+)"
          | mod\s++(?:r\#)?+(?P<module>\w++)\s*+(?P<opens>[;{{])
          | use\s++(?P<use>[\w\s:{{}},*\#]*+(?:(?:{_LINE}|{_BLOCK})[\w\s:{{}},*\#]*+)*+);?+
          | (?P<path>(?:::)?+[a-z_]\w*+(?:::[A-Za-z_]\w*+)++)
          | \w++ | . | \Z
        )
        """,
        re.VERBOSE | re.DOTALL,
    )


_OUTSIDE, _INSIDE = _scanner(braces=False), _scanner(braces=True)
_COMMENT = re.compile(rf"{_LINE}|{_BLOCK}")
_PATH = re.compile(r'\bpath\s*+=\s*+"([^"\n]++)"')
_TREE = re.compile(r"::|[{},*]|(?:r#)?\w+")
_MOST_NESTED = 32
_MOST_PATHS = 20_000

_PUBLIC = re.compile(r"\bpub\s*+(?:\([^()]*+\)\s*+)?+mod\s++(?:r\#)?+$")


class Source(NamedTuple):
    """What a Rust file declares and names. Each path comes with the inline modules around it."""

    modules: list[Module]
    inline: list[Module]
    uses: dict[tuple[Segments, Segments], str]
    """The name that a `use` gives the path; "*" for all names inside of it."""
    paths: dict[tuple[Segments, Segments], None]
    includes: list[str]


def extract(text: str) -> Source:
    """Scan one Rust file, outside of comments, strings and characters."""
    source = Source([], [], {}, {}, [])
    depth = 0
    around: list[tuple[int, str]] = []
    inside: Segments = ()
    attributes: list[str] = []
    matches = _OUTSIDE.finditer(text)
    while (match := next(matches, None)) is not None:
        kind = match.lastgroup
        if kind == "brace":
            depth += 1 if match["brace"] == "{" else -1
            if around and depth < around[-1][0]:
                around.pop()
                inside = tuple(name for _, name in around)
                if not around:
                    matches = _OUTSIDE.finditer(text, match.end())
        elif kind == "path":
            source.paths[inside, tuple(match["path"].split("::"))] = None
        elif kind == "use":
            for segments, name in use_tree(_COMMENT.sub(" ", match["use"])):
                source.uses[inside, segments] = name
        elif kind == "attribute":
            attributes += _PATH.findall(match["attribute"])
        elif kind == "include":
            source.includes.append(match["include"])
            depth += "{" in match[0]
        elif kind == "opens":
            name = match["module"]
            public = _PUBLIC.search(text, max(match.start(), match.start("module") - 80), match.start("module"))
            module = Module(inside, name, tuple(attributes), public is not None)
            if match["opens"] == ";":
                source.modules.append(module)
            else:
                if not around:
                    matches = _INSIDE.finditer(text, match.end())
                depth += 1
                if len(around) < _MOST_NESTED:
                    around.append((depth, name))
                    inside = (*inside, name)
                    source.inline.append(module)
            attributes = []
    return source


def use_tree(text: str) -> Iterator[tuple[Segments, str]]:
    """The paths of a use tree with their names: `a::{b, c as d, e::*}` gives a::b as b, a::c as d, a::e::* as *."""
    prefix: list[str] = []
    starts: list[int] = []
    alias = ""
    skip = False
    fresh = False  # whether the prefix ends in a segment not yet given out
    for count, match in enumerate(_TREE.finditer(text)):
        word = match[0]
        if count > _MOST_PATHS or len(prefix) > 64 or len(starts) > _MOST_NESTED:
            return
        if word in ",}":
            if fresh:
                yield tuple(prefix), alias or prefix[-1]
            fresh, skip, alias = False, False, ""
            if word == "}" and starts:
                starts.pop()
            del prefix[starts[-1] if starts else 0 :]
        elif word == "{":
            starts.append(len(prefix))
            fresh = False
        elif word == "as":
            skip = True
        elif word == "::":
            if not prefix:
                prefix.append("")
        elif skip:
            alias = word.removeprefix("r#")
        else:
            if word != "self" or not prefix:
                prefix.append(word.removeprefix("r#"))
            fresh = True
    if fresh:
        yield tuple(prefix), alias or prefix[-1]


def edges(files: Sequence[File], among: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The edges of the Rust files."""
    paths = {files[n].path: n for n in among}
    sources = {n: extract(files[n].text) for n in among if files[n].language == "rust"}
    manifests = {files[n].path: files[n].text for n in among if files[n].path.rpartition("/")[2] == "Cargo.toml"}
    crates = Crates(
        {files[n].path: n for n in sources},
        {n: source.modules for n, source in sources.items()},
        {n: source.inline for n, source in sources.items()},
        {n: source.uses for n, source in sources.items()},
        manifests,
    )
    for n, source in sources.items():
        for used in crates.declared.get(n, ()):
            yield n, used
        for name in source.includes:
            if (included := paths.get(join(folder(files[n].path), name) or "")) is not None:
                yield n, included
        for (inside, segments), anywhere in [
            *((use, True) for use in source.uses),
            *((path, False) for path in source.paths),
        ]:
            for used in crates.resolve(n, inside, segments, anywhere):
                yield n, used
