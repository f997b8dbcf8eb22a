"""The command line: results on stdout, the rest on stderr, one line and the right exit code for what is wrong."""

import base64
import json
import os
import random
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from repoloom import __version__, ledger
from tests.conftest import SmallDisk
from tests.street import COMMAND, ROOT, at_once, copies, environment, refused, repoloom, said

COMMANDS = (
    "run", "collect", "curate", "explain", "order", "tokenizer", "pack", "tokens", "pretrain", "plan", "tune",
    "evaluate", "compare", "tasks", "score", "complete", "chat", "serve", "export", "report",
)  # fmt: skip
TO_COME = ("review", "import")
"""Of the design, and not there yet."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `sources/`, and `shards/` and `corpus/` made of them by the commands."""
    folder = tmp_path_factory.mktemp("corpus")
    sources = [f"dir:{place}" for place in copies(folder / "sources")]
    for words in (
        ["collect", *sources, "--out", folder / "shards"],
        ["curate", folder / "shards", "--out", folder / "corpus"],
    ):
        done = repoloom(*words)
        assert (done.returncode, said(done)) == (0, []), done.stderr
        assert "dropped by" in done.stdout and "python" in done.stdout
    return folder


@pytest.fixture(scope="module")
def model(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder; it has learnt nothing."""
    from repoloom.model import huggingface
    from repoloom.model.config import Config
    from repoloom.model.transformer import Transformer
    from repoloom.tokens.tokenizer import Tokenizer

    size = Tokenizer.load(tokenizer_folder).size
    network = Transformer(Config(vocabulary=size, hidden=32, mlp=64, layers=1, heads=2, kv_heads=1, context=64))
    network.initialise(0)
    place = tmp_path_factory.mktemp("model") / "model"
    huggingface.save(network, tokenizer_folder, place)
    return place


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """One that is right, for a model of nothing, whose source is an empty folder."""
    place = tmp_path / "recipe.toml"
    tables = {
        "collect": f'sources = ["dir:{tmp_path}/empty"]\nmegabytes = 1',
        "tokenizer": "vocabulary = 300",
        "model": "hidden = 8\nmlp = 8\nlayers = 1\nheads = 1\nkv_heads = 1",
        "pretrain": "steps = 1",
    }
    place.write_text('name = "x"\n' + "".join(f"[{name}]\n{table}\n" for name, table in tables.items()))
    (tmp_path / "empty").mkdir()
    return place


# Curation


def test_a_dry_run_says_what_each_rule_set_would_drop_and_writes_nothing(corpus: Path, tmp_path: Path) -> None:
    before = sorted(path for path in corpus.rglob("*"))
    tables = {}
    for name in ("repoloom", "deepseek", "starcoder2", "opencoder"):
        done = repoloom("curate", corpus / "shards", "--rules", name, "--dry-run", "--json")
        assert (done.returncode, said(done)) == (0, []), done.stderr
        counts = tables[name] = json.loads(done.stdout)
        for unit in ("files", "bytes"):
            assert counts["in"][unit] == counts["kept"][unit] + sum(rule[unit] for rule in counts["dropped"].values())
            assert counts["in"][unit] == sum(row[f"in_{unit}"] for row in counts["languages"].values())
            assert counts["kept"][unit] == sum(row[f"kept_{unit}"] for row in counts["languages"].values())
    assert len({json.dumps(counts) for counts in tables.values()}) > 1
    assert sorted(path for path in corpus.rglob("*")) == before
    # The rules that the whole stage applied are the same ones.
    whole = json.loads((corpus / "corpus/manifest.json").read_text())["counts"]["dropped"]
    dry = tables["repoloom"]["dropped"]
    assert dry == {rule: {unit: whole[rule][unit] for unit in ("files", "bytes")} for rule in dry}
    assert "dropped by" in repoloom("curate", corpus / "shards", "--dry-run").stdout


def test_curate_needs_a_folder_and_a_rule_that_there_is(corpus: Path, tmp_path: Path) -> None:
    assert "give --out DIR, or --dry-run" in refused(repoloom("curate", corpus / "shards"), 2)
    assert "rules: " in refused(repoloom("curate", corpus / "shards", "--rules", "linux", "--dry-run"), 2)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("name = 'x'\n[curate.thresholds]\nlongest-lines = 5\n")
    line = refused(repoloom("curate", corpus / "shards", "--recipe", recipe, "--out", tmp_path / "out"), 2)
    assert "longest-lines" in line and "did you mean longest-line" in line


def test_order_by_each_method(corpus: Path) -> None:
    folder = next((corpus / "sources").iterdir())
    found = {}
    for by in ("topological", "deepseek", "shuffle"):
        done = repoloom("order", folder, "--by", by, "--json")
        assert done.returncode == 0, done.stderr
        found[by] = json.loads(done.stdout)
    assert len({tuple(sorted(one["files"])) for one in found.values()}) == 1
    again = json.loads(repoloom("order", folder, "--by", "shuffle", "--seed", "1", "--json").stdout)
    assert again["files"] != found["shuffle"]["files"]
    assert found["topological"]["edges"] == found["deepseek"]["edges"] == found["shuffle"]["edges"]
    assert "order: " in refused(repoloom("order", folder, "--by", "size"), 2)


# Help


def examples(text: str) -> list[str]:
    """The paragraphs of a help text that show a command, each on one line."""
    above = text.partition("╭")[0]
    paragraphs = [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", above)]
    return [one for one in paragraphs if "repoloom " in one and not one.startswith("Usage:")]


def test_the_help_lists_what_works_and_every_command_shows_an_example_that_fits_it() -> None:
    done = at_once([["--help"], ["-h"], *([name, "--help"] for name in COMMANDS)])
    assert {(one.returncode, one.stderr) for one in done} == {(0, "")}
    text, again, *texts = (one.stdout for one in done)
    assert again == text
    listed = re.findall(r"^│ ([a-z]+) ", text.partition("Commands")[2], re.MULTILINE)
    assert tuple(listed) == COMMANDS
    assert examples(text) == ["repoloom run recipes/laptop.toml"]
    for name, help in zip(COMMANDS, texts, strict=True):
        shown = examples(help)
        assert shown, name
        for example in shown:
            words = shlex.split(example)
            assert words.count("repoloom") == 1, "one command a line"
            assert words[words.index("repoloom") + 1] == name
            ours = words[words.index("repoloom") :]  # torchrun may stand before, with options of its own
            for option in (word for word in ours if word.startswith("--")):
                assert re.search(rf"^│[ *]*{option} ", help, re.MULTILINE), (name, option)


def test_what_is_to_come_is_no_command_yet() -> None:
    for done in at_once([[name] for name in TO_COME]):
        assert done.returncode == 2 and "No such command" in done.stderr


def test_the_version_is_told() -> None:
    done = repoloom("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"repoloom {__version__}\n", "")


# Bad arguments and failing work


def test_a_wrong_recipe_is_one_line_that_names_the_key(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(recipe.read_text() + "stepz = 3\n")
    wrong = [[name, recipe, "--out", tmp_path / "out"] for name in ("run", "pretrain", "tune")]
    for done in at_once([*wrong, ["curate", tmp_path, "--recipe", recipe, "--out", tmp_path / "out"]]):
        assert refused(done, 2) == f"{recipe}: pretrain.stepz: no such key"
    assert "cannot read the recipe" in refused(repoloom("run", tmp_path / "missing.toml"), 2)
    assert not (tmp_path / "out").exists()


def test_a_run_that_could_not_train_is_refused_before_it_begins(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(recipe.read_text().replace("steps = 1", ""))
    line = refused(repoloom("run", recipe, "--out", tmp_path / "out"), 2)
    assert line.startswith("pretrain.steps: say how long to train")
    assert not (tmp_path / "out").exists()


BAD_ARGUMENTS = {
    "run RECIPE --set collect.sources=['zip:x'] --out OUT": "collect.sources: 'zip:x' is no source",
    "run RECIPE --set tune=5 --out OUT": "RECIPE: tune: ",
    "run RECIPE --set tune --out OUT": "--set tune: expected KEY=VALUE",
    "collect zip:x --out OUT": "collect.sources: 'zip:x' is no source",
    "collect dir:EMPTY --megabytes -1 --out OUT": "megabytes: ",
    "collect dir:EMPTY --megabytes inf --out OUT": "megabytes: ",
    "tokenizer EMPTY --vocab-size 5 --out OUT": "vocabulary: ",
    "evaluate EMPTY --benchmark humanevil --out OUT": "benchmarks: ",
    "evaluate EMPTY --benchmark humaneval-cpp --out OUT": "humaneval-cpp: its data does not come with the package",
    "evaluate EMPTY --data humaneval --out OUT": "--data humaneval: expected NAME=PATH",
    "tasks humanevil": "no benchmark named 'humanevil': choose one of humaneval, humaneval-cpp, ",
    "score humanevil RECIPE": "no benchmark named 'humanevil'",
    "complete EMPTY app.py:1": "app.py:1: expected FILE:LINE:COLUMN",
    "complete EMPTY app.py:one:1": "app.py:one:1: expected FILE:LINE:COLUMN",
    "complete EMPTY app.py": "app.py: expected FILE:LINE:COLUMN",
    "export EMPTY --to onnx --out OUT": "--to onnx: expected one of huggingface, gguf",
}
FAILING_WORK = {
    "run RECIPE --out OUT": "dir:EMPTY holds no file in a known language",
    "run RECIPE --out TEXT": "cannot write to TEXT",
    "collect dir:MISSING --out OUT": "dir:MISSING does not exist",
    "collect dir:TEXT --out OUT": "dir:TEXT is no folder",
    "collect dir:BINARY --out OUT": "dir:BINARY holds no file that is UTF-8 text",
    "collect git+file:EMPTY --out OUT": "git+file:EMPTY cannot be opened as a git repository",
    "collect installed:no-such-thing --out OUT": "installed:no-such-thing: the distribution is not installed",
    "curate MISSING --out OUT": "MISSING holds no manifest.json",
    "explain EMPTY x/y.py": "EMPTY holds no manifest.json",
    "order MISSING": "cannot list MISSING",
    "tokenizer MISSING --out OUT": "MISSING holds no documents/part-*.parquet",
    "pack MISSING --tokenizer EMPTY --out OUT": "EMPTY is not a tokenizer's folder",
    "tokens MISSING nonsense": "nonsense is no folder with a tokenizer.json",
    "pretrain RECIPE --out OUT": "OUT/tokenizer is not a tokenizer's folder",
    "evaluate MISSING --out OUT": "MISSING is no model folder",
    "compare EMPTY MISSING": "EMPTY and MISSING hold samples of no benchmark in common",
    "complete MISSING app.py:1:1": "MISSING is no model folder",
    "serve MISSING": "MISSING is no model folder",
    "export MISSING --to gguf --out OUT": "MISSING is no model folder",
    "report EMPTY": "EMPTY holds no finished stage",
    "tasks humaneval --data MISSING": "cannot read MISSING",
    "score humaneval TEXT": "TEXT, line 1: ",
}


@pytest.mark.parametrize(("lines", "code"), [(BAD_ARGUMENTS, 2), (FAILING_WORK, 1)], ids=["2", "1"])
def test_what_is_wrong_is_one_line_and_an_exit_code(
    recipe: Path, tmp_path: Path, lines: dict[str, str], code: int
) -> None:
    (tmp_path / "text").write_text("no JSON\n")
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "a.py").write_bytes(b"a = 1\0\n")
    places = {"RECIPE": recipe} | {name.upper(): tmp_path / name for name in ("empty", "missing", "text", "binary")}

    def named(text: str, number: int) -> str:
        known = places | {"OUT": tmp_path / f"out-{number}"}
        return re.sub("|".join(known), lambda found: str(known[found[0]]), text)

    done = at_once([[named(word, number) for word in command.split()] for number, command in enumerate(lines)])
    for number, ((command, line), one) in enumerate(zip(lines.items(), done, strict=True)):
        assert named(line, number) in refused(one, code), command


def test_what_typer_refuses_names_the_option() -> None:
    wrong = {
        "run": "RECIPE",
        "collect dir:x": "--out",
        "serve x --port 99999": "--port",
        "run x.toml --colour": "--colour",
    }
    for named, done in zip(wrong.values(), at_once([command.split() for command in wrong]), strict=True):
        assert (done.returncode, done.stdout) == (2, "")
        assert named in done.stderr and "Traceback" not in done.stderr


def test_an_unreadable_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    words = ["collect", f"dir:{tmp_path}/closed", "--out", str(tmp_path / "out")]
    command = [*COMMAND, *words]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root without util-linux's setpriv cannot give up its privileges")
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert refused(done, 1) == f"dir:{tmp_path}/closed cannot be read: permission denied"


def test_a_place_that_is_not_in_the_file_is_one_line(model: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("x = 1\n")
    late, none = at_once([["complete", model, f"{tmp_path}/{place}"] for place in ("app.py:9:1", "none.py:1:1")])
    assert "the file has 2 lines" in refused(late, 2)
    assert "cannot read" in refused(none, 1)


# Too little disk


def test_more_than_the_disk_holds_is_refused_before_it_begins(recipe: Path, tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    line = refused(repoloom("run", recipe, "--set", f"collect.megabytes={free / 1e6}", "--out", tmp_path / "out"), 1)
    assert re.match(r"too little disk at .*: [\d.]+ GB free, about [\d.]+ GB needed; free some, or", line)
    assert not (tmp_path / "out").exists()


def test_a_disk_that_runs_full_is_one_line_and_with_space_it_goes_on(tmp_path: Path, small_disk: SmallDisk) -> None:
    """4 MB that compress to 3, on a disk with 2.6 MB free: collect asks for half of the source at its start."""
    draw = random.Random(0)
    (tmp_path / "sources").mkdir()
    for number in range(40):
        lines = (f'x = "{base64.b64encode(draw.randbytes(60)).decode()}"\n' for _ in range(1150))
        (tmp_path / "sources" / f"file_{number}.py").write_text("".join(lines))
    out = small_disk.place / "shards"
    words = ["collect", f"dir:{tmp_path}/sources", "--out", out, "--json"]
    small_disk.fill(1_000_000)
    assert refused(repoloom(*words), 1).startswith(f"too little disk: {out} needs about 2.")
    small_disk.fill(2_600_000)
    line = f"collect: no space left on the disk of {out}: free some, then run the command again to go on"
    assert refused(repoloom(*words), 1) == line
    small_disk.empty()
    done = repoloom(*words)
    assert (done.returncode, json.loads(done.stdout)["kept"]["files"]) == (0, 40)
    assert not [*out.rglob(".partial-*")]


# What is printed


def test_json_is_valid_and_stdout_holds_nothing_else(corpus: Path, tmp_path: Path) -> None:
    collected = repoloom("collect", f"dir:{corpus}/sources/pluggy", "--out", tmp_path / "shards", "--json")
    assert json.loads(collected.stdout)["kept"]["repositories"] == 1
    curated = repoloom("curate", corpus / "shards", "--out", corpus / "corpus", "--json")
    counts = json.loads(curated.stdout)
    assert counts["in"]["files"] == counts["kept"]["files"] + sum(drop["files"] for drop in counts["dropped"].values())
    explained = repoloom("explain", corpus / "corpus", "pluggy/_hooks.py", "--json")
    assert isinstance(json.loads(explained.stdout), dict)
    ordered = json.loads(repoloom("order", corpus / "sources" / "pluggy", "--json").stdout)
    assert ["_manager.py", "_hooks.py"] in ordered["edges"]
    assert ordered["files"].index("_hooks.py") < ordered["files"].index("_manager.py")
    lines = repoloom("tasks", "humaneval", "--json").stdout.splitlines()
    assert all({"task_id", "prompt", "suffix", "reference"} <= set(json.loads(line)) for line in lines)
    assert len(lines) == 164


def test_what_was_dropped_and_kept_is_explained(corpus: Path) -> None:
    kept = repoloom("explain", corpus / "corpus", "pluggy/_hooks.py")
    assert kept.returncode == 0 and "kept" in kept.stdout
    drop = ledger.read(corpus / "shards").to_pylist()[0]
    dropped = repoloom("explain", corpus / "corpus", f"{drop['repo']}/{drop['path']}")
    assert dropped.returncode == 0 and drop["rule"] in dropped.stdout
    assert "no repository named" in refused(repoloom("explain", corpus / "corpus", "nothing/at/all.py"), 1)
    assert "did you mean" in refused(repoloom("explain", corpus / "corpus", "pluggy/_hook.py"), 1)


def test_a_tokenizer_and_tokens_are_made_and_counted(corpus: Path, tmp_path: Path) -> None:
    made = repoloom("tokenizer", corpus / "corpus", "--vocab-size", "500", "--out", tmp_path / "tokenizer")
    assert (made.returncode, said(made)) == (0, [])
    json.loads(made.stdout)
    packed = repoloom("pack", corpus / "corpus", "--tokenizer", tmp_path / "tokenizer", "--out", tmp_path / "tokens")
    assert (packed.returncode, said(packed)) == (0, [])
    counts = json.loads(packed.stdout)
    assert (tmp_path / "tokens" / "train.bin").stat().st_size == 2 * counts["train"]["tokens"]


def test_a_reader_that_leaves_early_is_no_error_of_ours() -> None:
    with subprocess.Popen(
        [*COMMAND, "tasks", "humaneval"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


def test_an_answer_stands_on_stdout_alone(model: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def one():\n    return \n")
    done = repoloom("complete", model, f"{tmp_path}/app.py:2:12")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n")
    talked = repoloom("chat", model, "--max-tokens", "3", stdin="Hello.\n\nAgain.\n")
    assert (talked.returncode, talked.stderr) == (0, "")
    assert talked.stdout.endswith("\n")
