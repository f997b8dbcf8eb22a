"""Filling in at a place in a file: the prompt that the model sees, and the places that are refused."""

import json
import subprocess
from pathlib import Path

import pytest

from repoloom.errors import UsageError, UserError
from repoloom.generate import Sampling
from repoloom.serve import complete
from repoloom.serve.complete import complete_at
from repoloom.tokens import fim

TEXT = "import json\n\n\ndef load(path):\n    return json.load(open(path))\r\n"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(complete, "MAX_TOKENS", 12)


@pytest.fixture
def file(tmp_path):
    place = tmp_path / "repo" / "src" / "é.py"
    place.parent.mkdir(parents=True)
    place.write_bytes(TEXT.encode())
    return place


@pytest.fixture
def asked(generator, monkeypatch):
    """The prompts and samplings that the model was asked with; it answers for real."""
    seen = []
    real = generator.complete

    def watch(prompts, sampling, **more):
        found = real(prompts, sampling, **more)
        seen.append((prompts[0], sampling, found[0]))
        return found

    monkeypatch.setattr(generator, "complete", watch)
    return seen


def test_the_rest_of_a_line(generator, file, asked):
    text = complete_at(generator, file, 5, 12, file.parents[1])
    prefix = "# src/é.py\n" + TEXT[: TEXT.index("json.load")]
    prompt, sampling, written = asked[0]
    assert prompt == fim.prompt(generator.tokenizer, prefix, TEXT[TEXT.index("json.load") :])
    assert sampling == Sampling(max_tokens=complete.MAX_TOKENS, stop=("\n",))
    assert text == written.text
    assert "\n" not in text


def test_several_lines_where_the_line_has_ended(generator, file, asked):
    text = complete_at(generator, file, 4, 16, file.parents[1])
    prompt, sampling, written = asked[0]
    assert prompt == fim.prompt(generator.tokenizer, "# src/é.py\n" + TEXT[:29], TEXT[29:])
    assert sampling.stop == ()
    assert written.text.startswith(text)


@pytest.mark.parametrize(("line", "column"), [(1, 1), (3, 1), (5, 33), (6, 1)])
def test_places_at_the_borders(generator, file, line, column):
    complete_at(generator, file, line, column, None)


@pytest.mark.parametrize(("line", "column"), [(0, 1), (7, 1), (1, 0), (1, 13), (5, 34), (-1, 1), (2, 2)])
def test_places_that_are_not_there(generator, file, line, column):
    with pytest.raises(UsageError) as error:
        complete_at(generator, file, line, column, None)
    assert f":{line}:{column}: the " in str(error.value)
    assert "\n" not in str(error.value)


def test_the_path_is_the_repository_s(generator, file, asked):
    complete_at(generator, file, 1, 1, None)
    subprocess.run(["git", "init", "-q", str(file.parents[1])], check=True)
    complete_at(generator, file, 1, 1, None)
    shown = [generator.tokenizer.decode(prompt).partition("\n")[0] for prompt, _, _ in asked]
    assert shown == ["# é.py", "# src/é.py"]
    with pytest.raises(UsageError, match="does not lie in"):
        complete_at(generator, file, 1, 1, file.parent / "other")


def test_without_sentinels_the_prefix_has_to_do(generator, file, asked, monkeypatch):
    monkeypatch.setattr(generator.tokenizer, "fim_begin", None)
    complete_at(generator, file, 4, 16, None)
    prompt, sampling, _ = asked[0]
    assert prompt == [generator.tokenizer.bos, *generator.tokenizer.encode("# é.py\n" + TEXT[:29])]
    assert sampling.stop == ("\n\n",)


def test_a_long_file_is_seen_around_the_place(generator, tmp_path, asked):
    source = Path(json.decoder.__file__).read_text("utf-8")
    place = tmp_path / "long.py"
    place.write_text(source * 40, "utf-8")
    complete_at(generator, place, 5000, 1, None)
    assert len(asked[0][0]) < 40 * 1024


def test_files_that_cannot_be_read(generator, tmp_path):
    with pytest.raises(UserError, match="No such file"):
        complete_at(generator, tmp_path / "none.py", 1, 1, None)
    with pytest.raises(UserError, match="directory"):
        complete_at(generator, tmp_path, 1, 1, None)
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="UTF-8"):
        complete_at(generator, tmp_path / "binary.py", 1, 1, None)
    with (tmp_path / "huge.py").open("wb") as huge:
        huge.truncate(1 << 30)
    with pytest.raises(UserError, match="larger than 10 MB"):
        complete_at(generator, tmp_path / "huge.py", 1, 1, None)
