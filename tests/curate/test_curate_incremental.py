"""A corpus of which a few repositories changed: those are done again alone, and the result is that of a full run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from curated import Curated, package

from repoloom.collect import collect
from repoloom.curate import curate
from repoloom.recipe import Collect, Curate
from repoloom.stage import CACHE

PACKAGES = ("click", "h11", "httpcore", "httpx", "jinja2", "pluggy", "starlette", "rich")
KINDS = ("documents", "heldout", "ledger")
Shards = Callable[[dict[str, dict[str, str]]], Path]


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    """Collect repositories anew, in shards small enough that a change moves the borders of all that follow."""

    def shards(repositories: dict[str, dict[str, str]]) -> Path:
        source = tmp_path / "source"
        shutil.rmtree(source, ignore_errors=True)
        for name, files in repositories.items():
            for path, text in files.items():
                (source / name / path).parent.mkdir(parents=True, exist_ok=True)
                (source / name / path).write_text(text, "utf-8", newline="")
        sources = tuple(f"dir:{source / name}" for name in repositories)
        collect(tmp_path / "collect", Collect(sources=sources, shard_megabytes=0.15), 0)
        return tmp_path / "collect"

    return shards


def results(out: Path) -> dict[str, int]:
    """When each result in the cache was written, by its key."""
    found = {}
    for path in sorted((out / CACHE).rglob("*.parquet")):
        for key, *_ in json.loads(pq.read_metadata(path).metadata[b"repoloom.keys"]):
            found[f"{path.parent.name}/{key}"] = path.stat().st_mtime_ns
    return found


def bytes_of(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for kind in KINDS for path in (out / kind).glob("*")}


@pytest.mark.parametrize("processes", [1, 2])
def test_what_did_not_change_is_not_done_again_and_the_bytes_are_those_of_a_full_run(
    shards: Shards, tmp_path: Path, processes: int
) -> None:
    settings = Curate(heldout=0.1, document_megabytes=0.05, shard_megabytes=0.2)
    out = tmp_path / "curate"
    repositories = {name: package(name, 12) for name in PACKAGES}
    curate(shards(repositories), out, settings, 0, processes=processes)
    before = results(out)
    assert len(before) == 2 * len(PACKAGES)

    del repositories["httpcore"]
    first = next(iter(repositories["click"]))
    repositories["click"][first] += "\n\ndef added():\n    return 'one more line'\n"
    repositories["anew"] = package("uvicorn", 12)
    manifest = curate(shards(repositories), out, settings, 0, processes=processes)
    after = results(out)
    again = {key for key in after if before.get(key) != after[key]}
    # Two were measured, two were woven, and nothing that stayed as it was was touched.
    assert sorted(key.partition("/")[0] for key in again) == ["measured"] * 2 + ["woven"] * 2
    assert len(set(before) & set(after)) >= 2 * (len(PACKAGES) - 2)

    other = tmp_path / "full"
    expected = curate(tmp_path / "collect", other, settings, 0, processes=1)
    assert bytes_of(out) == bytes_of(other)
    assert manifest["counts"] == expected["counts"] and manifest["content"] == expected["content"]
    Curated(out, manifest)


def test_a_decision_about_a_repository_weaves_it_again_without_measuring(shards: Shards, tmp_path: Path) -> None:
    """A copy of h11 comes in: h11 itself did not change, but one of the two has to go."""
    out = tmp_path / "curate"
    repositories = {name: package(name, 12) for name in ("h11", "pluggy")}
    curate(shards(repositories), out, Curate(), 0, processes=1)
    before = results(out)
    repositories["a-fork"] = {path: text + "\n" for path, text in repositories["h11"].items()}
    manifest = curate(shards(repositories), out, Curate(), 0, processes=1)
    assert set(manifest["counts"]["dropped"]) == {"duplicate-repository"}
    again = sorted(key.partition("/")[0] for key, when in results(out).items() if before.get(key) != when)
    assert again in (["measured"], ["measured", "woven"])  # whichever of the two stays


def test_a_changed_setting_redoes_all_and_the_cache_holds_only_the_last_run(shards: Shards, tmp_path: Path) -> None:
    out = tmp_path / "curate"
    folder = shards({name: package(name, 12) for name in ("h11", "pluggy")})
    curate(folder, out, Curate(), 0, processes=1)
    before = results(out)
    curate(folder, out, Curate(order="deepseek"), 0, processes=1)
    after = results(out)
    assert len(after) == len(before) and not set(after) & set(before)


def test_a_result_that_cannot_be_read_is_made_again(shards: Shards, tmp_path: Path) -> None:
    out = tmp_path / "curate"
    repositories = {name: package(name, 12) for name in ("h11", "pluggy")}
    curate(shards(repositories), out, Curate(), 0, processes=1)
    for path in (out / CACHE).rglob("*.parquet"):
        path.write_bytes(path.read_bytes()[:-100])
    repositories["more"] = package("click", 3)
    manifest = curate(shards(repositories), out, Curate(), 0, processes=1)
    assert manifest["content"] == curate(tmp_path / "collect", tmp_path / "full", Curate(), 0, processes=1)["content"]
