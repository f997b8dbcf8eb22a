"""Read the source files of a folder that may be hostile, for `repoloom order`.

Symbolic links are not followed, pipes and devices not opened, large and binary files passed over, and what cannot be
read is left out: the folder is somebody else's, and its order is all that is asked for.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from repoloom import languages
from repoloom.curate.imports import File, takes_part
from repoloom.curate.imports.paths import under
from repoloom.errors import UserError
from repoloom.progress import bar
from repoloom.recipe import Collect

MANIFESTS = frozenset({"go.mod", "Cargo.toml"})
"""Read for the names they give, though they are in none of the languages."""
_SKIPPED = frozenset({".git", ".hg", ".svn"})


def read(folder: Path) -> list[File]:
    """The text files in a known language below `folder`, sorted by path; manifests among them with the language "".

    Raises UserError where `folder` is none or cannot be listed.
    """
    try:
        next(os.scandir(folder), None)
    except OSError as error:
        raise UserError(f"cannot list {folder}: {error.strerror}: give the folder of one repository") from None
    found = sorted(_paths(folder))
    files: list[File] = []
    with bar("read", len(found)) as progress:
        for path in found:
            progress.advance()
            text = _text(folder / path)
            if text is None:
                continue
            language = languages.detect(path, text[: languages.HEAD])
            if language is not None or path.rpartition("/")[2] in MANIFESTS:
                files.append(File(path, language.id if language else "", text))
    return files


def _paths(folder: Path) -> Iterator[str]:
    stack = [""]
    while stack:
        here = stack.pop()
        try:
            entries = list(os.scandir(folder / here))
        except OSError:
            continue
        for entry in entries:
            path = under(here, entry.name)
            # A name that is not UTF-8 could not be printed as JSON; a path too deep takes no part in the order.
            if entry.name in _SKIPPED or path.encode("utf-8", "replace").decode() != path or not takes_part(path):
                continue
            if entry.is_dir(follow_symlinks=False):
                stack.append(path)
            elif entry.is_file(follow_symlinks=False):
                yield path


def _text(path: Path) -> str | None:
    """The text of a regular file in UTF-8 without NUL; None for anything else."""
    limit = int(Collect().file_megabytes * 1e6)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return None
        try:
            data = file.read(limit + 1)
            return None if b"\0" in data or len(data) > limit else data.decode("utf-8")
        except (OSError, UnicodeDecodeError):
            return None
