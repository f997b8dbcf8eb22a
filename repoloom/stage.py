"""A stage's folder: locked while written, whole files only, `manifest.json` last, skipped when nothing changed.

A file is written beside its place and renamed into it, so whatever stands in the folder is whole. A run killed at any
instant and started again finds the same fingerprint in `.building.json`, keeps the whole files and makes the rest. The
fingerprint covers inputs, settings, the source of the rooms that compute the stage and the versions of the libraries
that shape its bytes; time and machine stand in the manifest outside of it.
"""

import contextlib
import errno
import fcntl
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import psutil
from pydantic import BaseModel

from repoloom.errors import UserError

PACKAGE = Path(__file__).parent
MANIFEST = "manifest.json"
CACHE = ".cache"
"""A folder in a stage's that outlives a change of inputs: whoever writes there says itself what is still good."""
_BUILDING = ".building.json"
_LOCK = ".lock"
_PARTIAL = ".partial-"
_FULL = 1_000_000
"""A disk with less free, in bytes, is full."""

Manifest = dict[str, Any]


def digest_file(path: Path) -> str:
    """The BLAKE2b-128 digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def digest_json(value: object) -> str:
    """The digest of a value's canonical JSON form."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def digest_code(parts: Sequence[str]) -> str:
    """The digest of the package's own source under `parts` (rooms such as "curate", files such as "ledger.py")."""
    files: list[Path] = []
    for part in parts:
        place = PACKAGE / part
        found = [place] if place.is_file() else sorted(f for f in place.rglob("*") if f.suffix in {".py", ".toml"})
        assert found, f"the package has no source named {part}"
        files += found
    return digest_json([(str(file.relative_to(PACKAGE)), digest_file(file)) for file in files])


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished stage. Raises UserError where `folder` holds none."""
    try:
        manifest: Manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        if not isinstance(manifest, dict):
            raise ValueError("it is no JSON object")
    except FileNotFoundError:
        raise UserError(f"{folder} holds no {MANIFEST}: not a stage's folder, or the stage did not finish") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {folder / MANIFEST}: {error}") from None
    return manifest


def is_stage(folder: Path) -> bool:
    """Whether a stage writes or wrote this folder: collect leaves such folders out of a source that holds them."""
    return (folder / _LOCK).is_file() and ((folder / MANIFEST).is_file() or (folder / _BUILDING).is_file())


def atomic_write(path: Path, text: str) -> None:
    """Write a small text file whole or not at all."""
    partial = path.with_name(f"{_PARTIAL}{os.getpid()}-{path.name}")
    partial.write_text(text, "utf-8")
    partial.replace(path)


@contextlib.contextmanager
def whole(place: Path) -> Iterator[Path]:
    """A path beside `place` to write a file or folder at; renamed into place when the block ends without error."""
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f"{_PARTIAL}{os.getpid()}-{place.name}")
    _remove(partial)
    yield partial
    if partial.is_dir():
        _remove(place)
    partial.replace(place)


class Work:
    """A stage's folder while it is being written. Made by `build`."""

    def __init__(self, folder: Path, base: str, fingerprint: str, finished: Manifest | None, resumed: bool) -> None:
        self.folder = folder
        self.base = base
        """A digest of all that decides what the stage makes but its inputs: settings, code, libraries."""
        self.fingerprint = fingerprint
        self.finished = finished
        """The manifest of an earlier run that still holds: the stage has nothing to do. None otherwise."""
        self.resumed = resumed
        """Whether an interrupted run of the same fingerprint left whole files here."""
        self.manifest: Manifest | None = finished

    def path(self, name: str) -> Path:
        """Where the output `name` (such as `documents/part-00000.parquet`) stands once it is whole."""
        return self.folder / name

    @contextlib.contextmanager
    def write(self, name: str) -> Iterator[Path]:
        """A path beside `name` to write a file or folder at; renamed into place when the block ends without error."""
        with whole(self.path(name)) as partial:
            yield partial

    def finish(self, counts: Mapping[str, Any]) -> Manifest:
        """State what the stage made; `build` adds files, time and machine, and writes the manifest at its end."""
        self.manifest = {"counts": dict(counts)}
        return self.manifest


@contextlib.contextmanager
def build(
    folder: Path,
    stage: str,
    *,
    inputs: Mapping[str, Any],
    settings: BaseModel | Mapping[str, Any],
    code: Sequence[str],
    libraries: Sequence[str] = (),
) -> Iterator[Work]:
    """Open `folder` for the stage named `stage`, alone.

    `inputs` names what the stage reads (digests of upstream manifests, revisions of sources), `code` the package's
    rooms and files whose change makes it anew, `libraries` the distributions whose version does. If the block ends
    without `work.finish(...)` (and nothing stood finished), the folder stays as an interrupted run.

        with build(out, "curate", inputs={"shards": shards["content"]}, settings=settings, code=["curate"]) as work:
            if work.finished is None:
                ...
                work.finish(counts)
        return work.manifest

    Raises UserError if another process is writing the folder, or if it cannot be written.
    """
    plain = settings.model_dump(mode="json") if isinstance(settings, BaseModel) else dict(settings)
    identity = {
        "stage": stage,
        "inputs": dict(inputs),
        "settings": plain,
        "code": digest_code([*code, "stage.py", "formats.py", "ledger.py"]),
        "libraries": {name: importlib.metadata.version(name) for name in libraries},
    }
    fingerprint = digest_json(identity)
    with locked(folder), told(stage, folder):
        finished = _still_holds(folder, fingerprint)
        resumed = finished is None and _resumable(folder, fingerprint)
        if finished is None:
            if not resumed:
                _empty(folder)
                atomic_write(folder / _BUILDING, json.dumps({"fingerprint": fingerprint}))
            _sweep(folder)
        work = Work(folder, digest_json({**identity, "inputs": None}), fingerprint, finished, resumed)
        clock = time.monotonic()
        with _peak_memory() as peak:
            yield work
        if finished is None and work.manifest is not None:
            outputs = _outputs(folder)
            work.manifest.update(
                {
                    "repoloom": importlib.metadata.version("repoloom"),
                    **identity,
                    "fingerprint": fingerprint,
                    "content": digest_json(outputs),
                    "outputs": outputs,
                    "run": {
                        "seconds": round(time.monotonic() - clock, 2),
                        "resumed": resumed,
                        "peak_memory_mb": round(peak[0] / 1e6),
                        "machine": machine(),
                    },
                }
            )
            atomic_write(folder / MANIFEST, json.dumps(work.manifest, indent=1, ensure_ascii=False) + "\n")
            (folder / _BUILDING).unlink(missing_ok=True)


def forget(folder: Path) -> None:
    """Let a finished or interrupted stage start anew at its next `build`."""
    with locked(folder), told(folder.name, folder):
        if (folder / MANIFEST).exists() or (folder / _BUILDING).exists():
            atomic_write(folder / _BUILDING, json.dumps({"fingerprint": ""}))
            (folder / MANIFEST).unlink(missing_ok=True)


def machine() -> dict[str, Any]:
    """What this machine is: processor, cores, memory in GB, system, Python."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    return {
        "processor": processor,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only one to write `folder`, which is made if need be. Raises UserError where another is, or none can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock: TextIO = (folder / _LOCK).open("a")
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"another repoloom is writing {folder}: wait for it, or choose another --out") from None
        yield


@contextlib.contextmanager
def told(stage: str, folder: Path) -> Iterator[None]:
    """Raise UserError, in one line, for what the system refuses."""
    try:
        yield
    except (UserError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # torch's CheckpointException is no Exception
        if out_of_space(error, folder):
            line = f"{stage}: no space left on the disk of {folder}: free some, then run the command again to go on"
            raise UserError(line) from error
        if isinstance(error, OSError):
            raise UserError(f"{stage}: {error.strerror or error} ({error.filename or folder})") from error
        raise


def out_of_space(error: BaseException, folder: Path) -> bool:
    """Whether `error` came from writing to a full disk.

    Libraries hide the system's reason in errors of their own (torch: "unexpected pos 704 vs 598"; numpy: "32768
    requested and 22296 written"); then what they wrote still fills the disk.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == errno.ENOSPC
    return os.strerror(errno.ENOSPC) in str(error) or shutil.disk_usage(folder).free < _FULL


def _still_holds(folder: Path, fingerprint: str) -> Manifest | None:
    if not (folder / MANIFEST).exists():
        return None
    try:
        manifest = read_manifest(folder)
        whole = all((folder / name).stat().st_size == file["bytes"] for name, file in manifest["outputs"].items())
    except (UserError, OSError, KeyError, TypeError, AttributeError):
        return None
    return manifest if whole and manifest.get("fingerprint") == fingerprint else None


def _resumable(folder: Path, fingerprint: str) -> bool:
    try:
        return bool(json.loads((folder / _BUILDING).read_text("utf-8"))["fingerprint"] == fingerprint)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _empty(folder: Path) -> None:
    """Remove an outdated stage. A folder that is no stage's is left alone, whatever is in it."""
    strangers = [e.name for e in folder.iterdir() if e.name != _LOCK and not e.name.startswith(_PARTIAL)]
    if strangers and not ((folder / MANIFEST).exists() or (folder / _BUILDING).exists()):
        raise UserError(f"{folder} holds files that no stage made ({strangers[0]}): choose an empty folder for --out")
    atomic_write(folder / _BUILDING, json.dumps({"fingerprint": ""}))  # if killed below, still a stage's folder
    (folder / MANIFEST).unlink(missing_ok=True)
    for entry in folder.iterdir():
        if entry.name not in {_LOCK, _BUILDING, CACHE}:
            _remove(entry)


def _sweep(folder: Path) -> None:
    for partial in [*folder.rglob(f"{_PARTIAL}*")]:
        _remove(partial)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _outputs(folder: Path) -> dict[str, dict[str, Any]]:
    """Every file of the stage but those whose name starts with a dot: they are notes to itself."""
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    names = [(f, f.relative_to(folder)) for f in files]
    return {
        str(name): {"bytes": f.stat().st_size, "blake2b": digest_file(f)}
        for f, name in names
        if not any(part.startswith(".") for part in name.parts) and name.name != MANIFEST
    }


@contextlib.contextmanager
def _peak_memory() -> Iterator[list[int]]:
    """The largest sum of resident bytes of this process and its descendants, sampled four times a second."""
    peak = [0]
    done = threading.Event()
    this = psutil.Process()

    def watch() -> None:
        while True:
            total = 0
            for process in [this, *this.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    total += process.memory_info().rss
            peak[0] = max(peak[0], total)
            if done.wait(0.25):
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
