"""Judge many programs at once, with time limits that no busy machine decides.

A limit grows with the time that the reference solution takes here, and a program that runs out of time beside others
is judged once more alone before that counts.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from repoloom.sandbox.process import Limits
from repoloom.sandbox.python import Verdict

FACTOR = 10.0
"""Times the reference's own seconds, measured here in the same sandbox. EvalPlus scales so, too."""


def limits_for(reference_seconds: float, limits: Limits) -> Limits:
    """`limits`, or with more seconds where the reference solution took long here."""
    return dataclasses.replace(limits, seconds=max(limits.seconds, FACTOR * reference_seconds))


def judge_many(
    judgements: Sequence[Callable[[], Verdict]], workers: int, again: Callable[[int], Verdict] | None = None
) -> Iterator[tuple[int, Verdict]]:
    """Yield (number of the judgement, verdict) as each is known, `workers` at a time.

    Those that ran out of time come last, in order, each judged once more with nothing else of ours running; by `again`,
    given its number, where that is to allow more. Raises what a judgement raises.
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
        yield number, judgements[number]() if again is None else again(number)
