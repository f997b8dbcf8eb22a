"""What several rooms' tests stand on: a small tokenizer, trained for real on the standard library's json package."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import settings

from repoloom.formats import DOCUMENT
from repoloom.recipe import TokenizerSettings
from repoloom.stage import atomic_write

settings.register_profile("repoloom", deadline=None)  # a busy machine is no failure
settings.load_profile("repoloom")


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a byte-level BPE of about 700 entries."""
    from repoloom.tokens.tokenizer import train

    place = tmp_path_factory.mktemp("tokenizer")
    documents = []
    for source in sorted(Path(json.__file__).parent.glob("*.py")):
        text = source.read_text("utf-8")
        files = [{"path": source.name, "language": "python", "start": 0, "end": len(text)}]
        documents.append(
            {"document_id": source.name, "repo": "json", "language": "python", "files": files, "text": text}
        )
    (place / "curate" / "documents").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(documents, DOCUMENT), place / "curate" / "documents" / "part-00000.parquet")
    atomic_write(place / "curate" / "manifest.json", json.dumps({"content": "a test's documents"}))
    train(place / "curate", place / "tokenizer", TokenizerSettings(vocabulary=700), seed=0)
    return place / "tokenizer"


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For tiny models, which are no faster on two threads and far slower where another process wants the cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class SmallDisk:
    """A disk of a few megabytes that can really be filled."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._filler = place / "filler"

    def fill(self, left: int) -> None:
        """Leave about so many bytes free."""
        self.empty()
        with self._filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):  # others may write, too
            file.write(bytes(max(shutil.disk_usage(self.place).free - left, 0)))

    def empty(self) -> None:
        """Free what `fill` took."""
        self._filler.unlink(missing_ok=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A tmpfs of 24 MB; only root can mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("no disk to fill: this user cannot mount a tmpfs")
    yield SmallDisk(place)
    subprocess.run(["umount", "-l", str(place)], check=True)
