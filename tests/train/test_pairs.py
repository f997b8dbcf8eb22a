"""Pairs of the standard library's own functions: where they come from, and that the seed alone draws them."""

import ast
import re

import pytest

from repoloom.errors import UserError
from repoloom.train.pairs import PER_FILE, WATCHED_MOST, collect
from tests.tokens.library_corpus import HELDOUT, document, write_curated

ALL = 10_000


def written(folder, documents, heldout=HELDOUT):
    return write_curated(folder, {"documents": documents, "heldout": [[document(name) for name in heldout]]})


def code(pair):
    first, *lines, last = pair.response.split("\n")
    assert (first, last) == ("```python", "```")
    return "\n".join(lines)


def words(text):
    return set(re.split(r"[\s#\"]+", text))


def place(pair):
    return pair.repo, pair.path


@pytest.fixture(scope="module")
def every(street):
    return collect(street.curated, ALL, 0)


def test_a_pair_is_a_function_of_the_file_it_names_and_its_authors_words(documents, every):
    files = {
        (row["repo"], file["path"]): row["text"][file["start"] : file["end"]]
        for row in documents
        for file in row["files"]
    }
    pairs = [pair for split in every for pair in split]
    assert len(pairs) > 50
    for pair in pairs:
        source = files[place(pair)]
        (function,) = ast.parse(code(pair)).body
        assert pair.name.split(".")[-1] == function.name
        assert all(line.strip() in source for line in code(pair).split("\n"))
        said, signature = pair.instruction.split("\n\n```python\n")
        assert words(said) <= words(source)
        assert signature.startswith(("def ", "async def ")) and signature.endswith(":\n```")


def test_nothing_of_the_held_out_repositories_is_in_a_pair(documents, every, tmp_path):
    responses = {pair.response for split in every for pair in split}
    aside = collect(written(tmp_path / "c", [[document(name) for name in HELDOUT]], ["json"]), ALL, 0)
    others = [pair for split in aside for pair in split]
    assert len(others) > 5, "the held-out package would give pairs"
    assert {pair.repo for split in every for pair in split} <= {row["repo"] for row in documents}
    assert not responses & {pair.response for pair in others}


def test_no_file_has_pairs_in_both_splits_and_no_function_stands_twice(every):
    pairs, watched = every
    assert not {*map(place, pairs)} & {*map(place, watched)}
    responses = [pair.response for pair in [*pairs, *watched]]
    assert len(set(responses)) == len(responses)
    share = len(watched) / len(responses)
    assert 0.02 < share < 0.08 and len(watched) <= WATCHED_MOST + PER_FILE / 2


def test_a_file_gives_at_most_a_few(every):
    places = [place(pair) for split in every for pair in split]
    assert max(map(places.count, places)) == PER_FILE


def test_the_order_and_the_parts_of_the_documents_change_nothing(documents, every, tmp_path):
    turned = documents[::-1]
    assert collect(written(tmp_path / "c", [turned[:1], turned[1:]]), ALL, 0) == every


def test_the_seed_draws_and_a_smaller_count_takes_the_first(street, every):
    pairs, watched = every
    drawn = [*watched, *pairs]
    for count in (10, 20, 40):
        fewer, aside = collect(street.curated, count, 0)
        found = [*aside, *fewer]
        assert found == drawn[: len(found)] and count / 2 < len(found) <= count
    other, aside = collect(street.curated, ALL, 1)
    assert {pair.response for pair in [*other, *aside]} != {pair.response for pair in drawn}
    assert [place(pair) for pair in other[:20]] != [place(pair) for pair in pairs[:20]]


def test_a_copy_in_another_repository_gives_nothing_new(documents, every, tmp_path):
    copies = [row | {"repo": f"fork-of-{row['repo']}"} for row in documents]
    both = collect(written(tmp_path / "c", [documents, copies]), ALL, 0)
    responses = [pair.response for split in both for pair in split]
    assert len(set(responses)) == len(responses)
    assert {pair.response for split in every for pair in split} <= set(responses)


def test_other_languages_and_files_that_do_not_parse_are_passed_over(tmp_path):
    body = (
        '    """Compute something of great value to all."""\n'
        + "    x = a + b\n" * 3
        + "    return [x, a, b, 1, 2, 3]\n"
    )
    texts = {
        "a.py": ("python", f"# a.py\ndef good(a, b):\n{body}"),
        "b.pyi": ("c", f"# b.pyi\ndef other(a, b):\n{body}"),
        "c.py": ("python", f"# c.py\ndef broken(a, b:\n{body}"),
        "d.py": ("python", ""),
    }
    files, text = [], ""
    for path, (language, source) in texts.items():
        files.append({"path": path, "language": language, "start": len(text), "end": len(text) + len(source)})
        text += source
    row = {"document_id": "d", "repo": "r", "language": "python", "files": files, "text": text}
    pairs, watched = collect(written(tmp_path / "c", [[row]]), ALL, 0)
    assert [(pair.repo, pair.path, pair.name) for pair in pairs] == [("r", "a.py", "good")] and not watched
    assert code(pairs[0]) == "def good(a, b):\n" + body.partition("\n")[2].rstrip()


def test_a_folder_without_documents_is_refused(tmp_path):
    with pytest.raises(UserError, match="documents"):
        collect(tmp_path, 10, 0)
