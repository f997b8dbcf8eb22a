"""What a run left behind, read with tolerance: a stage may be missing, unfinished, or of an older Repoloom.

Whatever is asked for and not there raises `AbsentError`, which the page turns into one line in place of the figure.
"""

import json
import math
from pathlib import Path
from typing import Any

from repoloom.errors import UserError
from repoloom.stage import MANIFEST, digest_file

STAGES = (
    "collect", "curate", "tokenizer", "pack", "pretrain", "tune", "model", "model-instruct", "evaluate",
)  # fmt: skip
"""The folders of a run that leave a manifest, in the street's order; `model` and `model-instruct` are the exports."""


class AbsentError(LookupError):
    """Something the page would show is not in this run; the message says what."""


class Table(dict[str, Any]):
    """A JSON object whose missing keys raise `AbsentError`, at any depth."""

    def __missing__(self, key: str) -> Any:
        raise AbsentError(f"its numbers hold no “{key}”")


class Run:
    """A run's folder as the page sees it."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError where no stage has left anything."""
        self.folder = folder
        self.alone = (_read(folder / MANIFEST) or Table()).get("stage") == "evaluate"
        """Whether the folder is what `repoloom evaluate` wrote, with no run around it."""
        self._places = {stage: folder / stage for stage in STAGES}
        if self.alone:
            self._places = {"evaluate": folder}
        self._manifests = {stage: _read(place / MANIFEST) for stage, place in self._places.items()}
        if not any(self._manifests.values()):
            raise UserError(
                f"{folder} holds no finished stage (such as collect/{MANIFEST}): is it the folder of a run?"
            )

    @property
    def finished(self) -> list[str]:
        """The stages whose manifest stands, in their order."""
        return [stage for stage, found in self._manifests.items() if found is not None]

    def manifest(self, stage: str) -> Table:
        """A stage's manifest."""
        found = self._manifests.get(stage)
        if found is None:
            raise AbsentError(f"{stage} has not finished")
        return found

    def counts(self, stage: str) -> Table:
        """What a stage counted."""
        counts: Table = self.manifest(stage)["counts"]
        return counts

    def metrics(self, stage: str) -> tuple[list[Table], list[Table]]:
        """The training steps and the validations of `pretrain` or `tune`, also of one that has not finished."""
        try:
            written = (self.folder / stage / "metrics.jsonl").read_text("utf-8", "replace").splitlines()
        except OSError:
            raise AbsentError(f"{stage} has left no metrics") from None
        steps, validations = [], []
        for line in written:
            row = _parse(line)
            if row is not None and isinstance(row.get("step"), int):
                if _finite(row.get("loss")):
                    steps.append(row)
                if _finite(row.get("heldout_loss")):
                    validations.append(row)
        if not steps:
            raise AbsentError(f"{stage} has not taken a step")
        return steps, validations

    def results(self) -> Table:
        """What evaluate measured."""
        found = _read(self._places["evaluate"] / "results.json")
        if found is None:
            raise AbsentError("evaluate has not finished")
        return found

    def answers(self) -> dict[str, Path]:
        """The samples of each benchmark that was run."""
        return {path.stem: path for path in sorted((self._places["evaluate"] / "samples").glob("*.jsonl"))}

    def digests(self) -> dict[str, str]:
        """Of every file that the page is made from, so that it is made anew when one changes."""
        names = (MANIFEST, "metrics.jsonl", "results.json")
        files = [place / name for place in self._places.values() for name in names] + list(self.answers().values())
        return {str(file.relative_to(self.folder)): digest_file(file) for file in files if file.is_file()}


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _read(path: Path) -> Table | None:
    try:
        return _parse(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def _parse(text: str) -> Table | None:
    """A JSON object, or None where the text is none (a line that is still being written)."""
    try:
        value = json.loads(text, object_hook=Table)
    except ValueError:
        return None
    return value if isinstance(value, Table) else None
