"""n samples of every task as JSON Lines, one appended as each is finished, so that a killed run goes on where it was.

    {"task_id": "HumanEval/0", "sample": 0, "completion": "...", "finish": "stop", "tokens": [...]}

What a sample depends on (model, prompts, sampling) stands beside it in `NAME.settings.json`: samples that were made
otherwise are refused, not mixed. Draws are keyed by task and sample, so our own engine writes the same samples whatever
was interrupted; the finished file is in the order of tasks and samples.
"""

import contextlib
import fcntl
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

from repoloom.errors import UserError
from repoloom.generate.backends.backend import Backend, Prompt
from repoloom.generate.sampling import Sampling
from repoloom.progress import bar
from repoloom.stage import atomic_write, digest_json

Row = dict[str, Any]
Place = tuple[str, int]
"""A task's id and a sample's number."""


def write(
    backend: Backend, tasks: Sequence[tuple[str, Prompt]], count: int, sampling: Sampling, out: Path
) -> list[Row]:
    """Have `count` samples of each (task_id, prompt) in `out`, and return them in order.

    Raises UserError where `out` holds samples of another model, of other prompts or settings, or cannot be written.
    """
    wanted = {(name, number): prompt for name, prompt in tasks for number in range(count)}
    assert len(wanted) == len(tasks) * count, "two tasks have one id"
    with _opened(out) as file:
        _same(out, _settings(backend, tasks, sampling))
        found = {place: row for place, row in _read(file, out) if place in wanted}
        missing = [place for place in wanted if place not in found]
        prompts = [replace(wanted[place], key=f"{place[0]}/{place[1]}") for place in missing]
        with bar("samples", len(wanted), len(found)) as progress:
            for number, done in backend.complete(prompts, sampling) if prompts else ():
                name, sample = missing[number]
                row = {"task_id": name, "sample": sample, "completion": done.text}
                row |= {"finish": done.finish, "tokens": done.tokens}
                found[name, sample] = row
                file.write(_line(row))
                file.flush()
                progress.advance()
        rows = [found[place] for place in wanted]
        atomic_write(out, b"".join(map(_line, rows)).decode("ascii"))
    return rows


def _settings(backend: Backend, tasks: Sequence[tuple[str, Prompt]], sampling: Sampling) -> dict[str, Any]:
    prompts = digest_json([(name, asdict(prompt)) for name, prompt in tasks])
    return {"model": backend.identity, "prompts": prompts, **json.loads(json.dumps(asdict(sampling)))}


@contextlib.contextmanager
def _opened(out: Path) -> Iterator[BinaryIO]:
    """The file, for this process alone."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("a+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UserError(f"another process is writing {out}: wait for it, or choose another file") from None
            yield file
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from None


def _same(out: Path, settings: dict[str, Any]) -> None:
    """Note the settings of a new file; raise UserError where an old one's are others."""
    beside = out.with_name(f"{out.stem}.settings.json")
    if out.stat().st_size == 0:
        atomic_write(beside, json.dumps(settings, indent=1) + "\n")
        return
    try:
        before = json.loads(beside.read_text("utf-8"))
        differing = [key for key in settings if before.get(key) != settings[key]]
    except (OSError, ValueError, AttributeError):
        raise UserError(f"{out} holds samples, and {beside.name} does not say of what: choose another file") from None
    if differing:
        raise UserError(f"{out} holds samples of another {' and '.join(differing)}: choose another file, or remove it")


def _read(file: BinaryIO, out: Path) -> Iterator[tuple[Place, Row]]:
    """The rows that stand in the file; a last line that a kill cut short is removed."""
    file.seek(0)
    text = file.read()
    whole = text.rfind(b"\n") + 1
    file.truncate(whole)
    for number, line in enumerate(text[:whole].splitlines(), 1):
        try:
            row = json.loads(line)
            yield (row["task_id"], row["sample"]), row
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{out}, line {number}: not a sample: {error!r}") from None


def _line(row: Row) -> bytes:
    return (json.dumps(row) + "\n").encode("ascii")  # an endpoint may answer half a character, which UTF-8 cannot hold
