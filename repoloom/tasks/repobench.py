"""RepoBench: the next line, which names something of another file (Liu et al., arXiv 2306.03091), CC-BY-4.0.

The data is the user's (the datasets tianyang/repobench_python_v1.1 and _java_v1.1 of the Hugging Face hub): rows
`repo_name, file_path, context (identifier, path, snippet), import_statement, cropped_code, next_line`. Instead of it
the folder of any curated corpus makes such rows of its held-out repositories (`crossfile`). Variants: `repobench`, the
published prompt with the snippets of other files, as many as fit; `in-file` leaves them out. Scored by exact match of
the words, edit similarity, and the names in the line.
"""

import hashlib
import re

from repoloom.languages import LANGUAGES, detect
from repoloom.tasks import crossfile
from repoloom.tasks.answers import one_prompt
from repoloom.tasks.jsonl import tables, text
from repoloom.tasks.similarity import edit_similarity, identifier_match
from repoloom.tasks.task import Benchmark, Row, Task, Variant

_GAP = re.compile(r"\n{4,}")


def task(row: Row) -> Task:
    """A row of the data as a task, named by its file and a digest, since the published rows have no name."""
    path, before = text(row, "file_path"), text(row, "cropped_code")
    language = detect(path, before)
    if language is None:
        raise ValueError(f"{path!r} under 'file_path' is in no language of ours")
    for snippet in tables(row, "context"):
        text(snippet, "path")
        text(snippet, "snippet")
    line = text(row, "next_line")
    digest = hashlib.blake2b(f"{before}\0{line}".encode(), digest_size=6).hexdigest()
    mark = LANGUAGES[language.id].line_comment or "//"
    in_file = f"{mark} Path: {path}\n{text(row, 'import_statement')}\n{before.rstrip()}\n"
    return Task(
        task_id=f"{text(row, 'repo_name')}/{path}/{digest}",
        prompt=_GAP.sub("\n\n", f"{mark} Repo Name: {row['repo_name']}\n{in_file}"),
        suffix="",
        reference=line,
        language=language.id,
        row=row,
    )


def _with_context(task: Task) -> tuple[str, ...]:
    """[data/utils.py] of the benchmark; the last snippets go where not all fit."""
    mark = LANGUAGES[task.language].line_comment or "//"
    name, _, in_file = task.prompt.partition("\n")
    snippets = [f"{mark} Path: {text(of, 'path')}\n{text(of, 'snippet')}\n\n" for of in tables(task.row, "context")]
    return tuple(
        _GAP.sub("\n\n", f"{name}\n{''.join(snippets[:count])}{in_file}") for count in range(len(snippets), -1, -1)
    )


def _line(task: Task, completion: str) -> str:
    """[run.py] of the benchmark: the first line that is neither blank nor a comment, or the first."""
    lines = completion.lstrip("\n").split("\n")
    mark = LANGUAGES[task.language].line_comment or "//"
    return next((line for line in lines if line.strip() and not line.strip().startswith(mark)), lines[0])


def _compare(task: Task, answer: str) -> dict[str, float]:
    return {
        "exact_match": float(answer.split() == task.reference.split()),
        "edit_similarity": edit_similarity(answer, task.reference),
        **identifier_match(answer, task.reference, task.language),
    }


BENCHMARK = Benchmark(
    tasks=lambda row: [task(row)],
    compare=_compare,
    built=crossfile.rows,
    variants={
        "repobench": Variant(_with_context, _line, new_tokens=128),
        "in-file": Variant(lambda task: one_prompt(task.prompt), _line, new_tokens=128),
    },
)
