"""HumanEval-infilling: a part of each canonical solution is taken out, and asked for between what stands around it.

    infilling-single-line    every line that is not blank: 1,033 tasks (Fried et al., InCoder, arXiv 2204.05999)
    infilling-multi-line     every run of lines from one that is not blank to another: 5,815 (the same)
    infilling-random-span    ten spans a task between two characters: 1,640 (Bavarian et al., arXiv 2207.14255, 2.2)

The first two equal OpenAI's published files in every byte. The spans of the third are drawn as those were, two cuts
uniformly and no span twice, by a seed of ours: the published ones come with none, and --data takes their file. So it
does that of SantaCoder's single-line task in Python, Java and JavaScript (arXiv 2301.03988; rows `name, language,
prompt, suffix, canonical_solution`), which DeepSeek Coder's Table 6 reports by exact match; its tests are not run.

Variants: `deepseek` asks with fill-in sentinels, and takes a single line up to its end; `plain`, for samples made
elsewhere, joins prompt, completion and suffix as they are, as OpenAI's harness does.
"""

import hashlib
from collections.abc import Callable, Iterator

from repoloom.tasks import humaneval
from repoloom.tasks.answers import cut, one_prompt
from repoloom.tasks.jsonl import text
from repoloom.tasks.similarity import edit_similarity
from repoloom.tasks.task import Benchmark, Row, Task, Variant

_SPANS = 10
_SEED = 0
_LANGUAGES = {"py": "python", "js": "javascript"}
"""SantaCoder's names, where they are not ours."""

Holes = Callable[[str, str], Iterator[tuple[str, int, int]]]
"""(task_id, solution) -> what the task's name adds, and the hole's place in the solution."""


def single_lines(_: str, solution: str) -> Iterator[tuple[str, int, int]]:
    """Every line that is not blank, with its line break."""
    for number, (start, end) in _lines(solution):
        yield f"L{number}", start, end


def multi_lines(_: str, solution: str) -> Iterator[tuple[str, int, int]]:
    """Every run of lines that neither begins nor ends with a blank one."""
    lines = list(_lines(solution))
    for place, (first, (start, _end)) in enumerate(lines):
        for last, (_start, end) in lines[place:]:
            yield f"L{first}_L{last}", start, end


def random_spans(task_id: str, solution: str) -> Iterator[tuple[str, int, int]]:
    """Ten different spans between two places drawn uniformly, its ends among them; a span may be empty."""
    seen: set[tuple[int, int]] = set()
    draw = 0
    while len(seen) < min(_SPANS, (len(solution) + 1) * (len(solution) + 2) // 2):
        key = hashlib.blake2b(f"{_SEED}/{task_id}/{draw}".encode(), digest_size=16).digest()
        draw += 1
        cuts = (int.from_bytes(half, "big") * (len(solution) + 1) >> 64 for half in (key[:8], key[8:]))
        start, end = sorted(cuts)
        if (start, end) not in seen:
            seen.add((start, end))
            yield str(len(seen)), start, end


def _lines(solution: str) -> Iterator[tuple[int, tuple[int, int]]]:
    """Number, start and end, line break included, of every line that is not blank."""
    start = 0
    for number, line in enumerate(solution.split("\n")):
        end = start + len(line) + 1
        if line.strip():
            yield number, (start, end)
        start = end


def _tasks(row: Row, kind: str, holes: Holes) -> Iterator[Task]:
    if "suffix" in row:
        yield _published(row)
        return
    whole = humaneval.task(row)
    solution = whole.reference
    for name, start, end in holes(whole.task_id, solution):
        # As in the published files: a line break before the first line, whether one stands there already or not, and
        # one behind the last line, whether one stands there or not.
        before = "\n" if kind != "RandomSpan" and start == 0 else ""
        middle = solution[start:end]
        yield Task(
            task_id=f"{kind}Infilling/{whole.task_id}/{name}",
            prompt=whole.prompt + solution[:start] + before,
            suffix=solution[end:],
            reference=middle if kind == "RandomSpan" or middle.endswith("\n") else middle + "\n",
            test=whole.test,
            entry_point=whole.entry_point,
            helpers=whole.prompt,
            row=row,
        )


def _published(row: Row) -> Task:
    in_many_languages = "language" in row
    entry_point = "" if in_many_languages else text(row, "entry_point")
    language = text(row, "language") if in_many_languages else "python"
    return Task(
        task_id=text(row, "name" if in_many_languages else "task_id"),
        prompt=text(row, "prompt"),
        suffix=text(row, "suffix"),
        reference=text(row, "canonical_solution"),
        test="" if in_many_languages else f"{text(row, 'test')}\ncheck({entry_point})\n",
        entry_point=entry_point,
        language=_LANGUAGES.get(language, language),
        row=row,
    )


def _compare(task: Task, answer: str) -> dict[str, float]:
    """Line exact match [P Table 6], and similarity, without the space around them."""
    written, expected = answer.strip(), task.reference.strip()
    return {"exact_match": float(written == expected), "edit_similarity": edit_similarity(written, expected)}


def _benchmark(kind: str, holes: Holes) -> Benchmark:
    single = kind == "SingleLine"

    def middle(task: Task, completion: str) -> str:
        return cut(completion, ["\n"]) + "\n" if single and task.test else completion

    def prompts(task: Task) -> tuple[str, ...]:
        return one_prompt(task.prompt)

    def whole(task: Task, answer: str) -> str:
        return task.prompt + answer + task.suffix

    return Benchmark(
        tasks=lambda row: _tasks(row, kind, holes),
        data=humaneval.data,
        samples="plain",
        compare=_compare,
        variants={
            "deepseek": Variant(prompts, middle, whole, ("\n",) if single else ()),
            "plain": Variant(prompts, lambda _, completion: completion, whole),
        },
    )


BENCHMARKS = {
    "infilling-single-line": _benchmark("SingleLine", single_lines),
    "infilling-multi-line": _benchmark("MultiLine", multi_lines),
    "infilling-random-span": _benchmark("RandomSpan", random_spans),
}
