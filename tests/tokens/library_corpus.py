"""Documents made of the standard library's packages: real sources that every machine has."""

import json
import sysconfig
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from repoloom.formats import DOCUMENT
from repoloom.stage import atomic_write

STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))
PACKAGES = ("json", "email", "html", "asyncio", "xml", "logging", "importlib")
HELDOUT = ("wsgiref",)


def document(package):
    """All of a package's files as one document, each opened by its path."""
    text, files = "", []
    for source in sorted((STANDARD_LIBRARY / package).rglob("*.py")):
        path = source.relative_to(STANDARD_LIBRARY).as_posix()
        start = len(text)
        with source.open(encoding="utf-8", newline="") as file:
            text += f"# {path}\n" + file.read().rstrip("\n") + "\n"
        files.append({"path": path, "language": "python", "start": start, "end": len(text)})
    return {"document_id": f"{package}#0", "repo": package, "language": "python", "files": files, "text": text}


def write_curated(folder, parts):
    """A curate stage's folder with these parts of documents: {"documents": [[document, ...], ...], "heldout": ...}."""
    for kind, lists in parts.items():
        (folder / kind).mkdir(parents=True)
        for number, documents in enumerate(lists):
            table = pa.Table.from_pylist(documents, DOCUMENT)
            pq.write_table(table, folder / kind / f"part-{number:05d}.parquet")
    atomic_write(folder / "manifest.json", json.dumps({"content": str(folder)}))
    return folder
