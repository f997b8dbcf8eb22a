"""Shards to documents: filter, set aside, deduplicate, screen, order; every drop with its reason in the ledger."""

from pathlib import Path

from repoloom import recipe
from repoloom.stage import Manifest


def curate(shards: Path, out: Path, settings: recipe.Curate, seed: int, *, processes: int | None = None) -> Manifest:
    """Curate the shards of a collect stage's folder into `out`: documents/, heldout/, ledger/, manifest.json.

    `processes` (default: all cores) changes the speed alone. In counts, `in` = `kept` + `heldout` + `dropped` in files
    and bytes; `dropped` counts repositories where a rule takes them whole. Raises UserError for a folder that holds no
    finished collect stage.
    """
    # `order`, `explain` and the imports of a repository need none of the chain's libraries.
    from repoloom.curate.chain import curate as work

    return work(shards, out, settings, seed, processes)
