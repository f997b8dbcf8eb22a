"""Between the passes: which repositories are held out, which go as duplicates, which files as copies or contaminated.

The order of the chain is the order of these functions; a file goes for its first reason. Signatures go to disk as they
are read, and the corpus's content is read again only for pairs too near the threshold to tell: memory grows with the
number of files by what is known of each, not by what is in them.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from repoloom import recipe
from repoloom.curate import dedup, heldout
from repoloom.curate.dedup import Duplicate, Repository
from repoloom.curate.exact import Exact
from repoloom.curate.minhash import Signatures, Store
from repoloom.curate.source import Entry, Source

_ROWS = 4096
"""Files compared with what is held out at once."""


def decide(
    batches: Iterable[tuple[Sequence[Entry], Signatures]],
    source: Source,
    settings: recipe.Curate,
    seed: int,
    scratch: Path,
) -> list[Repository]:
    """Drop what goes (each file's `rule` says why) and return all repositories, in order of their first file.

    `batches` holds all files with their signatures; `scratch` is an empty folder on a disk with a kilobyte a file to
    spare.
    """
    corpus = _Corpus(batches, settings, scratch)
    chosen = heldout.choose({r.name: r.bytes for r in corpus.repositories}, settings.heldout, seed)
    for repository in corpus.repositories:
        repository.heldout = repository.name in chosen
    exact = Exact(source, corpus.files, settings.duplicate_ngram)
    _drop_repositories(corpus, settings, exact, scratch)
    if chosen:
        _drop_copies(corpus, chosen, settings, exact)
    for entries in corpus.files.values():
        for entry in entries:
            if entry.benchmark:
                entry.drop(f"contamination-{entry.benchmark}", float(entry.shared or 0), 0.0)
    if settings.duplicate_files:
        _drop_files(corpus, chosen, settings, exact, scratch)
    return corpus.repositories


class _Corpus:
    """All that is known between the passes."""

    def __init__(
        self, batches: Iterable[tuple[Sequence[Entry], Signatures]], settings: recipe.Curate, scratch: Path
    ) -> None:
        self.files: dict[str, list[Entry]] = {}
        """By repository."""
        self.entries: list[Entry] = []
        """Files long enough to be compared, in the order of the rows of `store`."""
        self.store = Store(scratch / "files", settings.duplicate_permutations)
        found: dict[str, Repository] = {}
        nothing = np.full(settings.duplicate_permutations, np.iinfo(np.uint32).max, np.uint32)
        for entries, signatures in batches:
            for entry, signature in zip(entries, signatures, strict=True):
                self.files.setdefault(entry.repo, []).append(entry)
                if entry.repo not in found:
                    found[entry.repo] = Repository(entry.repo, entry.license, 0, nothing.copy())
                if entry.rule is None:
                    repository = found[entry.repo]
                    repository.bytes += entry.bytes
                    np.minimum(repository.signature, signature, out=repository.signature)
            chosen = [number for number, entry in enumerate(entries) if dedup.comparable(entry)]
            self.entries += [entries[number] for number in chosen]
            self.store.append(signatures[chosen])
        self.repositories = list(found.values())


def _drop_repositories(corpus: _Corpus, settings: recipe.Curate, exact: Exact, scratch: Path) -> None:
    """Held-out repositories are deduplicated among themselves, training ones likewise, then against the held-out."""
    aside = [r for r in corpus.repositories if r.heldout]
    training = [r for r in corpus.repositories if not r.heldout]
    gone: dict[str, tuple[str, Duplicate]] = {}
    if settings.duplicate_repositories:
        for side in (aside, training):
            for name, duplicate in dedup.repositories(side, settings, exact.repositories, scratch).items():
                gone[name] = ("duplicate-repository", duplicate)
    left = [r for r in training if r.name not in gone]
    # Against every held-out repository, a duplicate among those too: what it holds was set aside all the same.
    for name, duplicate in heldout.near_repositories(left, aside, settings, exact.repositories).items():
        gone[name] = ("heldout-repository", duplicate)
    for name, (rule, duplicate) in gone.items():
        _drop(((entry, duplicate) for entry in corpus.files[name]), rule, settings.duplicate_similarity)


def _drop_copies(corpus: _Corpus, aside: set[str], settings: recipe.Curate, exact: Exact) -> None:
    comparable = [number for number, entry in enumerate(corpus.entries) if dedup.comparable(entry)]
    ours = np.array([number for number in comparable if corpus.entries[number].repo not in aside], np.int64)
    theirs = np.array([number for number in comparable if corpus.entries[number].repo in aside], np.int64)
    held = [corpus.entries[number] for number in theirs]
    index = heldout.Index(held, corpus.store.read(theirs), settings, exact.files)
    for first in range(0, len(ours), _ROWS):
        rows = ours[first : first + _ROWS]
        found = index.copies([corpus.entries[number] for number in rows], corpus.store.read(rows))
        _drop(found, "heldout-file", settings.duplicate_similarity)


def _drop_files(corpus: _Corpus, aside: set[str], settings: recipe.Curate, exact: Exact, scratch: Path) -> None:
    rows = np.array([number for number, entry in enumerate(corpus.entries) if entry.repo not in aside], np.int64)
    training = [corpus.entries[number] for number in rows]
    _drop(dedup.exact_files(training), "duplicate-file-exact", 1.0)
    found = dedup.files(training, rows, corpus.store, settings, exact.files, scratch)
    _drop(found, "duplicate-file", settings.duplicate_similarity)


def _drop(found: Iterable[tuple[Entry, Duplicate]], rule: str, threshold: float) -> None:
    for entry, duplicate in found:
        entry.drop(rule, duplicate.similarity, threshold, duplicate.kept_as)
