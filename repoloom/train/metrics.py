"""metrics.jsonl: a line a step and a line a validation, cut back to the checkpoint when a run is resumed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from repoloom import stage
from repoloom.train.loggers import Logger, numbers

Line = dict[str, Any]


def read(path: Path) -> list[Line]:
    """The whole lines of the file; a last one that was being written when the run was killed is left out."""
    if not path.exists():
        return []
    lines = path.read_text("utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]


class Metrics:
    """The open file of one run, which goes on after `step`."""

    def __init__(self, path: Path | None, step: int | None, loggers: Sequence[Logger] = ()) -> None:
        """Keep the lines up to the checkpoint's step, or none where there is no checkpoint; without `path`, no file.

        The numbers of every line that is added go to `loggers`, too; they are closed with the file.
        """
        self._loggers = loggers
        self.lines: list[Line] = []
        self._file: TextIO | None = None
        if path is not None:
            self.lines = [line for line in read(path) if step is not None and line["step"] <= step]
            stage.atomic_write(path, "".join(map(_text, self.lines)))
            self._file = path.open("a", encoding="utf-8")

    def add(self, line: Line) -> None:
        """Append a line; what is appended is in the file when this returns."""
        self.lines.append(line)
        if self._file is not None:
            self._file.write(_text(line))
            self._file.flush()
        for logger in self._loggers:
            logger.log(line["step"], dict(numbers({key: value for key, value in line.items() if key != "step"})))

    def last(self, key: str, default: Any = None) -> Any:
        """The newest value of `key`."""
        return next((line[key] for line in reversed(self.lines) if key in line), default)

    def close(self) -> None:
        """Close the file and the loggers."""
        if self._file is not None:
            self._file.close()
        for logger in self._loggers:
            logger.close()


def _text(line: Line) -> str:
    return json.dumps(line) + "\n"
