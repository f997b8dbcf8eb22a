import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repoloom import formats, ledger
from repoloom.collect import collect
from repoloom.recipe import Collect


class Collected:
    """What a collect run left on disk, and its counts."""

    def __init__(self, out: Path, manifest: dict[str, Any]) -> None:
        self.out = out
        self.manifest = manifest
        self.counts = manifest["counts"]
        self.shards = [list(formats.rows(part)) for part in formats.parts(out, "shards")]
        self.rows = [row for shard in self.shards for row in shard]
        self.paths = [row["path"] for row in self.rows]
        self.drops = ledger.read(out).to_pylist()
        self.rules = {row["path"]: row["rule"] for row in self.drops}

    def check_sums(self) -> None:
        """in = kept + dropped, against what lies in the Parquet files."""
        counts = self.counts
        dropped = counts["dropped"].values()
        for unit in ("files", "bytes"):
            assert counts["in"][unit] == counts["kept"][unit] + sum(rule[unit] for rule in dropped)
            assert counts["kept"][unit] == sum(x[unit] for x in counts["languages"].values())
            assert counts["kept"][unit] == sum(x[unit] for x in counts["repositories"])
        assert counts["kept"]["files"] == len(self.rows)
        assert counts["kept"]["bytes"] == sum(row["size"] for row in self.rows)
        assert counts["kept"]["repositories"] == len({row["repo"] for row in self.rows})
        for rule, counted in counts["dropped"].items():
            mine = [row for row in self.drops if row["rule"] == rule]
            assert counted == {"files": len(mine), "bytes": sum(row["bytes"] for row in mine)}
        assert all(row["size"] == len(row["content"].encode()) for row in self.rows)
        keys = [(row["repo"], row["path"]) for row in self.rows]
        assert keys == sorted(set(keys))
        assert not {(row["repo"], row["path"]) for row in self.drops} & set(keys)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Collected]:
    """Collect sources with settings into a folder (`out=`, default "out") and check that the sums hold."""

    def run(*sources: str, out: str = "out", seed: int = 0, **settings: Any) -> Collected:
        folder = tmp_path / out
        collected = Collected(folder, collect(folder, Collect(sources=sources, **settings), seed))
        collected.check_sums()
        return collected

    return run


@pytest.fixture
def git() -> Callable[..., str]:
    """Run git in a folder, without this user's settings."""

    def git(folder: Path, *arguments: str, stdin: bytes | None = None) -> str:
        mine = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "HOME": str(folder)}
        person = {f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(
            command, input=stdin, capture_output=True, check=True, env={**os.environ, **mine, **person}
        )
        return done.stdout.decode().strip()

    return git
