from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from curated import Curated

from repoloom.collect import collect
from repoloom.curate import curate
from repoloom.recipe import Collect
from repoloom.recipe import Curate as Settings


@pytest.fixture
def collected(tmp_path: Path) -> Callable[[Mapping[str, Mapping[str, str]]], Path]:
    """Write repositories ({name: {path: text}}) as folders and collect them; returns the collect stage's folder."""

    def collected(repositories: Mapping[str, Mapping[str, str]], **settings: Any) -> Path:
        for name, files in repositories.items():
            for path, text in files.items():
                place = tmp_path / "source" / name / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, "utf-8", newline="")
        sources: Sequence[str] = [f"dir:{tmp_path / 'source' / name}" for name in repositories]
        collect(tmp_path / "collect", Collect(sources=tuple(sources), **settings), 0)
        return tmp_path / "collect"

    return collected


@pytest.fixture
def run(collected: Callable[..., Path], tmp_path: Path) -> Callable[..., Curated]:
    """Collect and curate repositories in this process."""

    def run(repositories: Mapping[str, Mapping[str, str]], *, seed: int = 0, **settings: Any) -> Curated:
        out = tmp_path / "curate"
        return Curated(out, curate(collected(repositories), out, Settings(**settings), seed, processes=1))

    return run
