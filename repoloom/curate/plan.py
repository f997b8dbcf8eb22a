"""Between the passes: which repositories are held out, which go as duplicates, which files as copies or contaminated.

The order of the chain is the order of these functions; a file goes for its first reason. Signatures are read a batch
at a time; the corpus's content is read only for pairs too near the threshold to tell.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np

from repoloom import recipe
from repoloom.curate import dedup, heldout
from repoloom.curate.dedup import Duplicate, Repository
from repoloom.curate.grams import Hashes
from repoloom.curate.measure import gram_set
from repoloom.curate.minhash import Signatures, jaccard
from repoloom.curate.source import Entry, Source

Batches = Callable[[], Iterator[tuple[Sequence[Entry], Signatures]]]
"""Reads all files with their signatures once more; the entries are the same objects each time."""


def decide(batches: Batches, source: Source, settings: recipe.Curate, seed: int) -> list[Repository]:
    """Drop what goes (each file's `rule` says why) and return all repositories, in order of their first file."""
    repositories, files = _repositories(batches(), settings)
    chosen = heldout.choose({r.name: r.bytes for r in repositories}, settings.heldout, seed)
    for repository in repositories:
        repository.heldout = repository.name in chosen
    exact = _Exact(source, files, settings.duplicate_ngram)
    _drop_duplicates(repositories, files, settings, exact)
    if chosen:
        _drop_copies(batches, {r.name for r in repositories if r.heldout}, settings, exact)
    for entries in files.values():
        for entry in entries:
            if entry.benchmark:
                entry.drop(f"contamination-{entry.benchmark}", float(entry.shared or 0), 0.0)
    return repositories


class _Exact:
    """Exact similarities, computed from the shards when they are asked for."""

    def __init__(self, source: Source, files: dict[str, list[Entry]], n: int) -> None:
        self._source, self._files, self._n = source, files, n
        self._of_repository = lru_cache(8)(self._repository_grams)
        self._of_place = lru_cache(64)(self._file_grams)

    def repositories(self, first: Repository, second: Repository) -> float:
        return jaccard(self._of_repository(first.name), self._of_repository(second.name))

    def files(self, first: Entry, second: Entry) -> float:
        return jaccard(*(self._of_place(entry.repo, entry.path, entry.place.shard) for entry in (first, second)))

    def _repository_grams(self, name: str) -> Hashes:
        passed = [entry for entry in self._files[name] if entry.words]
        return np.unique(np.concatenate([gram_set(text, self._n) for _, text in self._source.texts(passed)]))

    def _file_grams(self, repo: str, path: str, shard: int) -> Hashes:
        entry = next(e for e in self._files[repo] if e.path == path and e.place.shard == shard)
        return next(gram_set(text, self._n) for _, text in self._source.texts([entry]))


def _repositories(
    batches: Iterable[tuple[Sequence[Entry], Signatures]], settings: recipe.Curate
) -> tuple[list[Repository], dict[str, list[Entry]]]:
    files: dict[str, list[Entry]] = {}
    repositories: dict[str, Repository] = {}
    nothing = np.full(settings.duplicate_permutations, np.iinfo(np.uint32).max, np.uint32)
    for entries, signatures in batches:
        for entry, signature in zip(entries, signatures, strict=True):
            files.setdefault(entry.repo, []).append(entry)
            if entry.repo not in repositories:
                repositories[entry.repo] = Repository(entry.repo, entry.license, 0, nothing.copy())
            if entry.rule is None:
                repository = repositories[entry.repo]
                repository.bytes += entry.bytes
                np.minimum(repository.signature, signature, out=repository.signature)
    return list(repositories.values()), files


def _drop_duplicates(
    repositories: Sequence[Repository], files: dict[str, list[Entry]], settings: recipe.Curate, exact: _Exact
) -> None:
    """Held-out repositories are deduplicated among themselves, training ones likewise, then against the held-out."""
    aside = [r for r in repositories if r.heldout]
    training = [r for r in repositories if not r.heldout]
    gone: dict[str, tuple[str, Duplicate]] = {}
    for side in (aside, training):
        for name, duplicate in dedup.duplicates(side, settings, exact.repositories).items():
            gone[name] = ("duplicate-repository", duplicate)
    left = [r for r in training if r.name not in gone]
    # Against every held-out repository, a duplicate among those too: what it holds was set aside all the same.
    for name, duplicate in dedup.near_heldout(left, aside, settings, exact.repositories).items():
        gone[name] = ("heldout-repository", duplicate)
    for name, (rule, duplicate) in gone.items():
        for entry in files[name]:
            entry.drop(rule, duplicate.similarity, settings.duplicate_similarity, duplicate.kept_as)


def _drop_copies(batches: Batches, aside: set[str], settings: recipe.Curate, exact: _Exact) -> None:
    entries: list[Entry] = []
    signatures: list[Signatures] = []
    for batch, found in batches():
        chosen = [n for n, entry in enumerate(batch) if entry.repo in aside and heldout.Index.looks_at(entry)]
        entries += [batch[n] for n in chosen]
        signatures.append(found[chosen])
    index = heldout.Index(entries, np.concatenate(signatures), settings, exact.files)
    for batch, found in batches():
        chosen = [n for n, entry in enumerate(batch) if entry.repo not in aside and heldout.Index.looks_at(entry)]
        for entry, copy in index.copies([batch[n] for n in chosen], found[chosen]):
            entry.drop("heldout-file", copy.similarity, settings.duplicate_similarity, copy.kept_as)
