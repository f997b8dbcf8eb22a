import importlib.metadata
from pathlib import Path

import pytest

from repoloom.collect import licenses

SITE = Path(str(importlib.metadata.distribution("pygments").locate_file("")))

# Well-known distributions, the licence their authors state, and the text they carry: the recogniser sees only the text.
STATED = {
    "pygments": "BSD-2-Clause",
    "click": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "rich": "MIT",
    "pluggy": "MIT",
    "fastapi": "MIT",
    "requests": "Apache-2.0",
    "tokenizers": "Apache-2.0",
    "pathspec": "MPL-2.0",
    "hypothesis": "MPL-2.0",
    "shellingham": "ISC",
    "typing-extensions": "PSF-2.0",
    "pygit2": "GPL-2.0-only",
    "networkx": "BSD-3-Clause",
}


@pytest.mark.parametrize(("name", "expected"), STATED.items())
def test_texts_of_real_distributions(name, expected):
    files = importlib.metadata.distribution(name).files or []
    texts = [Path(str(f.locate())) for f in files if ".dist-info" in str(f) and licenses.is_text(f.name)]
    if not texts:
        pytest.skip(f"{name} carries no licence text")
    found = licenses.recognised("\n".join(text.read_text("utf-8") for text in texts))
    assert expected in found
    assert found <= {expected, "PSF-2.0", "0BSD"}, "a text that quotes others may name them too"


@pytest.mark.parametrize(
    ("expression", "field", "classifiers", "expected"),
    [
        ("MIT OR Apache-2.0", "BSD", [], "MIT OR Apache-2.0"),
        (None, "Apache 2.0 License", [], "Apache-2.0"),
        (None, "MIT", ["License :: OSI Approved :: BSD License"], "MIT"),
        (None, "see file", ["License :: OSI Approved :: ISC License (ISCL)"], "ISC"),
        (None, None, ["License :: OSI Approved :: BSD License"], None),
        (None, None, ["License :: OSI Approved :: BSD License", "License :: OSI Approved :: MIT License"], None),
        (None, None, ["License :: DFSG approved", "License :: OSI Approved :: MIT License"], "MIT"),
        (None, "GPL-3.0-only", [], "GPL-3.0-only"),
        (None, None, [], None),
        (None, "Copyright me, all rights reserved. " * 100, [], None),
    ],
)
def test_metadata(expression, field, classifiers, expected):
    assert licenses.from_metadata(expression, field, classifiers) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LICENSE", True), ("LICENCE.txt", True), ("license.md", True), ("COPYING.LESSER", True),
        ("UNLICENSE", True), ("LICENSE-MIT", True), ("licenses.py", False), ("README", False), ("NOTICE", False),
    ],
)  # fmt: skip
def test_names(name, expected):
    assert licenses.is_text(name) is expected


def test_texts_of_the_gnu_family_are_told_apart():
    folder = Path("/usr/share/common-licenses")
    if not folder.exists():
        pytest.skip("no Debian licence texts here")
    expected = {
        "GPL-2": "GPL-2.0-only",
        "GPL-3": "GPL-3.0-only",
        "LGPL-2.1": "LGPL-2.1-only",
        "LGPL-3": "LGPL-3.0-only",
    }
    expected |= {"Apache-2.0": "Apache-2.0", "MPL-2.0": "MPL-2.0", "CC0-1.0": "CC0-1.0", "BSD": "BSD-3-Clause"}
    found = {
        name: licenses.recognised((folder / name).read_text("utf-8")) for name in expected if (folder / name).exists()
    }
    assert found == {name: {expected[name]} for name in found}
    assert found


def test_several_texts_hold_together_and_an_unknown_one_is_none():
    assert licenses.from_texts([b"all rights reserved"]) is None
    assert licenses.from_texts([]) is None
    unlicense = b"This is free and unencumbered software\nreleased  into the public domain."
    assert licenses.from_texts([unlicense, b"Boost Software License - Version 1.0"]) == "BSL-1.0 AND Unlicense"


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("package.json", b'{"license": "MIT"}', "MIT"),
        ("package.json", b'{"license": "(MIT OR Apache-2.0)"}', "MIT OR Apache-2.0"),
        ("package.json", b'{"license": {"type": "ISC", "url": "x"}}', "ISC"),
        ("package.json", b'{"licenses": [{"type": "MIT"}, {"type": "GPL-2.0"}]}', "MIT OR GPL-2.0"),
        ("package.json", b'{"license": "UNLICENSED"}', None),
        ("package.json", b'{"license": "SEE LICENSE IN LICENSE.md"}', None),
        ("package.json", b"[" * 100_000, None),
        ("package.json", b"[]", None),
        ("Cargo.toml", b'[package]\nlicense = "MIT/Apache-2.0"', "MIT OR Apache-2.0"),
        ("Cargo.toml", b"[workspace]", None),
        ("Cargo.toml", b"[package]\nlicense.workspace = true", None),
        ("pyproject.toml", b'[project]\nlicense = "BSD-3-Clause"', "BSD-3-Clause"),
        ("pyproject.toml", b'[project]\nlicense = {text = "MIT License"}', "MIT"),
        ("pyproject.toml", b'[project]\nlicense = {file = "LICENSE"}', None),
        ("pyproject.toml", b"\xff\x00", None),
        ("setup.cfg", b"license = MIT", None),
    ],
)
def test_manifests(name, data, expected):
    assert licenses.from_manifest(name, data) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/* SPDX-License-Identifier: GPL-2.0-only WITH X-note */\nint x;", "GPL-2.0-only WITH X-note"),
        ("# SPDX-License-Identifier: (MIT OR Apache-2.0)\n", "(MIT OR Apache-2.0)"),
        ("<!-- SPDX-License-Identifier: MIT -->", "MIT"),
        ("// SPDX-License-Identifier: MIT\r\n// SPDX-License-Identifier: ISC OR Zlib\r\n", "(ISC OR Zlib) AND MIT"),
        ("\n" * 30 + "# SPDX-License-Identifier: MIT", None),
        ("print('SPDX-License-Identifier:')", None),
        ("# SPDX-License-Identifier: see LICENSE for more", None),
        ("", None),
    ],
)  # fmt: skip
def test_headers_of_files(text, expected):
    assert licenses.file_license(text) == expected


def test_headers_of_real_files():
    stated = {}
    for name in ("packaging", "hatchling", "filelock", "hypothesis", "ruff", "cryptography"):
        try:
            files = importlib.metadata.distribution(name).files or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in files:
            text = Path(str(file.locate())).read_text("utf-8") if file.suffix == ".py" else ""
            if text.startswith("# SPDX-License-Identifier: "):
                stated[str(file)] = (text.splitlines()[0].removeprefix("# SPDX-License-Identifier: "), text)
    if not stated:
        pytest.skip("no installed distribution has SPDX headers")
    assert all(licenses.file_license(text) == expected for expected, text in stated.values())


@pytest.mark.timeout(120)  # a quadratic one would take hours
def test_a_hostile_head_costs_nothing():
    licenses.file_license("SPDX-License-Identifier: " + "(" * 5_000_000)
    licenses.file_license("SPDX-License-Identifier:" * 200_000)
    licenses.file_license("SPDX-License-Identifier: " + "A AND " * 1_000_000)
