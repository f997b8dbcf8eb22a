"""The recipe: published defaults, and errors that name the key."""

from pathlib import Path

import pytest

from repoloom import recipe
from repoloom.curate.filters import rule_set
from repoloom.errors import UsageError, UserError

ROOT = Path(__file__).parents[1]


def written(folder: Path, text: str) -> Path:
    place = folder / "recipe.toml"
    place.write_text(text, "utf-8")
    return place


def refused(folder: Path, text: str, *changes: str) -> str:
    """The line with which a recipe is refused."""
    with pytest.raises(UsageError) as error:
        recipe.load(written(folder, text), changes)
    assert error.value.exit_code == 2
    line = str(error.value)
    assert "\n" not in line
    return line


def test_the_defaults_are_the_published_values() -> None:
    default = recipe.parse({"name": "x"})
    shape = default.model
    assert (shape.hidden, shape.mlp, shape.layers, shape.heads, shape.kv_heads) == (2048, 5504, 24, 16, 16)
    assert (shape.context, shape.rope_base, shape.norm_epsilon) == (4096, 10_000, 1e-6)
    assert (shape.init_std, shape.tied) == (0.006, False)
    training = default.pretrain
    assert (training.batch, training.learning_rate, training.warmup) == (None, None, 2000), "by formula"
    assert (training.schedule, training.betas, training.weight_decay) == ("three-step", (0.9, 0.95), 0.1)
    assert training.clip == 1.0
    assert (training.steps, training.minutes) == (None, None), "how long is for the user to say"
    assert (default.fim.rate, default.fim.spm, default.fim.cuts) == (0.5, 0.0, "characters")
    assert default.tokenizer.vocabulary == 32_000
    tuning = default.tune
    assert (tuning.batch, tuning.learning_rate, tuning.warmup, tuning.steps) == (1024, 1e-5, 100, 500)
    curate = default.curate
    assert (curate.rules, curate.thresholds, curate.order) == ("repoloom", {}, "topological")
    thresholds = {rule.name: rule.threshold for rule in rule_set("deepseek")}
    assert (thresholds["average-line"], thresholds["longest-line"], thresholds["alphabetic"]) == (100, 1000, 0.25)
    assert (thresholds["html-visible-share"], thresholds["html-visible"]) == (0.20, 100)
    assert (thresholds["data-characters-least"], thresholds["data-characters-most"]) == (50, 5000)
    assert (curate.duplicate_similarity, curate.duplicate_ngram, curate.duplicate_permutations) == (0.7, 5, 256)
    assert (curate.contamination_ngram, curate.decontaminate) == (10, ("humaneval", "mbpp", "gsm8k"))
    assert (default.evaluate.benchmarks, default.evaluate.n, default.evaluate.temperature) == (("humaneval",), 1, 0)


def test_the_published_shape_has_the_published_number_of_parameters() -> None:
    shape, rows = recipe.Model(), 32_256
    attention = 4 * shape.hidden**2
    block = attention + 3 * shape.hidden * shape.mlp + 2 * shape.hidden
    total = shape.layers * block + 2 * rows * shape.hidden + shape.hidden
    assert round(total / 1e9, 3) == 1.346


@pytest.mark.parametrize("place", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda place: place.stem)
def test_every_recipe_that_comes_with_the_package_loads(place: Path) -> None:
    read = recipe.load(place)
    assert read.name == place.stem, "its run's folder is called like the file"
    assert read.collect.sources
    assert (read.pretrain.steps is None) != (read.pretrain.minutes is None)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("colour = 1", "colour: no such key"),
        ("[pretrain]\nstepz = 3", "pretrain.stepz: no such key"),
        ("[curate]\nrules = 'starcoder'", "curate.rules: "),
        ("[fin]\nrate = 0.5", "fin: no such key"),
        ('[pretrain]\nsteps = "many"', "pretrain.steps: "),
        ("[pretrain]\nsteps = 2.5", "pretrain.steps: "),
        ("[pretrain]\nsteps = 0", "pretrain.steps: "),
        ("[tune]\nsteps = 0", "tune.steps: "),
        ("[tune]\nminutes = 0", "tune.minutes: "),
        ("[tune]\nminutes = -1.0", "tune.minutes: "),
        ("[collect]\nsources = 'dir:x'", "collect.sources: "),
        ("[collect]\nmegabytes = -1", "collect.megabytes: "),
        ("[collect]\nmegabytes = inf", "collect.megabytes: "),
        ("[pretrain]\nminutes = inf", "pretrain.minutes: "),
        ("[pretrain]\nlearning_rate = nan", "pretrain.learning_rate: "),
        ("[curate]\nheldout = 1.5", "curate.heldout: "),
        ("[curate.thresholds]\nalphabetic = 'much'", "curate.thresholds.alphabetic"),
        ("[tokenizer]\nvocabulary = 100", "tokenizer.vocabulary: "),
        ("[curate]\ndecontaminate = ['humanevil']", "curate.decontaminate: "),
        ("[curate]\nlicense = 'mit'", "curate.license"),
        ("[curate.mix]\nshares = {code = 0.8, pythn = 0.1}", "curate.mix.shares: 'pythn'"),
        ("[curate.mix]\nshares = {code = 0.8, text = 0.3}", "curate.mix.shares: the shares come to 1.1"),
        ("[tokenizer]\nvocabulary = 70000", "tokenizer.vocabulary: "),
        ("[fim]\ncuts = 'words'", "fim.cuts: "),
        ("[batches]\nweights = {python = 2.0, pythn = 1.0}", "batches.weights: 'pythn'"),
        ("[batches]\nweights = {python = 0}", "batches.weights.python: "),
        ("[pretrain]\nbetas = [0.9]", "pretrain.betas"),
        ("[evaluate]\nbenchmarks = ['mbpp', 'humanevil']", "evaluate.benchmarks: no benchmark named 'humanevil'"),
        ("[evaluate]\nbenchmarks = ['mbpp:shots']", "evaluate.benchmarks: mbpp has no variant 'shots'"),
        ("[evaluate]\nbenchmarks = ['mbpp', 'mbpp']", "evaluate.benchmarks: a benchmark is named twice"),
        ("[evaluate]\ntop_p = 0", "evaluate.top_p: "),
        ("model = 3", "model: "),
        ("tune = 5", "tune: "),
        ("tune = [5]", "tune: "),
        ("seed = 'one'", "seed: "),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path: Path, text: str, key: str) -> None:
    line = refused(tmp_path, f'name = "x"\n{text}\n')
    assert line.startswith(f"{tmp_path}/recipe.toml: {key}")


@pytest.mark.parametrize(
    ("key", "hint"),
    [("pythn", ": did you mean python?"), ("C++", ": did you mean cpp?"), ("jinja2", ""), ("stdlib*", "")],
)
@pytest.mark.parametrize("setting", ["batches.weights", "curate.mix.shares"])
def test_a_key_that_is_no_language_and_no_pattern_is_refused_with_the_nearest_language(
    tmp_path: Path, setting: str, key: str, hint: str
) -> None:
    table, _, name = setting.rpartition(".")
    line = refused(tmp_path, f'name = "x"\n[{table}]\n{name} = {{ "{key}" = 0.5 }}\n')
    assert f"{setting}: {key!r} is neither" in line and line.endswith(f"a pattern like owner/*{hint}")


@pytest.mark.parametrize("table", ["pretrain", "tune"])
def test_steps_and_minutes_exclude_each_other(tmp_path: Path, table: str) -> None:
    line = refused(tmp_path, f'name = "x"\n[{table}]\nsteps = 3\nminutes = 1\n')
    assert line.endswith(f"{table}: give steps or minutes, not both")


def test_minutes_of_tuning_take_the_place_of_the_published_steps(tmp_path: Path) -> None:
    read = recipe.load(written(tmp_path, 'name = "x"\n[tune]\nminutes = 1\n'))
    assert (read.tune.steps, read.tune.minutes) == (None, 1)


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ("hidden = 100\nheads = 16", "even head width"),
        ("hidden = 48\nheads = 16", "even head width"),
        ("heads = 16\nkv_heads = 5", "multiple of kv_heads"),
        ("heads = 4\nkv_heads = 8\nhidden = 64", "multiple of kv_heads"),
    ],
)
def test_a_shape_that_cannot_be_built_is_refused(tmp_path: Path, shape: str, why: str) -> None:
    line = refused(tmp_path, f'name = "x"\n[model]\n{shape}\n')
    assert line.startswith(f"{tmp_path}/recipe.toml: model: ")
    assert why in line


@pytest.mark.parametrize("name", ["", "a/b", "..", "../elsewhere", ".hidden", "-x", "a b", "a\\nb"])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    assert "recipe.toml: name: " in refused(tmp_path, f'name = "{name}"\n')


def test_a_recipe_without_a_name_is_refused_and_other_errors_are_counted(tmp_path: Path) -> None:
    assert refused(tmp_path, "seed = 1\n").endswith("name: Field required")
    assert refused(tmp_path, "colour = 1\nsize = 2\n").endswith("name: Field required (and 2 more)")


def test_changes_of_the_command_line_are_applied(tmp_path: Path) -> None:
    place = written(tmp_path, 'name = "x"\n[pretrain]\nsteps = 3\nbatch = 8\n')
    changes = [
        "pretrain.steps=100",
        "pretrain.schedule=cosine",
        "collect.sources=['dir:/a', 'dir:/b']",
        "curate.thresholds.alphabetic=0.5",
        "name=other",
        "fim.rate = 0",
        "model.tied=true",
        "pretrain.steps=101",
    ]
    read = recipe.load(place, changes)
    assert (read.pretrain.steps, read.pretrain.batch, read.pretrain.schedule) == (101, 8, "cosine")
    assert read.collect.sources == ("dir:/a", "dir:/b")
    assert (read.curate.thresholds["alphabetic"], read.name, read.model.tied, read.fim.rate) == (0.5, "other", True, 0)
    assert recipe.load(place).pretrain.steps == 3, "the file is as it was"


def test_a_changed_length_takes_the_place_of_the_one_in_the_file(tmp_path: Path) -> None:
    text = 'name = "x"\n[pretrain]\nminutes = 3\nbatch = 8\nlearning_rate = 1e-3\n[tune]\nsteps = 3\n'
    read = recipe.load(written(tmp_path, text), ["pretrain.steps=100", "tune.minutes=2"])
    assert (read.pretrain.steps, read.pretrain.minutes) == (100, None)
    assert (read.tune.steps, read.tune.minutes) == (None, 2)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("pretrain.stepz=3", "pretrain.stepz: no such key"),
        ("pretrain.steps=soon", "pretrain.steps: "),
        ("pretrain", "--set pretrain: expected KEY=VALUE"),
        ("=3", "--set =3: expected KEY=VALUE"),
        ("name.first=3", "--set name.first=3: name is not a table"),
        ("=", "--set =: expected KEY=VALUE"),
    ],
)
def test_a_change_that_cannot_be_made_is_named(tmp_path: Path, change: str, named: str) -> None:
    assert named in refused(tmp_path, 'name = "x"\n[pretrain]\nsteps = 3\n', change)


def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path) -> None:
    assert "not valid TOML" in refused(tmp_path, "name = \n")
    assert "not valid TOML" in refused(tmp_path, 'name = "x"\nname = "y"\n')
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for place, why in (("binary.toml", "not valid TOML"), ("none.toml", "No such file"), (".", "Is a directory")):
        with pytest.raises(UserError, match=why) as error:
            recipe.load(tmp_path / place)
        assert error.value.exit_code == 2


def test_what_was_read_cannot_be_changed() -> None:
    read = recipe.parse({"name": "x"})
    with pytest.raises(ValueError, match="frozen"):
        read.model.hidden = 3  # type: ignore[misc]
