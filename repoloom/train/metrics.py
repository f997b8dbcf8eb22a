"""metrics.jsonl: a line a step and a line a validation, cut back to the checkpoint when a run is resumed."""

import json
from pathlib import Path
from typing import Any, TextIO

from repoloom import stage

Line = dict[str, Any]


def read(path: Path) -> list[Line]:
    """The whole lines of the file; a last one that was being written when the run was killed is left out."""
    if not path.exists():
        return []
    lines = path.read_text("utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]


class Metrics:
    """The open file of one run, which goes on after `step`."""

    def __init__(self, path: Path, step: int | None) -> None:
        """Keep the lines up to the checkpoint's step, or none where there is no checkpoint."""
        self.lines = [line for line in read(path) if step is not None and line["step"] <= step]
        stage.atomic_write(path, "".join(map(_text, self.lines)))
        self._file: TextIO = path.open("a", encoding="utf-8")

    def add(self, line: Line) -> None:
        """Append a line; what is appended is in the file when this returns."""
        self.lines.append(line)
        self._file.write(_text(line))
        self._file.flush()

    def last(self, key: str, default: Any = None) -> Any:
        """The newest value of `key`."""
        return next((line[key] for line in reversed(self.lines) if key in line), default)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _text(line: Line) -> str:
    return json.dumps(line) + "\n"
