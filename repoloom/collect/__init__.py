"""Sources to shards: repositories are listed, what may come in is decided, texts are written (see `intake` for rules).

Reading runs in one process: listing, decoding and compressing moved 30 MB/s on one core, more than later stages take.
"""

import shutil
from pathlib import Path

from repoloom import stage
from repoloom.collect import shards, sources
from repoloom.errors import UserError
from repoloom.progress import bar
from repoloom.recipe import Collect

_SHARE_ON_DISK = 0.5
"""Of the source's bytes, for shards and ledger together; code under zstd was seen at 0.2 to 0.3."""


def collect(out: Path, settings: Collect, seed: int) -> stage.Manifest:
    """Read the recipe's sources into `out`: `shards/part-*.parquet`, `ledger/part-*.parquet`, `manifest.json`.

    Counts: `in` = `kept` + `dropped` in files and bytes, where a link, submodule or folder that was not entered counts
    as one file of 0 bytes, and a byte order mark is not counted. `repositories` are those of which something is kept.
    Raises UserError where nothing can be read, UsageError for an unknown source.
    """
    found = sources.find(settings.sources)
    inputs = {repository.name: repository.fingerprint() for repository in found}
    with stage.build(
        out,
        "collect",
        inputs=inputs,
        settings={**settings.model_dump(mode="json"), "seed": seed},
        code=["collect", "languages.py", "languages.toml"],
        libraries=["pyarrow"],
    ) as work:
        if work.finished is None:
            survey = shards.Survey(found, settings, seed)
            with bar("listing", len(found)) as progress:
                plan, total = survey.plan(progress)
            _check(out, settings, total, work.resumed)
            with bar("collecting", total / 1e6) as progress:
                parts = [shards.write(work, n, pieces, survey, progress) for n, pieces in enumerate(plan)]
            counts = shards.merged(parts)
            if not counts["kept"]["files"]:
                raise UserError(f"{' '.join(settings.sources)} holds no file that is UTF-8 text in a known language")
            repositories = [counts["repositories"][name] for name in sorted(counts["repositories"])]
            work.finish(
                {
                    "in": {"repositories": len(found), **counts["in"]},
                    "kept": {"repositories": len(repositories), **counts["kept"]},
                    "dropped": dict(sorted(counts["dropped"].items())),
                    "languages": dict(sorted(counts["languages"].items())),
                    "repositories": repositories,
                }
            )
    assert work.manifest is not None
    return work.manifest


def _check(out: Path, settings: Collect, total: int, resumed: bool) -> None:
    """Say what cannot succeed before it is begun."""
    named = " ".join(settings.sources)
    if not total:
        capped = settings.megabytes or settings.megabytes_per_repository
        why = " that fits the caps collect.megabytes and collect.megabytes_per_repository" if capped else ""
        raise UserError(f"{named} holds no file in a known language{why}")
    need, free = total * _SHARE_ON_DISK, shutil.disk_usage(out).free
    if not resumed and need > free:
        raise UserError(
            f"too little disk: {out} needs about {need / 1e6:.1f} MB and has {free / 1e6:.1f} MB free; "
            "choose another --out or set collect.megabytes"
        )
