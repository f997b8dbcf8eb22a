"""The recipe: published defaults, and errors that name the file and the key."""

from pathlib import Path

import pytest

from repoloom import recipe
from repoloom.errors import UsageError

RECIPES = sorted((Path(__file__).parent.parent / "recipes").glob("*.toml"))


@pytest.fixture
def written(tmp_path: Path):
    def written(text: str) -> Path:
        (tmp_path / "r.toml").write_text(text, "utf-8")
        return tmp_path / "r.toml"

    return written


def test_the_defaults_are_the_published_values():
    """arXiv 2401.14196: section 2.1, 3.1.2, table 2 (1.3B), section 3.4; The Stack's permutations and threshold."""
    read = recipe.parse({"name": "r"})
    rules = read.curate.rules
    assert (rules.average_line, rules.longest_line, rules.alphabetic) == (100, 1000, 0.25)
    assert (rules.html_visible_share, rules.html_visible, rules.data_characters) == (0.2, 100, (50, 5000))
    assert (read.curate.duplicate_permutations, read.curate.duplicate_ngram) == (256, 5)
    assert (read.curate.duplicate_similarity, read.curate.contamination_ngram) == (0.7, 10)
    assert (read.fim.rate, read.fim.mode, read.tokenizer.vocabulary) == (0.5, "psm", 32_000)
    model = read.model
    assert (model.hidden, model.mlp, model.layers, model.heads, model.kv_heads) == (2048, 5504, 24, 16, 16)
    assert (model.context, model.rope_base, model.init_std) == (4096, 10_000, 0.006)
    train = read.pretrain
    assert (train.betas, train.batch, train.learning_rate, train.warmup) == ((0.9, 0.95), 1024, 5.3e-4, 2000)
    assert (train.schedule, train.weight_decay, train.clip) == ("three-step", 0.1, 1.0)
    assert (read.tune.steps, read.tune.learning_rate, read.tune.warmup) == (500, 1e-5, 100)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_that_ships_loads(path: Path):
    assert recipe.load(path).name == path.stem


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ('name = "r"\n[pretrain]\nstepz = 3', "pretrain.stepz", "no such key"),
        ('name = "r"\n[curate.rules]\nalphabetic = 25', "curate.rules.alphabetic", "less than or equal to 1"),
        ('name = "r"\nseed = "one"', "seed", "integer"),
        ('name = "r"\n[pretrain]\nsteps = 3\nminutes = 1', "pretrain", "steps or minutes, not both"),
        ('name = "r"\n[tune]\nsteps = 3\nminutes = 1', "tune", "steps or minutes, not both"),
        ('name = "r"\n[model]\nheads = 3', "model", "hidden must be heads times an even head width"),
        ('name = "r"\n[model]\nkv_heads = 3', "model", "multiple of kv_heads"),
        ('name = "r"\n[tokenizer]\nvocabulary = 100', "tokenizer.vocabulary", "300"),
        ('name = "../elsewhere"', "name", "match"),
        ("seed = 1", "name", "required"),
        ("name = r", "", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(written, text: str, key: str, says: str):
    path = written(text)
    with pytest.raises(UsageError) as problem:
        recipe.load(path)
    line = str(problem.value)
    assert str(path) in line and key in line and says in line and "\n" not in line
    assert problem.value.exit_code == 2


def test_a_recipe_that_is_not_there(tmp_path: Path):
    with pytest.raises(UsageError, match=r"cannot read the recipe .*none\.toml"):
        recipe.load(tmp_path / "none.toml")


def test_changes_from_the_command_line(written):
    path = written('name = "r"\n[pretrain]\nsteps = 3')
    changes = ["pretrain.steps=7", 'collect.sources=["dir:/a", "dir:/b"]', "pretrain.schedule=cosine", "fim.rate = 0"]
    read = recipe.load(path, changes)
    assert (read.pretrain.steps, read.pretrain.schedule, read.fim.rate) == (7, "cosine", 0)
    assert read.collect.sources == ("dir:/a", "dir:/b")


@pytest.mark.parametrize(
    ("change", "says"),
    [("steps", "expected KEY=VALUE"), ("name.x=1", "name is not a table"), ("pretrain.stepz=1", "pretrain.stepz")],
)
def test_a_change_that_cannot_be_made(written, change: str, says: str):
    with pytest.raises(UsageError, match=says):
        recipe.load(written('name = "r"'), [change])
