"""What gets in: a file of a known language, not too large, that is text.

`sift` decides from names, sizes and heads, without reading whole files; `text` decides on the bytes. Only UTF-8 is
read so far, with or without a byte order mark; line ends stay as they are. An empty file comes in: an `__init__.py`
without a byte still joins the files that import each other through it, and curate drops it where that is known. Rules,
in the order in which they are asked: the entry's own (symlink, special, submodule, name, depth, environment,
unreadable), `size`, `binary` (a NUL byte), `language`, and on the whole content `binary` and `encoding`.
"""

from collections.abc import Sequence
from dataclasses import replace

from repoloom.collect.entry import Entry, Repository
from repoloom.languages import HEAD, detect, needs_content

MARK = b"\xef\xbb\xbf"
"""UTF-8's byte order mark. It is no part of the text: a kept file's size does not count it."""


class RefusedError(Exception):
    """The content may not come in; the argument is the rule."""


def sift(repository: Repository, entries: Sequence[Entry], file_bytes: int) -> list[Entry]:
    """The entries with either their language or the rule that drops them; files over `file_bytes` are not opened."""
    return [entry if entry.rule else _sifted(repository, entry, file_bytes) for entry in entries]


def _sifted(repository: Repository, entry: Entry, file_bytes: int) -> Entry:
    if entry.size > file_bytes:
        return replace(entry, rule="size", measure=entry.size, threshold=file_bytes)
    head = b""
    if needs_content(entry.path):
        try:
            head = repository.read(entry, HEAD)
        except OSError:
            return replace(entry, rule="unreadable")
        if b"\0" in head:
            return replace(entry, rule="binary")
    language = detect(entry.path, head.removeprefix(MARK).decode("utf-8", "ignore"))
    return replace(entry, language=language.id) if language else replace(entry, rule="language")


def text(repository: Repository, entry: Entry) -> str:
    """The content of a sifted entry. Raises RefusedError."""
    try:
        data = repository.read(entry, entry.size + 1)
    except OSError:
        raise RefusedError("unreadable") from None
    if len(data) != entry.size:  # it changed since it was listed
        raise RefusedError("unreadable")
    if b"\0" in data:
        raise RefusedError("binary")
    try:
        return data.removeprefix(MARK).decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedError("encoding") from None
