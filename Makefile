# make demo    the whole street on this environment's own packages: a model and its report in about ten minutes
# make test    every test, the linter and the type checker
# make bench   the measurements behind benchmarks/RESULTS.md
# make setup   .venv with exact versions from requirements.lock, and bubblewrap where it may be installed
# make lock    write requirements.lock anew from the ranges in pyproject.toml

PYTHON ?= python3
# The index of PyTorch's CPU builds, as PyTorch's own installation page names it. Without it pip takes torch from where
# it is set up to look, which on Linux is usually the CUDA build: right with a GPU, gigabytes too many without one.
TORCH_INDEX ?=
RECIPE ?= recipes/laptop.toml
BIN := .venv/bin

.PHONY: setup demo test bench lock

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml tools/setup
	@PYTHON="$(PYTHON)" TORCH_INDEX="$(TORCH_INDEX)" bash tools/setup

demo: setup
	@$(BIN)/repoloom run $(RECIPE)

test: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest

bench: setup
	@for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

lock:
	@PYTHON="$(PYTHON)" TORCH_INDEX="$(TORCH_INDEX)" bash tools/lock
