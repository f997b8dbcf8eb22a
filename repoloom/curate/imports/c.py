"""C, C++ and CUDA: `#include "x"` and `#include <x>`, both branches of every `#if`, as the published rule takes them.

`"x"` is looked up beside the file, then below every folder of the repository whose path ends so (a guessed include
path), nearest first. `<x>` is looked up the second way only, and must be the repository's own: below an include folder,
named with its folder, or a file that others of the repository include in quotes. A name of the C or C++ standard
library, of POSIX or of the system's folders never means a file of the repository that way.
"""

import re
from collections.abc import Iterator, Sequence

from repoloom.curate.imports.file import File
from repoloom.curate.imports.paths import Endings, folder, join, under
from repoloom.curate.imports.systemheaders import is_system

LANGUAGES = frozenset({"c", "cpp", "cuda"})

_TOKEN = re.compile(
    r"""
      //[^\n\\]*+(?:\\.?+[^\n\\]*+)*+
    | /\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z)
    | R"(?P<mark>[^()\\\s"]{0,16}+)\((?s:.*?)(?:\)(?P=mark)"|\Z)
    | "[^"\\\n]*+(?:\\.?+[^"\\\n]*+)*+"?+
    | '(?:[^'\\\n]|\\.){1,8}+'
    | \n[ \t]*+\#[ \t]*+(?:include|import)[ \t]*+(?:"(?P<quoted>[^"\n]{1,255}+)"|<(?P<angled>[^>\n]{1,255}+)>)
    """,
    re.VERBOSE | re.DOTALL,
)
_INCLUDE = re.compile(r"^[ \t]*+#[ \t]*+(?:include|import)\b", re.MULTILINE)
_INCLUDE_FOLDERS = frozenset({"include", "includes", "inc", "headers", "public"})


def extract(text: str) -> Iterator[tuple[str, bool]]:
    """The included names of a file outside of comments and strings, each with whether it stands in quotes."""
    last = -1
    for found in _INCLUDE.finditer(text):
        last = found.start()
    if last < 0:
        return
    for match in _TOKEN.finditer("\n" + text):
        if match.start() > last:
            return
        if match["quoted"] is not None:
            yield match["quoted"].strip().replace("\\", "/"), True
        elif match["angled"] is not None:
            yield match["angled"].strip(), False


def edges(files: Sequence[File], among: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The edges of the C-family files; a used file may be of any language (`.inc`, `.def`)."""
    paths = {files[n].path: n for n in among}
    askers = [n for n in among if files[n].language in LANGUAGES]
    includes = {n: list(dict.fromkeys(extract(files[n].text))) for n in askers}
    wanted = {name for found in includes.values() for name, _ in found if not is_system(name)}
    quoted = Endings(paths.items(), wanted, lambda root, _: _rank(root))
    own: set[int] = set()
    for n in askers:
        place = folder(files[n].path)
        for name, is_quoted in includes[n]:
            if is_quoted:
                used = paths.get(join(place, name) or "")
                if used is None:
                    # C's own "../x.h" from an include path: its plain end is what can be looked up.
                    used = quoted.find(name, place)
                if used is not None:
                    own.add(used)
                    yield n, used

    def rank(root: str, name: str) -> int | None:
        """`<name>` may be looked up below include folders; elsewhere with its folder, or where the file is known."""
        return _rank(root) if "/" in name or _rank(root) == 0 or paths.get(under(root, name)) in own else None

    angled = Endings(paths.items(), wanted, rank)
    for n in askers:
        place = folder(files[n].path)
        for name, is_quoted in includes[n]:
            if not is_quoted and (used := angled.find(name, place)) is not None:
                yield n, used


def _rank(root: str) -> int:
    return 0 if root.rpartition("/")[2].lower() in _INCLUDE_FOLDERS else 1
