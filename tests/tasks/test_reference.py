"""A user's own texts, as the recipe names them."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repoloom import tasks
from repoloom.errors import UsageError, UserError
from repoloom.tasks import gsm8k, reference

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "benchmarks"
ROWS = [{"id": 1, "problem": "Find x.", "steps": ["First", {"then": "Second"}]}, {"id": 2, "problem": "Find y."}]


@pytest.mark.parametrize(
    ("entry", "name", "path", "fields"),
    [
        ("a/test.jsonl", "test", "a/test.jsonl", ()),
        ("test.jsonl.gz", "test", "test.jsonl.gz", ()),
        ("math=MATH/test", "math", "MATH/test", ()),
        ("math=MATH", "math", "MATH", ()),
        ("x.parquet:prompt,answer", "x", "x.parquet", ("prompt", "answer")),
        ("./year=2024/x.json", "x", "./year=2024/x.json", ()),
        ("a b/c d.json:e-f", "c-d", "a b/c d.json", ("e-f",)),
        ("C:/x.json", "x", "C:/x.json", ()),
        ("/data/.hidden", "texts", "/data/.hidden", ()),
    ],
)
def test_an_entry_is_a_name_a_path_and_fields(entry: str, name: str, path: str, fields: tuple[str, ...]) -> None:
    assert reference.parse(entry) == reference.Reference(name, Path(path), fields)
    assert tasks.name(entry) == name


@pytest.mark.parametrize("entry", ["humanevil", "", "=", "math", "math=", ":a", "gsm8k:question", "a b=c"])
def test_what_is_neither_a_benchmark_nor_a_path_is_refused(entry: str) -> None:
    with pytest.raises(UsageError, match=r"no benchmark named .*choose one of humaneval, mbpp, gsm8k, or a file"):
        list(tasks.texts(entry))
    with pytest.raises(ValueError, match="no benchmark named"):
        tasks.check([entry])


def test_a_recipe_is_checked_without_the_files_and_two_of_one_name_are_refused() -> None:
    tasks.check(["humaneval", "mbpp", "gsm8k", "absent/test.jsonl", "other=absent/more/test.jsonl"])
    with pytest.raises(ValueError, match=r"two entries are called 'test': give 'b/test.json' a name"):
        tasks.check(["a/test.jsonl", "b/test.json"])
    with pytest.raises(ValueError, match="two entries are called 'humaneval'"):
        tasks.check(["humaneval", "humaneval=mine.jsonl"])
    code = "import sys, repoloom.tasks as t; t.check(['x.parquet']); sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def written(folder: Path) -> list[Path]:
    lines = "".join(json.dumps(row) + "\n\n" for row in ROWS)
    paths = [folder / name for name in ("a.jsonl", "b.jsonl.gz", "c.json", "d.json", "e.json.gz", "f.parquet")]
    paths[0].write_text(lines)
    paths[1].write_bytes(gzip.compress(lines.encode()))
    paths[2].write_text(json.dumps(ROWS, indent=1))
    paths[3].write_text(lines)  # lines of JSON are called .json too
    paths[4].write_bytes(gzip.compress(json.dumps(ROWS).encode()))
    table = pa.table({"id": [1, 2], "problem": ["Find x.", "Find y."], "steps": [["First", "Second"], None]})
    pq.write_table(table, paths[5])
    return paths


def test_every_form_gives_the_same_texts(tmp_path: Path) -> None:
    for path in written(tmp_path):
        assert list(tasks.texts(str(path))) == ["Find x.", "First", "Second", "Find y."], path.name
        assert list(tasks.texts(f"{path}:problem")) == ["Find x.", "Find y."], path.name
        assert tasks.files(f"{path}:problem") == [path]


def test_a_folder_is_its_files_in_order_such_as_those_of_math(tmp_path: Path) -> None:
    for subject, number, problem in (("b", 1, "third"), ("a", 2, "second"), ("a", 1, "first")):
        path = tmp_path / "test" / subject / f"{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"problem": problem, "level": "Level 5", "solution": f"{problem} solved"}))
    (tmp_path / "test" / "README").write_text("not one of them")
    entry = f"math={tmp_path}/test"
    assert list(tasks.texts(f"{entry}:problem")) == ["first", "second", "third"]
    assert list(tasks.texts(entry))[:3] == ["first", "Level 5", "first solved"]
    assert [path.name for path in tasks.files(entry)] == ["1.json", "2.json", "1.json"]


def test_json_that_is_one_row_or_strings(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(ROWS[0]))
    assert list(tasks.texts(str(path))) == ["Find x.", "First", "Second"]
    path.write_text(json.dumps(["a text", "another"]))
    assert list(tasks.texts(str(path))) == ["a text", "another"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b"{}\n[1]\n", "line 2: expected a JSON object"),
        ("a.jsonl", b"\xff\n", "line 1"),
        ("a.json", b"{", "line 1"),
        ("a.json", b"[" * 100_000, "line 1"),
        ("a.json", b"\xff", "line 1"),
        ("a.jsonl.gz", b"no gzip", "cannot read"),
        ("a.json.gz", b"no gzip", "cannot read"),
        ("a.parquet", b"PAR1 no PAR1", "cannot read"),
        ("a.jsonl", b'{"n": 1}\n', "holds no text"),
        ("a.jsonl", b"", "holds no text"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_names_the_file(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        list(tasks.texts(str(path)))
    assert says in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_not_there(tmp_path: Path) -> None:
    for entry in (f"{tmp_path}/absent.jsonl", f"x={tmp_path}/absent"):
        for ask in (tasks.files, lambda entry: list(tasks.texts(entry))):
            with pytest.raises(UserError, match="absent"):
                ask(entry)
    with pytest.raises(UserError, match="holds no file that ends in"):
        tasks.files(f"x={tmp_path}")
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(UserError, match="holds no text under question, answer"):
        list(tasks.texts(f"{tmp_path}/a.jsonl:question,answer"))


def test_gsm8k_is_the_published_test_set() -> None:
    rows = [json.loads(line) for line in gzip.decompress(gsm8k.data().read_bytes()).splitlines()]
    assert len(rows) == 1319
    assert rows[0]["question"].startswith("Janet’s ducks lay 16 eggs per day.")
    texts = list(tasks.texts("gsm8k"))
    assert texts[0] == rows[0]["question"]
    assert texts[1] == rows[0]["answer"]
    assert texts[2].startswith("Janet sells 16 - 3 - 4 = 9 duck eggs a day.")
    assert len(texts) == 3 * 1319
    assert tasks.files("gsm8k") == [gsm8k.data()]


def test_carried_gsm8k_is_the_published_file() -> None:
    original = SHARED / "gsm8k.json"
    if not original.exists():
        pytest.skip("../shared/data is not here")
    assert gzip.decompress(gsm8k.data().read_bytes()) == original.read_bytes()
    assert list(tasks.texts(f"{original}:question")) == list(tasks.texts("gsm8k"))[::3]
