"""The contract of a benchmark: its tasks, how a model is asked, and what of its answer is judged.

Whoever runs a benchmark needs no more than this: load the tasks, ask `Variant.prompts`, stop at `Variant.stop` and
`Task.stop`, take `Variant.answer` of what came. Where the task has a `test`, `Variant.program` is run with it; where
the benchmark has `compare`, the answer is held beside the reference.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Row = Mapping[str, object]
"""A row of a benchmark's data, as it was published."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked and how an answer is judged. A completion is what stands between `prompt` and `suffix`."""

    task_id: str
    prompt: str
    suffix: str
    """What follows the answer; empty where the benchmark asks for a continuation."""
    reference: str
    """The benchmark's own solution, in the form of a completion; empty where it has none."""
    test: str = ""
    """Program text that judges, run after the answer: it fails where the answer is wrong. Empty: nothing is run."""
    entry_point: str = ""
    """The function under test; empty where the tests call it by themselves."""
    language: str = "python"
    """An id of languages.toml."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer, where the data names them task by task."""
    helpers: str = ""
    """Trusted Python whose definitions the tests may use."""
    controls: tuple[str, ...] = ()
    """`test` with one expectation changed: a right program fails each. Without any, the tests are functions' tests,
    which the judge runs in a process of its own (Python alone)."""
    row: Row = field(default_factory=dict, repr=False, compare=False)
    """The row it came from, for the variants."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to ask, and to read what was written: a protocol that somebody published."""

    prompts: Callable[[Task], Sequence[str]]
    """What the model is given, fullest first: the first that fits into its context is asked. The last is cut."""
    answer: Callable[[Task, str], str]
    """What of a completion counts."""
    program: Callable[[Task, str], str] = lambda _, answer: answer
    """The program that an answer makes, which stands before `Task.test`."""
    stop: tuple[str, ...] = ()
    new_tokens: int = 500
    seconds: float = 10.0
    """A program's limit on a machine like the protocol's."""
    chat: bool = False
    """The prompt is a user's message to an instruct model; otherwise it is continued."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Where the tasks are, and the variants by name."""

    tasks: Callable[[Row], Iterable[Task]]
    """The tasks of one row of the data. Raises ValueError that names the key."""
    variants: Mapping[str, Variant]
    """The first is the default: what DeepSeek Coder published, where it published anything."""
    data: Callable[[], Path] | None = None
    """The data that came with the package; None: the user must give it."""
    samples: str | None = None
    """The variant of samples made elsewhere, where it is not the default."""
    compare: Callable[[Task, str], dict[str, float]] | None = None
    """Measures of an answer beside the reference, each from 0 to 1."""
    built: Callable[[Path], Iterable[Row]] | None = None
    """Rows made from a curated corpus, the folder of which is given in place of data."""
