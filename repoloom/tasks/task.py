"""One task of any benchmark."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked and how an answer is judged. A completion is what stands between `prompt` and `suffix`."""

    task_id: str
    prompt: str
    suffix: str
    """What follows the answer; empty where the benchmark asks for a continuation."""
    reference: str
    """The benchmark's own solution, in the form of a completion."""
    test: str
    """Program text that judges, run after the answer: it raises where the answer is wrong."""
    entry_point: str
    """The function under test; empty where the tests call it by themselves."""
