"""Files that their path alone gives away: vendored copies, generated code, lock files.

The lists follow go-enry's and linguist's (vendor.yml, generated.rb) where these are certain. Left out are their entries
that also name people's own work: dist/, deps/, cache/, extern/, docs, tests, fixtures, testdata, .github, *.d.ts.
"""

import re

import numpy as np

from repoloom.curate.filters.batch import Batch
from repoloom.curate.filters.utf8 import Floats


def vendored(batch: Batch) -> Floats:
    """1 for a path inside a folder of other people's code, or a well-known file that is copied into repositories."""
    return np.array([_is_vendored(path) for path in batch.paths], np.float64)


def generated(batch: Batch) -> Floats:
    """1 for a path that code generators write to."""
    return np.array([_is_generated(path) for path in batch.paths], np.float64)


def locked(batch: Batch) -> Floats:
    """1 for a lock file of a package manager."""
    return np.array([bool(_LOCKED.fullmatch(_name(path))) for path in batch.paths], np.float64)


def minified(batch: Batch) -> Floats:
    """1 for a name that says minified."""
    return np.array([bool(_MINIFIED.search(path)) for path in batch.paths], np.float64)


def _is_vendored(path: str) -> bool:
    folders, _, name = path.rpartition("/")
    if folders and not _FOLDERS.isdisjoint(folders.lower().split("/")):
        return True
    return bool(_COPIED.fullmatch(name) or _LIBRARY.fullmatch(name) or _NESTED.search(path))


def _is_generated(path: str) -> bool:
    return bool(_GENERATED_NAME.search(_name(path)) or _GENERATED_FOLDER.search(path))


def _name(path: str) -> str:
    return path[path.rfind("/") + 1 :]


def _any(*patterns: str) -> str:
    return "|".join(patterns)


_PARTY = {f"{number}{between}party" for number in ("third", "3rd") for between in ("", "-", "_")}
_FOLDERS = _PARTY | {
    "node_modules", "bower_components", "jspm_packages", "vendor", "vendors", "vendored", "_vendor", "_vendored",
    "pods",
}  # fmt: skip
_NESTED = re.compile(r"(?:^|/)(?:Godeps/_workspace|Carthage/(?:Build|Checkouts)|\.yarn/(?:releases|plugins|sdks))/")
_COPIED = re.compile(
    _any(
        r"configure|config\.(guess|sub)|ltmain\.sh|install-sh|depcomp|missing|mkinstalldirs|ylwrap|test-driver",
        r"(aclocal|libtool|lt(options|sugar|version|~obsolete))\.m4",
        r"gradlew(\.bat)?|mvnw(\.cmd)?|ppport\.h|cpplint\.py|erlang\.mk|get-pip\.py|ez_setup\.py|versioneer\.py",
    )
)
_LIBRARY = re.compile(
    "(?i)("
    + _any(
        "jquery([.-](ui|mobile|migrate|validate|easing|form|cookie|datatables|fancybox|fileupload))?",
        "bootstrap([.-](bundle|theme|grid|reboot|responsive|utilities))?",
        "font-?awesome|normalize|modernizr|underscore|backbone|knockout|handlebars|html5shiv|dojo|zepto|ember",
        r"lodash([.-](core|compat))?|angular|d3(\.v\d)?|moment(-with-locales)?|mootools([.-](core|more))?",
        r"ckeditor|tiny_?mce|chart(\.bundle)?|leaflet(-src)?|select2|raphael|three(\.module)?|pdf\.worker",
    )
    + r")([.-]?v?\d[\d.]*\d(-?(alpha|beta|rc)\.?\d*)?)?([.-](min|slim|pack|full|prod|production|debug|all))*"
    + r"\.(js|css|scss|less)"
)
_LOCKED = re.compile(
    _any(
        r"package-lock\.json|npm-shrinkwrap\.json|packages\.lock\.json|pnpm-lock\.ya?ml|bun\.lockb?|Package\.resolved",
        "(yarn|composer|Cargo|Gemfile|Pipfile|poetry|pdm|uv|pixi|flake|mix|pubspec|Podfile|deno|shard|Gopkg|glide)\\.lock",
        r"MODULE\.bazel\.lock|(\w+\.)?esy\.lock|conda-lock\.ya?ml|conan\.lock|gradle\.lockfile|\.terraform\.lock\.hcl",
        r"go\.sum|pylock(\.[\w-]+)?\.toml|\.secrets\.baseline|cabal\.project\.freeze|stack\.yaml\.lock",
    )
)
_MINIFIED = re.compile(r"(?i)[.-]min\.[mc]?(?:js|css)$")
_GENERATED_NAME = re.compile(
    _any(
        r"\.pb(\.[\w-]+)*\.(go|cc|cpp|h|hpp|c|swift|dart|ts|js)$",
        r"_(grpc_)?pb2?(_grpc)?\.(pyi?|js|ts|rb|php)$",
        r"(?i:\.(designer|g|g\.i|feature)\.(cs|vb)$)",
        r"\.(g|freezed|gr|mocks)\.dart$",
        r"^zz_generated.*\.go$|^bindata\.go$",
        r"^(moc|qrc)_.*\.(cpp|cc|cxx)$|^(parsetab|lextab)\.py$|^lex\..*\.(c|cc)$|^\.pnp\.[cm]?js$",
        r"\.tab\.([ch]|cc|cpp|hh|hpp)$|_wrap\.(c|cc|cpp|cxx)$|(?i:_tlb\.pas$)|\.zep\.(c|h|php)$",
        r"\.generated\.\w+$|\.(js|css)\.map$",
    )
)
_GENERATED_FOLDER = re.compile(r"(?:^|/)(?:__generated__|htmlcov|\.idea)/")
