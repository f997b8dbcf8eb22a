"""Files in every encoding and of every size, through collect and curate: whole text or a row of the ledger."""

from pathlib import Path

import psutil

from repoloom import formats, ledger
from repoloom.collect import collect
from repoloom.curate import curate
from repoloom.recipe import Collect, Curate

TEXT = "# Größe: 漢字, naïve, Ω, Привет\n\n\ndef größe(breite, höhe):\n    fläche = breite * höhe\n    return fläche\n"
ENCODINGS = {
    "utf-8": True,
    "utf-8-sig": True,  # its mark is taken off
    "utf-16-le": False,
    "utf-16-be": False,
    "utf-16": False,
    "utf-32": False,
    "gb18030": False,
    "latin-1": False,
    "cp1252": False,
    "shift-jis": False,
    "koi8-r": False,
    "utf-7": True,  # plain ASCII, whatever it means
}


def test_only_what_is_utf_8_comes_in_and_the_rest_is_said(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for encoding in ENCODINGS:
        (source / f"{encoding}.py").write_bytes(f"# in {encoding}\n{TEXT}".encode(encoding, "ignore"))
    (source / "cut.py").write_bytes(TEXT.encode()[:9])
    (source / "surrogate.py").write_bytes(b"name = '\xed\xa0\x80'\n")
    (source / "overlong.py").write_bytes(b"name = '\xc0\xaf'\n")
    with (source / "huge.py").open("wb") as file:
        file.truncate(10_000_000_000)  # sparse: 10 GB that take no room
    with (source / "line.py").open("wb") as file:
        for _ in range(50):
            file.write(b"x" * 10_000_000)  # 500 MB in one line
    before = psutil.Process().memory_info().rss
    collected = collect(tmp_path / "collect", Collect(sources=(f"dir:{source}",)), 0)
    rows = {
        row["path"]: row["content"]
        for part in formats.parts(tmp_path / "collect", "shards")
        for row in formats.rows(part)
    }
    drops = {row["path"]: row["rule"] for row in ledger.read(tmp_path / "collect").to_pylist()}
    assert {path for path in rows if path != "cut.py"} == {f"{e}.py" for e, kept in ENCODINGS.items() if kept}
    assert not rows["utf-8-sig.py"].startswith("\ufeff") and "größe" in rows["utf-8-sig.py"]
    assert {drops[f"{encoding}.py"] for encoding, kept in ENCODINGS.items() if not kept} <= {"binary", "encoding"}
    assert drops["surrogate.py"] == drops["overlong.py"] == "encoding"
    assert drops["huge.py"] == drops["line.py"] == "size"
    assert collected["run"]["peak_memory_mb"] * 1e6 < before + 300_000_000
    counts = curate(tmp_path / "collect", tmp_path / "curate", Curate(duplicate_files=False), 0, processes=1)["counts"]
    assert counts["in"]["files"] == counts["kept"]["files"] + sum(rule["files"] for rule in counts["dropped"].values())
    assert counts["kept"]["files"] >= 2
