"""The licence of a whole repository as an SPDX expression: stated by metadata, else recognised from its licence texts.

A text is recognised by phrases that stand in that licence's own wording and no other's, which survives the changes
people make (names, years, line breaks, quotes). What is not recognised is None, never a guess. Several licences are
joined by AND: without a statement that one may choose, all of them are taken to hold.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

LENGTH = 200_000
"""Bytes of a licence text that are looked at."""

_NAMES = re.compile(r"(?:un)?licen[cs]e|copying", re.IGNORECASE)
_HEADER = re.compile(r"SPDX-License-Identifier:[ \t]{0,8}([A-Za-z0-9 .+:()\-]{2,200})")
_HEAD = 30
"""Lines of a file in which its licence is looked for."""
_NOT_WORDS = re.compile(r"[^a-z0-9]+")

_PHRASES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    # SPDX id, phrases that must all stand in the text, phrases none of which may
    ("AGPL-3.0-only", ("gnu affero general public license version 3 19 november 2007",), ()),
    ("LGPL-3.0-only", ("gnu lesser general public license version 3 29 june 2007",), ()),
    ("LGPL-2.1-only", ("gnu lesser general public license version 2 1 february 1999",), ()),
    ("GPL-3.0-only", ("gnu general public license version 3 29 june 2007",), ()),
    ("GPL-2.0-only", ("gnu general public license version 2 june 1991",), ()),
    ("Apache-2.0", ("apache license version 2 0 january 2004",), ()),
    (
        "Apache-2.0",
        ("licensed under the apache license version 2 0",),
        ("apache license version 2 0 january 2004", "permission is hereby granted free of charge"),
    ),
    ("MPL-2.0", ("mozilla public license version 2 0", "covered software"), ()),
    (
        "MIT",
        ("permission is hereby granted free of charge to any person obtaining a copy", "shall be included in all"),
        (),
    ),
    (
        "MIT-0",
        ("permission is hereby granted free of charge to any person obtaining a copy",),
        ("shall be included in all",),
    ),
    (
        "BSD-4-Clause",
        ("redistribution and use in source and binary forms", "all advertising materials mentioning"),
        (),
    ),
    (
        "BSD-3-Clause",
        ("redistribution and use in source and binary forms", "may be used to endorse or promote"),
        ("all advertising materials mentioning",),
    ),
    (
        "BSD-2-Clause",
        ("redistribution and use in source and binary forms",),
        ("may be used to endorse or promote", "apache license version 2 0 january 2004"),
    ),
    (
        "ISC",
        ("distribute this software for any purpose with or without fee is hereby granted provided that the above",),
        (),
    ),
    (
        "0BSD",
        ("distribute this software for any purpose with or without fee is hereby granted the software is provided",),
        (),
    ),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",), ()),
    ("PSF-2.0", ("python software foundation license version 2",), ()),
    ("BSL-1.0", ("boost software license version 1 0",), ()),
    ("Zlib", ("altered source versions must be plainly marked as such",), ()),
    ("CC0-1.0", ("cc0 1 0 universal",), ()),
)

_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "zlib/libpng License": "Zlib",
    "Zero-Clause BSD (0BSD)": "0BSD",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
}
"""Trove classifiers that name one SPDX id; "BSD License", which could be any of several, is left to the text."""

_FIELDS = {
    _NOT_WORDS.sub(" ", id.lower()): id
    for id in (*(row[0] for row in _PHRASES), "MIT OR Apache-2.0", "Apache-2.0 OR MIT", "Apache-2.0 OR BSD-2-Clause")
} | {
    "apache 2": "Apache-2.0",
    "apache 2 0 license": "Apache-2.0",
    "apache license 2 0": "Apache-2.0",
    "apache license version 2 0": "Apache-2.0",
    "mit license": "MIT",
    "the mit license": "MIT",
    "isc license": "ISC",
    "mpl 2 0 and mit": "MPL-2.0 AND MIT",
    "new bsd": "BSD-3-Clause",
    "bsd 3 clause license": "BSD-3-Clause",
    "3 clause bsd license": "BSD-3-Clause",
    "bsd 2 clause license": "BSD-2-Clause",
    "simplified bsd": "BSD-2-Clause",
}
"""What people write in the free `License` field, reduced to words, where it means one thing."""


def is_text(name: str) -> bool:
    """Whether a file of this name holds a licence: LICENSE, LICENCE.md, COPYING.LESSER, LICENSE-MIT, UNLICENSE."""
    return _NAMES.match(name) is not None and not name.endswith((".py", ".js", ".json", ".c", ".h", ".html"))


def from_metadata(expression: str | None, field: str | None, classifiers: Sequence[str]) -> str | None:
    """What a Python distribution's metadata states: License-Expression, else License, else its classifiers."""
    if expression:
        return expression.strip()
    if field and (known := _FIELDS.get(_words(field[:100]))):
        return known
    names = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License ::")]
    ids = {_CLASSIFIERS[name] for name in names if name in _CLASSIFIERS}
    unclear = [name for name in names if name not in _CLASSIFIERS and name not in {"OSI Approved", "DFSG approved"}]
    return " AND ".join(sorted(ids)) if ids and not unclear else None


def from_manifest(name: str, data: bytes) -> str | None:
    """What `package.json`, `Cargo.toml` or `pyproject.toml` states; None for another file, or one that cannot be read.

    Fields: npm's `license` (and `licenses`, which it replaced), Cargo's `package.license`, where `/` is an old OR, and
    `project.license` of PEP 639 and PEP 621. UNLICENSED and SEE LICENSE IN are no licence.
    """
    reader = MANIFESTS.get(name)
    if reader is None or len(data) > LENGTH:
        return None
    try:
        stated = reader(data.decode("utf-8"))
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError):
        return None
    if not isinstance(stated, str) or not (stated := stated.strip()):
        return None
    if known := _FIELDS.get(_words(stated[:100])):
        return known
    return stated if _EXPRESSION.fullmatch(stated) else None


def of_repository(texts: Iterable[bytes], manifests: Iterable[tuple[str, bytes]]) -> str | None:
    """What a repository's licence texts come to, or else what the first of its manifests states (name and bytes)."""
    return from_texts(texts) or next((found for name, data in manifests if (found := from_manifest(name, data))), None)


def file_license(text: str) -> str | None:
    """What the SPDX headers in a file's first 30 lines state; several are joined by AND, as in `from_texts`."""
    head = text[:8000]
    if "SPDX-License-Identifier" not in head:
        return None
    found = {
        _CLOSED.sub("", match[1]).strip()
        for line in head.splitlines()[:_HEAD]
        if (match := _HEADER.search(line)) and _EXPRESSION.fullmatch(_CLOSED.sub("", match[1]).strip())
    }
    ordered = sorted(found)
    return " AND ".join(f"({each})" if len(ordered) > 1 and " OR " in each else each for each in ordered) or None


_CLOSED = re.compile(r"[ \t]*-+$")
"""What is left of `-->`."""
_EXPRESSION = re.compile(r"\(*[A-Za-z0-9][A-Za-z0-9.+:\-]*\)*(?: (?i:AND|OR|WITH) \(*[A-Za-z0-9][A-Za-z0-9.+:\-]*\)*)*")


def _package(text: str) -> Any:
    data = json.loads(text)
    stated = data.get("license") or [each["type"] for each in data.get("licenses") or []]
    if isinstance(stated, dict):
        stated = stated["type"]
    if isinstance(stated, list):
        return " OR ".join(stated)
    return None if stated == "UNLICENSED" else stated


def _cargo(text: str) -> Any:
    return tomllib.loads(text)["package"]["license"].replace("/", " OR ")


def _pyproject(text: str) -> Any:
    stated = tomllib.loads(text)["project"]["license"]
    return stated["text"] if isinstance(stated, dict) else stated


MANIFESTS: Mapping[str, Callable[[str], Any]] = {
    "package.json": _package,
    "Cargo.toml": _cargo,
    "pyproject.toml": _pyproject,
}
"""The files that state a licence in a field, by name."""


def from_texts(texts: Iterable[bytes]) -> str | None:
    """The licences whose wording the texts hold."""
    found: set[str] = set()
    for text in texts:
        found |= recognised(text.decode("utf-8", "replace"))
    return " AND ".join(sorted(found)) or None


def recognised(text: str) -> set[str]:
    """The SPDX ids of the licences whose wording stands in `text`."""
    words = _words(text)
    return {
        id
        for id, needed, excluded in _PHRASES
        if all(phrase in words for phrase in needed) and not any(phrase in words for phrase in excluded)
    }


def _words(text: str) -> str:
    return _NOT_WORDS.sub(" ", text.lower()).strip()
