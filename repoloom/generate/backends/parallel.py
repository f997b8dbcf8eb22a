"""Requests several at a time, their answers as they come."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from repoloom.generate.backends.backend import Prompt

Answer = TypeVar("Answer")


def as_finished(
    ask: Callable[[Prompt], Answer], prompts: Sequence[Prompt], at_a_time: int
) -> Iterator[tuple[int, Answer]]:
    """(prompt's number, its answer) as each comes. Raises what `ask` does; what was not asked yet then never is."""
    with ThreadPoolExecutor(at_a_time) as pool:
        running: dict[Future[Answer], int] = {}
        numbers = iter(range(len(prompts)))
        while True:
            for number in numbers:
                running[pool.submit(ask, prompts[number])] = number
                if len(running) == at_a_time:
                    break
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
