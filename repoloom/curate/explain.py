"""Why a file or repository was kept or dropped, with measures, and where it stands in its document.

The ledger and the documents say what happened; the rules' measures are taken again from the shards where these still
stand, and the edges from the documents. Nothing is remembered besides.
"""

import contextlib
import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from repoloom import ledger, recipe, stage
from repoloom.curate import filters, imports, quality, screen, secrets, weave
from repoloom.curate.decontaminate import Detector
from repoloom.errors import UserError

Answer = dict[str, Any]


def explain(folder: Path, target: str) -> Answer:
    """What became of `target` (`REPO` or `REPO/PATH`) in a run's folder or a curate stage's.

    Raises UserError for a folder without a curate stage, and for an unknown target, with names near to it.
    """
    run = _open(folder)
    repo, path = _resolve(run, target.strip("/"))
    return _file(run, repo, path) if path else _repository(run, repo)


@dataclass(frozen=True, slots=True)
class _Run:
    curate: Path
    manifest: stage.Manifest
    collect: Path | None
    settings: recipe.Curate
    ledger: pa.Table
    repositories: frozenset[str]


def _open(folder: Path) -> _Run:
    curate = folder / "curate" if (folder / "curate" / stage.MANIFEST).exists() else folder
    manifest = stage.read_manifest(curate)
    if manifest.get("stage") != "curate":
        raise UserError(f"{folder} holds no curate stage: give a run's folder, or the --out of `repoloom curate`")
    keys = recipe.Curate.model_fields  # the manifest's settings hold a seed and more beside them
    settings = recipe.Curate.model_validate({k: v for k, v in manifest["settings"].items() if k in keys})
    collect = _collect(curate, manifest["inputs"]["shards"])
    tables = [ledger.read(part) for part in (collect, curate) if part is not None]
    drops = pa.concat_tables(tables)
    names = {row["repo"] for row in manifest["counts"]["repositories"]} | set(drops.column("repo").unique().to_pylist())
    return _Run(curate, manifest, collect, settings, drops, frozenset(names))


def _collect(curate: Path, shards: str) -> Path | None:
    """The collect stage with the content `shards`: beside this one, or where it stood when this one was made."""
    places = [curate.parent / "collect"]
    note = curate / ".source"
    if note.exists():
        places.append(Path(note.read_text("utf-8")))
    for place in places:
        with contextlib.suppress(UserError):
            if stage.read_manifest(place).get("content") == shards:
                return place
    return None


def _resolve(run: _Run, target: str) -> tuple[str, str]:
    """Split a target into repository and path; a repository's own name may hold slashes, the longest that fits wins."""
    parts = target.split("/")
    for end in range(len(parts), 0, -1):
        repo = "/".join(parts[:end])
        if repo in run.repositories:
            path = "/".join(parts[end:])
            if path:
                _check_path(run, repo, path)
            return repo, path
    raise UserError(f"no repository named {target!r} in {run.curate}{_near(target, run.repositories)}")


def _check_path(run: _Run, repo: str, path: str) -> None:
    paths = {row["path"] for row in _drops(run, repo)}
    for _, document in _documents(run, repo, ["files"]):
        paths |= {file["path"] for file in document["files"]}
    if path not in paths:
        raise UserError(f"{repo} has no file {path!r}{_near(path, paths)}")


def _near(name: str, names: Iterable[str]) -> str:
    every = sorted(names)
    tail = name.rpartition("/")[2]
    near = [other for other in every if tail and other.rpartition("/")[2] == tail][:3]
    near = near or difflib.get_close_matches(name, every[:20_000], 3, 0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _drops(run: _Run, repo: str, path: str | None = None) -> list[Answer]:
    rows = run.ledger.filter(pc.equal(run.ledger.column("repo"), repo))
    if path is not None:
        rows = rows.filter(pc.equal(rows.column("path"), path))
    answer: list[Answer] = rows.to_pylist()
    return answer


def _documents(run: _Run, repo: str, columns: list[str]) -> Iterator[tuple[str, Answer]]:
    """The repository's documents in order, each with its kind (`documents` or `heldout`)."""
    for kind in ("documents", "heldout"):
        for part in sorted((run.curate / kind).glob("part-*.parquet")):
            for document in pq.read_table(part, columns=columns, filters=[("repo", "=", repo)]).to_pylist():
                yield kind, document


def _repository(run: _Run, repo: str) -> Answer:
    dropped: dict[str, dict[str, Any]] = {}
    for row in _drops(run, repo):
        rule = dropped.setdefault(f"{row['stage']}: {row['rule']}", {"files": 0, "bytes": 0, "kept_as": row["kept_as"]})
        rule["files"] += 1
        rule["bytes"] += row["bytes"]
        rule["kept_as"] = rule["kept_as"] if rule["kept_as"] == row["kept_as"] else None
    found = [
        (kind, {"id": document["document_id"], "files": len(document["files"]), "language": document["language"]})
        for kind, document in _documents(run, repo, ["document_id", "files", "language"])
    ]
    counts = next((row for row in run.manifest["counts"]["repositories"] if row["repo"] == repo), None)
    return {
        "kind": "repository",
        "repo": repo,
        "status": _status(kind for kind, _ in found),
        "files": counts["files"] if counts else 0,
        "bytes": counts["bytes"] if counts else 0,
        "documents": [document for _, document in found],
        "dropped": dict(sorted(dropped.items())),
    }


def _status(kinds: Iterable[str]) -> str:
    return {"documents": "kept", "heldout": "held out"}.get(next(iter(kinds), ""), "dropped")


def _file(run: _Run, repo: str, path: str) -> Answer:
    answer: Answer = {"kind": "file", "repo": repo, "path": path, "status": "dropped", "drops": []}
    documents = list(_documents(run, repo, ["document_id", "files", "text"]))
    for number, (kind, document) in enumerate(documents):
        names = [file["path"] for file in document["files"]]
        if path in names:
            answer |= {
                "status": _status([kind]),
                "document": document["document_id"],
                "document_of": [number + 1, len(documents)],
                "position": [names.index(path) + 1, len(names)],
                **_neighbours(run, repo, [document for _, document in documents], path),
            }
            break
    answer["drops"] = [
        {**row, "words": _words(row) + _kept_at_last(run, row)}
        for row in _drops(run, repo, path)
        if answer["status"] == "dropped"
    ]
    found = next(_contents(run, repo, [path]), None)
    if found:
        language, text = found.language, found.text
        answer["language"] = language
        batch = filters.Batch([path], [language], [text])
        answer["measures"] = [
            {
                "rule": found.rule.name,
                "value": round(found.value, 4),
                "at_least": found.rule.at_least,
                "at_most": found.rule.at_most,
                "passes": not found.broken,
                "source": found.rule.source,
            }
            for found in filters.measure(_rules(run), batch)
        ]
        if scores := quality.scores(language, text):
            answer["measures"] += [
                _score("readability", scores.readability, run.settings.readability),
                _score("modularity", scores.modularity, run.settings.modularity),
            ]
            answer["features"] = {name: round(value, 4) for name, value in scores.features.items()}
        if run.settings.redact and answer["status"] != "dropped":
            answer["redacted"] = secrets.redact(text).counts
        answer["detail"] = _detail(run, answer["drops"], language, path, text)
    return answer


def _score(name: str, value: float, least: float) -> Answer:
    source = "DeepSeek-Coder 2.4, unpublished in detail: see docs/screens.md"
    return {
        "rule": name,
        "value": round(value, 4),
        "at_least": least,
        "at_most": None,
        "passes": value >= least,
        "source": source,
    }


def _rules(run: _Run) -> tuple[filters.Rule, ...]:
    return filters.rule_set(run.settings.rules, run.settings.thresholds)


def _neighbours(run: _Run, repo: str, documents: list[Answer], path: str) -> Answer:
    """What the file uses directly, and what uses it, among the kept files of its repository: the edges of the order.

    The files that a filter rule dropped stand between them here as they did there, as long as the shards stand.
    """
    kept = {
        file["path"]: imports.File(file["path"], file["language"], document["text"][file["start"] : file["end"]])
        for document in documents
        for file in document["files"]
    }
    names = {rule.name for rule in _rules(run)}
    dropped = [
        row["path"]
        for row in _drops(run, repo)
        if row["stage"] == "curate" and row["rule"] in names and row["bytes"] <= weave.NODES
    ]
    files = sorted([*kept.values(), *_contents(run, repo, dropped)], key=lambda file: file.path)
    edges = [(files[user].path, files[used].path) for user, used in imports.edges(files)]
    return {
        "uses": sorted({used for user, used in edges if user == path and used in kept}),
        "used_by": sorted({user for user, used in edges if used == path and user in kept}),
    }


def _contents(run: _Run, repo: str, paths: list[str]) -> Iterator[imports.File]:
    """The files of a repository as they stand in the shards; none where these are gone."""
    if run.collect is None or not paths:
        return
    for part in sorted((run.collect / "shards").glob("part-*.parquet")):
        filters = [("repo", "=", repo), ("path", "in", paths)]
        for row in pq.read_table(part, columns=["path", "language", "content"], filters=filters).to_pylist():
            yield imports.File(row["path"], row["language"] or "", row["content"] or "")


def _detail(run: _Run, drops: list[Answer], language: str, path: str, text: str) -> str:
    """What the ledger's numbers cannot say: which words are a benchmark's, where the syntax fails."""
    rule = drops[-1]["rule"] if drops else ""
    if rule == "syntax":
        return screen.reason(language, path, text)
    if rule.startswith("contamination-"):
        try:
            detector = Detector(run.settings.decontaminate, run.settings.contamination_ngram)
        except UserError as gone:  # a user's file, which this folder or machine does not have
            return str(gone)
        shared = detector.examples(text, language, rule.removeprefix("contamination-"))
        return "; ".join(f'"{words}"' for words in shared)
    return ""


def _kept_at_last(run: _Run, row: Answer) -> str:
    """Where a duplicate leads: a pair is alike, and what it names may be a duplicate of something else in turn."""
    rule, name = row["rule"], row["kept_as"]
    if not rule.startswith("duplicate-"):
        return ""
    others = {}
    for other in run.ledger.filter(pc.starts_with(run.ledger.column("rule"), "duplicate-")).to_pylist():
        others[other["repo"] if rule == "duplicate-repository" else f"{other['repo']}/{other['path']}"] = other[
            "kept_as"
        ]
    words, seen = "", {name}
    while name in others and others[name] not in seen:
        name = others[name]
        seen.add(name)
        words += f", which duplicates {name}"
    return f"{words}, which stays"


_SAME = {
    "duplicate-repository": "its repository is a near-duplicate of {}",
    "heldout-repository": "its repository is a near-duplicate of {}, which is held out",
    "heldout-file": "it copies {}, which is held out",
    "duplicate-file": "it is a near-duplicate of {}",
    "duplicate-file-exact": "it equals {} but for white space",
}


def _words(row: Answer) -> str:
    measure, threshold, rule = row["measure"], row["threshold"], row["rule"]
    words = f"dropped by {rule} in {row['stage']}"
    if measure is None or threshold is None:
        return words
    if rule in _SAME:
        return f"{words}: similarity {_number(measure)} of {_number(threshold)}, {_SAME[rule].format(row['kept_as'])}"
    return f"{words}: {_number(measure)} {'>' if measure > threshold else '<'} {_number(threshold)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3f}".rstrip("0").rstrip(".")


def render(answer: Answer) -> str:
    """The answer as lines for a terminal."""
    if answer["kind"] == "repository":
        return "\n".join(_render_repository(answer))
    return "\n".join(_render_file(answer))


def _render_repository(answer: Answer) -> Iterator[str]:
    yield f"{answer['repo']}: {answer['status']}, {answer['files']:,} files, {answer['bytes']:,} bytes"
    for document in answer["documents"][:20]:
        yield f"  document {document['id']}: {document['files']:,} files, mostly {document['language']}"
    if len(answer["documents"]) > 20:
        yield f"  and {len(answer['documents']) - 20:,} more documents"
    for rule, row in answer["dropped"].items():
        as_what = f" (as {row['kept_as']})" if row["kept_as"] else ""
        yield f"  dropped by {rule}: {row['files']:,} files, {row['bytes']:,} bytes{as_what}"


def _render_file(answer: Answer) -> Iterator[str]:
    yield f"{answer['repo']}/{answer['path']}: {answer['status']}"
    for row in answer["drops"]:
        yield f"  {row['words']}"
    if answer.get("detail"):
        yield f"    {answer['detail']}"
    if "document" in answer:
        (place, size), (number, count) = answer["position"], answer["document_of"]
        yield f"  file {place:,} of {size:,} in document {answer['document']} ({number:,} of {count:,})"
        for title, names in (("uses", answer["uses"]), ("used by", answer["used_by"])):
            more = f" and {len(names) - 10:,} more" if len(names) > 10 else ""
            yield f"  {title}: {', '.join(names[:10]) or 'nothing here'}{more}"
    if answer.get("redacted"):
        yield f"  redacted: {', '.join(f'{count} {kind}' for kind, count in sorted(answer['redacted'].items()))}"
    for measured in answer.get("measures", []):
        bounds = " and ".join(
            f"{word} {_number(measured[key])}"
            for key, word in (("at_least", "at least"), ("at_most", "at most"))
            if measured[key] is not None
        )
        verdict = "passes" if measured["passes"] else "fails"
        yield f"  {verdict} {measured['rule']}: {_number(measured['value'])} ({bounds})"
