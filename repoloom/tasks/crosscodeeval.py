"""CrossCodeEval: statements that need another file, in Python, Java, TypeScript and C# (Ding et al., arXiv 2310.11248).

The data is the user's (Apache-2.0, github.com/amazon-science/cceval): rows `prompt, groundtruth, metadata (task_id,
repository, file)` and, in the files with retrieval, `crossfile_context (list of retrieved_chunk, filename, score)`.
Variants: `deepseek` puts the retrieved fragments before the prompt as comments [P Table 7: BM25, 512 tokens of them in
2,048], as many as fit; `in-file` leaves them out. Scored by its published rules: the first statement of the answer,
without comments, by exact match, edit similarity, and the names in it.
"""

import re

from repoloom.languages import LANGUAGES, detect
from repoloom.tasks import syntax
from repoloom.tasks.answers import one_prompt
from repoloom.tasks.jsonl import table, tables, text
from repoloom.tasks.similarity import edit_similarity, identifier_match
from repoloom.tasks.task import Benchmark, Row, Task, Variant

_COMMENT = re.compile(r"#.*|//.*")
_END = re.compile(r"[;{}]")
_BRACED = ("java", "c-sharp", "typescript")


def task(row: Row) -> Task:
    """A row of the data as a task."""
    about = table(row, "metadata")
    path = text(about, "file")
    language = detect(path, text(row, "prompt"))
    if language is None:
        raise ValueError(f"{path!r} under 'metadata', 'file' is in no language of ours")
    for fragment in _fragments(row):
        text(fragment, "filename")
        text(fragment, "retrieved_chunk")
    return Task(
        task_id=text(about, "task_id"),
        prompt=text(row, "prompt"),
        suffix="",
        reference=text(row, "groundtruth"),
        language=language.id,
        row=row,
    )


def _fragments(row: Row) -> list[Row]:
    return tables(table(row, "crossfile_context"), "list") if row.get("crossfile_context") else []


def _with_fragments(task: Task) -> tuple[str, ...]:
    """Fullest first; the worst of the fragments, which come by score, go first."""
    mark = LANGUAGES[task.language].line_comment or "//"
    opening = f"{mark} Here are some relevant code fragments from other files of the repo:\n\n"
    texts = []
    for fragment in _fragments(task.row):
        lines = [f"{mark} {line}" for line in text(fragment, "retrieved_chunk").split("\n") if line]
        found = f"{mark} the below code fragment is found in {text(fragment, 'filename')}\n"
        texts.append(found + "\n".join(lines) + "\n\n")
    fuller = tuple(opening + "".join(texts[:count]) + task.prompt for count in range(len(texts), 0, -1))
    return (*fuller, task.prompt)


def statement(task: Task, completion: str) -> str:
    """The first statement: up to a brace or semicolon, or in Python the first lines with which the file parses."""
    if task.language in _BRACED:
        found = _END.search(completion, 1)
        return completion[: found.end()] if found else completion
    for end in (found.start() for found in re.finditer("\n", completion)):
        if end and syntax.parses(task.prompt + completion[:end], task.language):
            return completion[:end].rstrip()
    return completion


def _compare(task: Task, answer: str) -> dict[str, float]:
    written, expected = _COMMENT.sub("", answer), _COMMENT.sub("", task.reference)
    return {
        "exact_match": float(_lines(written) == _lines(expected)),
        "edit_similarity": edit_similarity(written.strip(), expected.strip()),
        **identifier_match(written, expected, task.language),
    }


def _lines(code: str) -> list[str]:
    return [line.strip() for line in code.split("\n") if line.strip()]


BENCHMARK = Benchmark(
    tasks=lambda row: [task(row)],
    compare=_compare,
    variants={
        "deepseek": Variant(_with_fragments, statement, new_tokens=50),
        "in-file": Variant(lambda task: one_prompt(task.prompt), statement, new_tokens=50),
    },
)
