"""The longest shared run against one found by brute force, and on the curated packages of this environment."""

import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repoloom import formats
from repoloom.errors import UserError
from repoloom.evaluate import contamination
from repoloom.tasks import load


def corpus(folder: Path, documents: Sequence[Sequence[str]]) -> Path:
    """A curated folder: of each document the files' texts."""
    rows = []
    for number, texts in enumerate(documents):
        places, start = [], 0
        for file, text in enumerate(texts):
            places.append({"path": f"{file}.py", "language": "python", "start": start, "end": start + len(text)})
            start += len(text)
        row = {"document_id": str(number), "repo": f"r{number}", "revision": "", "language": "python", "license": ""}
        rows.append({**row, "files": places, "text": "".join(texts)})
    path = folder / formats.part_name("documents", 0)
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, formats.DOCUMENT), path)
    return folder


def brute_force(task: list[str], file: list[str]) -> int:
    """The longest run of words that both have and that is not all numbers and single letters."""
    best = 0
    for i in range(len(task)):
        for j in range(len(file)):
            n = 0
            while i + n < len(task) and j + n < len(file) and task[i + n] == file[j + n]:
                n += 1
            while n and all(len(word) == 1 or word.isdigit() for word in task[i : i + n]):
                n = 0
            best = max(best, n)
    return best


@pytest.mark.parametrize("seed", range(12))
def test_the_longest_run_is_that_of_brute_force(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    vocabulary = ["def", "x", "7", "return", "größe"]

    def text(length: int) -> list[str]:
        return draw.choices(vocabulary, k=length)

    tasks = {f"t{n}": [text(draw.randint(0, 40)) for _ in range(2)] for n in range(5)}
    documents = [[text(draw.randint(0, 60)) for _ in range(3)] for _ in range(4)]
    folder = corpus(tmp_path, [[" ".join(file) + "\n" for file in of] for of in documents])
    found = contamination.longest({name: [" ".join(one) for one in of] for name, of in tasks.items()}, folder)
    for name, of in tasks.items():
        expected = max(brute_force(one, file) for one in of for document in documents for file in document)
        assert (found[name].words if name in found else 0) == (expected if expected >= 5 else 0)
        if name in found:
            assert any(f" {found[name].text} " in f" {' '.join(one)} " for one in of)


def test_a_solution_in_a_training_file_is_found_where_it_is(tmp_path: Path) -> None:
    tasks = {task.task_id: [task.prompt, task.reference] for task in load("humaneval")}
    copied = dict(list(tasks.items())[10:11])
    name, (_, solution) = next(iter(copied.items()))
    folder = corpus(tmp_path, [["# nothing.py\npass\n"], ["# a.py\nimport os\n", f"# b.py\ndef f(n):\n{solution}\n"]])
    found = contamination.longest(tasks, folder)
    assert (found[name].repo, found[name].path) == ("r1", "1.py")
    assert found[name].words >= contamination.TOUCHED
    assert set(found) == {name}


def test_counting_is_no_evidence(tmp_path: Path) -> None:
    numbers = " ".join(map(str, range(30)))
    folder = corpus(tmp_path, [[f"# a.py\nrow = [{numbers}]\n"]])
    assert contamination.longest({"t": [numbers]}, folder) == {}


def test_what_is_no_corpus_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="documents"):
        contamination.longest({"t": ["text"]}, tmp_path)
