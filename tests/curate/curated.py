"""What the tests of curate share: real files of installed packages, and a curated folder read back with its sums."""

import sysconfig
from pathlib import Path
from typing import Any

from repoloom import formats, ledger

SITE = Path(sysconfig.get_path("purelib"))
UNITS = ("files", "bytes")


def package(name: str, most: int = 40, suffix: str = ".py") -> dict[str, str]:
    """Path and text of real files of an installed package: what the tests did not write."""
    files = sorted(path for path in (SITE / name).rglob(f"*{suffix}") if path.stat().st_size > 200)[:most]
    assert files, f"{name} is not installed"
    return {str(path.relative_to(SITE)): path.read_text("utf-8") for path in files}


class Curated:
    """A curate stage's folder, read back from disk; its sums hold."""

    def __init__(self, out: Path, manifest: dict[str, Any]) -> None:
        self.out = out
        self.manifest = manifest
        self.counts = manifest["counts"]
        self.documents = [row for part in formats.parts(out, "documents") for row in formats.rows(part)]
        heldout = sorted((out / "heldout").glob("part-*.parquet"))
        self.heldout = [row for part in heldout for row in formats.rows(part)]
        self.drops = {(row["repo"], row["path"]): row for row in ledger.read(out).to_pylist()}
        self._check_sums()

    def kept(self, heldout: bool = False) -> set[tuple[str, str]]:
        documents = self.heldout if heldout else self.documents
        return {(document["repo"], file["path"]) for document in documents for file in document["files"]}

    def _check_sums(self) -> None:
        counts, dropped = self.counts, self.counts["dropped"]
        for unit in UNITS:
            parts = (counts["kept"], counts["heldout"], *dropped.values())
            assert counts["in"][unit] == sum(part[unit] for part in parts)
            rows = counts["repositories"]
            assert sum(row[unit] for row in rows if not row["heldout"]) == counts["kept"][unit]
            assert sum(row[unit] for row in rows if row["heldout"]) == counts["heldout"][unit]
            languages = counts["languages"].values()
            assert sum(language[f"in_{unit}"] for language in languages) == counts["in"][unit]
            assert sum(language[f"kept_{unit}"] for language in languages) == counts["kept"][unit]
        for rule, counted in dropped.items():
            rows = [row for row in self.drops.values() if row["rule"] == rule]
            assert [counted[unit] for unit in UNITS] == [len(rows), sum(row["bytes"] for row in rows)]
        assert len(self.kept()) == counts["kept"]["files"]
        assert len(self.kept(heldout=True)) == counts["heldout"]["files"]
        assert not (self.kept() | self.kept(heldout=True)) & set(self.drops)
        assert counts["document_bytes"] == sorted(len(d["text"].encode()) for d in self.documents)
        assert not list(self.out.rglob(".work*"))
