"""Ruby: `require_relative`, `require`, `load`, `autoload`; constants by path where Rails or Zeitwerk loads them.

`require "a/b"` is looked up below the folders that a load path holds by habit (`lib`, `test`, `spec`, `ext`), the
nearest first; the file's own folder is no such place. A constant means a file only below `app/*/`, and below `lib/`
where the repository names Zeitwerk: `Foo::BarBaz` is `foo/bar_baz.rb`, looked up from the user's namespaces outwards.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from repoloom.curate.imports.file import File
from repoloom.curate.imports.paths import Endings, folder, join, under

_HERE = r"(?:__dir__|__FILE__|File\s*+\.\s*+dirname\s*+\(?\s*+__FILE__\s*+\)?+)"
_TEXT = r"""(?:"[^"\\\n]{0,300}+"|'[^'\\\n]{0,300}+')"""
_SKIP = r"""
      \#[^\n]*+
    | ^=begin\b.*?(?:^=end\b|\Z)
    | ^__END__\s*?$.*+
    | <<[~-]["'`]?+(?P<mark>[A-Za-z_]\w*+)["'`]?+(?P<rest>[^\n]*+)\n(?:.*?)(?:^[ \t]*+(?P=mark)\b|\Z)
"""
_STRINGS = r"""
      "[^"\\\n]*+(?:\\.?+[^"\\\n]*+)*+"?+
    | '[^'\\\n]*+(?:\\.?+[^'\\\n]*+)*+'?+
"""
_REQUIRE = re.compile(
    rf"""{_SKIP}
    | (?<![\w.:@$?!])(?P<how>require_relative|require_dependency|require|load|autoload)\b[ \t]*+\(?[ \t]*+
      (?:(?::(?P<constant>[A-Z]\w*+)[ \t]*+(?P<comma>,)?+|"\w*+"[ \t]*+,|'\w*+'[ \t]*+,)\s*+)?+
      (?P<what>
        File\s*+\.\s*+(?:join|expand_path)[ \t]*+\(?[ \t]*+(?:{_TEXT}|{_HERE})(?:\s*+,\s*+(?:{_TEXT}|{_HERE})){{1,8}}+
      | {_HERE}\s*+\+\s*+{_TEXT}
      | {_TEXT}
      )?+
    | {_STRINGS}
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_ANY = re.compile(r"\b(?:require|load|autoload)(?:_\w++)?+[ (]")
_QUOTED = re.compile(_TEXT)
_CODE = re.compile(f"{_SKIP} | {_STRINGS}", re.VERBOSE | re.DOTALL | re.MULTILINE)
_CONSTANT = re.compile(r"(?<![\w.:@$])(?:::)?+[A-Z]\w*+(?:::[A-Z]\w*+)*+(?![\w(:?!])")
_LOAD_PATH = frozenset({"lib", "test", "tests", "spec", "specs", "ext"})


class Request(NamedTuple):
    """One file asked for: `path` seen from the file's own folder (`relative`), or on the load path."""

    path: str
    relative: bool


def extract(text: str, stem: str) -> list[Request]:
    """The files that a Ruby file asks for, in order; `stem`: its own name, below which `autoload :A` alone looks."""
    found: dict[Request, None] = {}
    if _ANY.search(text):
        for match in _REQUIRE.finditer(text):
            if match["how"] and (request := _request(match, stem)) is not None:
                found[request] = None
    return list(found)


def _request(match: re.Match[str], stem: str) -> Request | None:
    how, what = match["how"], match["what"]
    if what is None:
        if how == "autoload" and match["constant"] and not match["comma"]:
            return Request(f"{stem}/{_underscored(match['constant'])}", True)
        return None
    path = "/".join(quoted[1:-1] for quoted in _QUOTED.findall(what))
    relative = how.endswith("_relative")
    if path.startswith("#{__dir__}/"):
        path, relative = path.removeprefix("#{__dir__}/"), True
    elif "__dir__" in what or "__FILE__" in what:
        # `File.expand_path("../x", __FILE__)` counts from the file, as if it were a folder.
        from_file = "expand_path" in what and "__FILE__" in what and "dirname" not in what
        path, relative = path.removeprefix("../") if from_file else path.lstrip("/"), True
    return None if "#{" in path or not path else Request(path, relative)


def _underscored(name: str) -> str:
    """`HTTPServer` -> `http_server`, as ActiveSupport does it."""
    return re.sub(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def edges(files: Sequence[File], among: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The edges of the Ruby files."""
    ruby = [n for n in among if files[n].language == "ruby"]
    paths = {files[n].path: n for n in among}
    requests = {n: extract(files[n].text, _stem(files[n].path)) for n in ruby}
    wanted = {name for found in requests.values() for one in found for name in _names(one.path)}
    on_path = Endings(((files[n].path, n) for n in ruby), wanted, _rank)
    for n, found in requests.items():
        place = folder(files[n].path)
        for one in found:
            for name in _names(one.path):
                beside = paths.get(join(place, name) or "") if one.relative or name.startswith(".") else None
                used = beside if one.relative or beside is not None else on_path.find(name, place)
                used = paths.get(name) if used is None and not one.relative else used
                if used is not None:
                    yield n, used
                    break
    yield from _constants(files, ruby)


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".rb")


def _names(path: str) -> list[str]:
    return [path] if path.endswith(".rb") else [f"{path}.rb", path]


def _rank(root: str, ending: str) -> int | None:
    name = root.rpartition("/")[2]
    return ("lib", name).index(name) if name in _LOAD_PATH else None


def _constants(files: Sequence[File], ruby: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Edges to the files that constants mean by their path, where an autoloader goes by paths."""
    zeitwerk = any("Zeitwerk" in files[n].text for n in ruby)
    places = {n: place for n in ruby if (place := _autoloaded(files[n].path, zeitwerk)) is not None}
    if not places:
        return
    of_place: dict[str, int] = {}
    for n in sorted(places, key=lambda n: files[n].path):
        of_place.setdefault(places[n], n)
    for n in ruby:
        code = " ".join(piece for piece in _CODE.split(files[n].text) if piece)
        around = places.get(n, "")
        for name in dict.fromkeys(_CONSTANT.findall(code)):
            if (used := _loaded(name, around, of_place)) is not None:
                yield n, used


def _autoloaded(path: str, zeitwerk: bool) -> str | None:
    """The constant that a path stands for, as lower-case words with slashes: `app/models/a_b/c.rb` is `ab/c`."""
    parts = path.removesuffix(".rb").split("/")
    if not path.endswith(".rb"):
        return None
    start = next((n + 2 for n, part in enumerate(parts[:-2]) if part == "app"), None)
    if start is None and zeitwerk:
        start = next((n + 1 for n, part in enumerate(parts[:-1]) if part == "lib"), None)
    if start is None:
        return None
    start += parts[start] == "concerns" and start < len(parts) - 1
    return "/".join(parts[start:]).replace("_", "").lower()


def _loaded(name: str, around: str, of_place: dict[str, int]) -> int | None:
    """The file of a constant, from the namespaces around outwards; of `A::B::C` the deepest that is a file."""
    key = name.strip(":").replace("::", "/").replace("_", "").lower()
    spaces = [""] if name.startswith(":") else [around, *_above(around)]
    for space in spaces:
        inside = key
        while inside:
            if (used := of_place.get(under(space, inside))) is not None:
                return used
            inside = inside.rpartition("/")[0]
    return None


def _above(place: str) -> Iterator[str]:
    while place:
        place = place.rpartition("/")[0]
        yield place
