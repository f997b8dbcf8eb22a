"""The recipe: one typed TOML file that says everything about a run. Its defaults are DeepSeek Coder's published values.

[P] is arXiv 2401.14196 v2, [R] the DeepSeek-Coder repository, [L] arXiv 2401.02954 (the sister project's habits), [B]
BigCode's papers and code. Where none of them says anything, the comment says why the value was chosen.
"""

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from repoloom import tasks
from repoloom.errors import UsageError
from repoloom.languages import LANGUAGES
from repoloom.presets import PRESETS, Preset

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """A table of the recipe: no unknown key, no infinite or undefined number, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _meant(key: str) -> str:
    """The language that a key which is none is nearest to, as a question; empty where it is near to none."""
    ids = {name.lower(): language.id for language in LANGUAGES.values() for name in (language.name, language.id)}
    near = difflib.get_close_matches(key.lower(), ids, 1)
    return f": did you mean {ids[near[0]]}?" if near else ""


class Collect(Section):
    """Where the repositories come from and how much of them is taken."""

    sources: tuple[str, ...] = ()
    """`installed:` (this environment's distributions), `installed:NAME,NAME`, `dir:PATH`, `git+file:PATH`."""
    megabytes: Annotated[float, Field(gt=0)] | None = None
    """At most this much source in all, whole repositories chosen by seed."""
    megabytes_per_repository: Annotated[float, Field(gt=0)] | None = None
    """At most this much of one repository, whole folders chosen by seed."""
    file_megabytes: Annotated[float, Field(gt=0)] = 10
    """Larger files are not read (The Stack v2's intake) [B]."""
    shard_megabytes: Annotated[float, Field(gt=0)] = 64


class Mix(Section):
    """What the training documents are mixed to; by default every document stands once.

    DeepSeek Coder's is `shares = {code = 0.87, text = 0.10}` [P 2].
    """

    shares: dict[str, Share] = {}
    """Shares of the bytes, by `code`, `text`, a language's id, or a pattern on the repository such as `owner/*`."""
    tokens: Positive | None = None
    """The whole, instead of as many as there are."""
    bytes_per_token: Annotated[float, Field(gt=0)] = 3.2
    """What a token is taken for; `pack` prints what it came to."""
    max_repeats: Positive = 4
    """Copies of a document at most: four epochs are worth nearly as much as new text (2305.16264)."""

    @field_validator("shares")
    @classmethod
    def _known(cls, shares: dict[str, float]) -> dict[str, float]:
        for key in shares:
            if key not in ("code", "text") and key not in LANGUAGES and "/" not in key:
                raise ValueError(
                    f"{key!r} is neither code, text, a language's id nor a pattern like owner/*{_meant(key)}"
                )
        if sum(shares.values()) > 1 + 1e-9:
            raise ValueError(f"the shares come to {sum(shares.values()):g}, over 1")
        return shares


class Curate(Section):
    """Filters, deduplication, screens, decontamination, order."""

    rules: Literal["repoloom", "deepseek", "starcoder2", "opencoder"] = "repoloom"
    """The set of filter rules: DeepSeek's thresholds and what they miss, or one as it was published."""
    thresholds: dict[str, float | bool] = {}
    """By a rule's name: another threshold, or false to switch the rule off."""
    heldout: Share = 0.0
    """Share of the repositories (by bytes) set aside before anything else, whole, by seed."""
    duplicate_repositories: bool = True
    """Near-duplicate repositories go whole [P 2.3]."""
    duplicate_files: bool = True
    """Then files that copy another repository's: it kept a third of the tokens and gave better models (2411.04905)."""
    duplicate_similarity: Share = 0.7
    """Jaccard similarity from which two texts are near-duplicates [B]."""
    duplicate_ngram: Positive = 5
    duplicate_permutations: Positive = 256
    decontaminate: tuple[str, ...] = ("humaneval", "mbpp", "gsm8k")
    """Benchmarks by name, or files of them: what shares a text with one goes."""
    contamination_ngram: Positive = 10
    compilers: bool = False
    """Also ask the compilers that are installed, in the sandbox, and report how far they agree with the screen."""
    readability: Share = 0.5
    modularity: Share = 0.34
    """The least scores that stay, about the 0.5th percentile of real code; 0 keeps every file (docs/screens.md)."""
    redact: bool = True
    """Replace keys, passwords, e-mail and IP addresses by placeholders."""
    license: Literal["any", "permissive"] | tuple[str, ...] = "any"
    """Which licences may stay: a list is of SPDX ids."""
    unlicensed: Literal["keep", "drop"] = "keep"
    """What happens to files of which no licence is known, where `license` is not "any" (The Stack v2 keeps them)."""
    opt_out: Path | None = None
    """A file with a repository or an owner a line, whose code is left out."""
    order: Literal["topological", "deepseek", "shuffle"] = "topological"
    mix: Mix = Mix()
    document_megabytes: Annotated[float, Field(gt=0)] = 4
    shard_megabytes: Annotated[float, Field(gt=0)] = 64

    @field_validator("decontaminate")
    @classmethod
    def _benchmarks(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        tasks.check(entries)
        return entries


class TokenizerSettings(Section):
    """Byte-level BPE [P 3.2]."""

    vocabulary: Annotated[int, Field(ge=300, le=65_536)] = 32_000
    """Entries learnt, the 256 bytes among them, without the special tokens; ids fit uint16 up to 65,536."""
    sample_megabytes: Annotated[float, Field(gt=0)] = 200


class Fim(Section):
    """Fill-in-the-middle [P 3.1.2]: which pieces are cut for it, and how (docs/fim.md)."""

    rate: Share = 0.5
    """Of the pieces."""
    spm: Share = 0.0
    """Of the cut pieces, those in the order suffix, prefix, middle (variant 2 of 2207.14255); PSM, as published, is the
    others. BigCode and that paper: 0.5."""
    cuts: Literal["characters", "tokens", "lines", "nodes"] = "characters"
    """Where they fall: anywhere between two of these, or around a syntax node."""
    spans: Annotated[int, Field(ge=1, le=32)] = 1
    """Middles a piece. Several are the masked spans that [P 3.1.2] compares with, from as many pairs of cuts."""
    level: Literal["context", "document"] = "context"
    """Inside the windows of one sequence, never cut afterwards, or each file of a document before windows are cut
    [P 3.1.2]."""
    scope: Literal["window", "file"] = "window"
    """What a piece is at context level: what a window holds, or each file in it by itself, all before it its prefix."""

    @model_validator(mode="after")
    def _one_middle(self) -> "Fim":
        if self.spans > 1 and (self.spm or self.cuts == "nodes"):
            raise ValueError("several spans have no order but PSM and no cuts around nodes: set spans to 1")
        return self


class Batches(Section):
    """How pieces of documents share the rows of a batch (docs/fim.md)."""

    packing: Literal["best-fit", "plain"] = "best-fit"
    """Pieces end at borders of files and lines and fill the rows as they fit (2404.10830), or one document follows the
    other and is cut where a row is full, as GPT's trainers do it."""
    document_mask: bool = True
    """Tokens see nothing of their row's other pieces, and each piece counts its positions from 0."""
    copying: Annotated[int, Field(ge=0)] = 0
    """The first so many steps are of random words that come twice: so a small model learns early to use its context
    (docs/training.md)."""
    weights: dict[str, Annotated[float, Field(gt=0)]] = {}
    """How often an epoch shows a document, by a language's id or a pattern on the repository such as `owner/*`; 1 for
    those that none fits."""

    @field_validator("weights")
    @classmethod
    def _known(cls, weights: dict[str, float]) -> dict[str, float]:
        for key in weights:
            if key not in LANGUAGES and "/" not in key:
                raise ValueError(f"{key!r} is neither a language's id nor a pattern like owner/*{_meant(key)}")
        return weights


class Model(Section):
    """A decoder-only transformer [P Table 2, 1.3B; L for norm and initialisation]."""

    preset: Preset | None = Field(default=None, exclude=True)
    """A shape by name (docs/model.md); the other keys here override its values."""
    hidden: Positive = 2048
    mlp: Positive = 5504
    layers: Positive = 24
    heads: Positive = 16
    kv_heads: Positive = 16
    context: Positive = 4096
    rope_base: Annotated[float, Field(gt=1)] = 10_000.0
    rope_scaling: Annotated[float, Field(ge=1)] = 1.0
    """Positions are divided by it (linear scaling). For 16K: 4, with the base 100,000 [P 3.6]."""
    norm_epsilon: float = 1e-6
    init_std: float = 0.006
    tied: bool = False

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, table: Any) -> Any:
        preset = table.get("preset") if isinstance(table, dict) else None
        return {**PRESETS[preset], **table} if isinstance(preset, str) and preset in PRESETS else table

    @model_validator(mode="after")
    def _shapes(self) -> "Model":
        if self.hidden % self.heads or (self.hidden // self.heads) % 2:
            raise ValueError("hidden must be heads times an even head width")
        if self.heads % self.kv_heads:
            raise ValueError("heads must be a multiple of kv_heads")
        return self


class Pretrain(Section):
    """The optimizer and the three-step schedule [P 3.4, L]."""

    steps: Positive | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None
    """Instead of steps: as many as fit these minutes here, measured and written down before the first."""
    batch: Positive | None = None
    """Sequences of `model.context` tokens a step; where none is named, by the scaling formula [L 3.1]."""
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """The peak; where none is named, by the scaling formula [L 3.1]. With `minutes`, both have to be named."""
    warmup: Annotated[int, Field(ge=0)] = 2000
    schedule: Literal["three-step", "cosine", "linear", "warmup-stable-decay"] = "three-step"
    floor: Share = 0.0
    """The share of the peak at which the schedule ends; `three-step` ends at a tenth by itself."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """Muon is for the layers' matrices (2502.16982); all else has AdamW then, too, at the same rate."""
    betas: tuple[float, float] = (0.9, 0.95)
    """AdamW's."""
    weight_decay: float = 0.1
    clip: float = 1.0
    z_loss: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the squared log of softmax's normaliser in the loss (2204.02311 takes 1e-4); 0 is off."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bfloat16 where the device computes in it, float32 elsewhere. The master weights are float32."""
    compile: Literal["auto", "yes", "no"] = "auto"
    """auto: where a C++ compiler is found (or on a GPU) and the run is long enough to earn it back."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """What a loss or gradient that is not finite does to the run. Either way the batch is kept, to be looked at."""
    checkpoint_minutes: Annotated[float, Field(gt=0)] = 10
    validate_every: Positive = 500
    statistics_every: Positive | None = None
    """Steps between two looks at every layer's weights, gradients and activations."""
    loggers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ()
    """Where the metrics go besides metrics.jsonl; each is an extra of the package."""

    @model_validator(mode="after")
    def _length(self) -> "Pretrain":
        if self.steps is not None and self.minutes is not None:
            raise ValueError("give steps or minutes, not both")
        if self.minutes is not None and (self.batch is None or self.learning_rate is None):
            raise ValueError("with minutes, name batch and learning_rate: their formula needs the number of steps")
        if self.floor and self.schedule == "three-step":
            raise ValueError("floor is for the other schedules: three-step ends at a tenth of the peak")
        return self


class Parallel(Section):
    """How processes started by torchrun share one training (docs/parallel.md). None of it changes what is trained."""

    shard: Positive | None = None
    """Processes that share weights, gradients and moments (FSDP2); by default all that the other three leave."""
    replicate: Positive = 1
    """Such groups, each with all of it and rows of its own (HSDP)."""
    tensor: Positive = 1
    """Processes that share every matrix product, and the sequence between them (2205.05198)."""
    context: Positive = 1
    """Processes that share each sequence, and attention by heads (Ulysses, 2309.14509)."""
    activation_checkpointing: bool = False
    """Keep one activation a layer and compute the others again: a third more work, far less memory (1604.06174)."""


class Checkpoints(Section):
    """Which checkpoints of a run are kept; how often one is written is `pretrain.checkpoint_minutes`."""

    last: Positive = 2
    """The newest. With one alone, a disk that loses bytes costs the run."""
    every: Positive | None = None
    """Also write and keep one every so many steps."""
    best: bool = False
    """Also write and keep the one with the least held-out loss."""


class Tune(Section):
    """Instruction tuning [P 3.7]: cosine, 100 warm-up steps, 1e-5; 500 steps where the recipe gives no minutes."""

    steps: Positive | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None
    batch: Positive = 1024
    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    warmup: Annotated[int, Field(ge=0)] = 100
    pairs: Positive = 20_000
    """At most this many pairs taken from the corpus, by seed."""

    @model_validator(mode="before")
    @classmethod
    def _length(cls, table: Any) -> Any:
        if not isinstance(table, dict):
            return table
        given = [key for key in ("steps", "minutes") if table.get(key) is not None]
        if len(given) == 2:
            raise ValueError("give steps or minutes, not both")
        return table if given else {**table, "steps": 500}


class Evaluate(Section):
    """What is measured on the held-out repositories and which benchmarks run."""

    benchmarks: tuple[str, ...] = ("humaneval",)
    """Each NAME or NAME:VARIANT, as `repoloom tasks` knows them."""
    data: dict[str, str] = {}
    """By benchmark, its data where that does not come with the package: a path, or hf:OWNER/NAME/FILE."""
    n: Positive = 1
    """Samples a task."""
    temperature: Annotated[float, Field(ge=0)] = 0.0
    """0 is greedy, as DeepSeek Coder was scored [P 4.1]."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    new_tokens: Positive | None = None
    """At most so many generated for a task; by default as many as the benchmark's protocol has."""
    heldout_tokens: Positive = 500_000
    text_characters: Positive = 200_000
    """Of each language, where shards are given to measure bits per byte on."""
    infilling_tasks: Annotated[int, Field(ge=0)] = 200
    samples: Annotated[int, Field(ge=0)] = 6
    """Texts the model writes for the report."""

    @field_validator("benchmarks")
    @classmethod
    def _known(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            benchmark, _, variant = entry.partition(":")
            try:
                tasks.variant(benchmark, variant or None)
            except UsageError as error:
                raise ValueError(str(error)) from None
        if len(set(entries)) < len(entries):
            raise ValueError("a benchmark is named twice")
        return entries


class Recipe(Section):
    """A whole run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: int = 0
    collect: Collect = Collect()
    curate: Curate = Curate()
    tokenizer: TokenizerSettings = TokenizerSettings()
    fim: Fim = Fim()
    batches: Batches = Batches()
    model: Model = Model()
    pretrain: Pretrain = Pretrain()
    parallel: Parallel = Parallel()
    checkpoints: Checkpoints = Checkpoints()
    tune: Tune = Tune()
    evaluate: Evaluate = Evaluate()


def load(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe, apply `KEY=VALUE` changes (`pretrain.steps=100`; a value is TOML, or else a plain word).

    Steps take the place of the file's minutes, and minutes that of its steps.

    Raises UsageError naming the file and the key.
    """
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"cannot read the recipe {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    for change in changes:
        _apply(tables, change)
    return parse(tables, str(path))


def parse(tables: dict[str, Any], origin: str = "recipe") -> Recipe:
    """Validate a recipe's tables. Raises UsageError that names the key."""
    try:
        return Recipe.model_validate(tables)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "recipe"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        known = "no such key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{origin}: {key}: {known}{more}") from None


def _apply(tables: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise UsageError(f"--set {change}: expected KEY=VALUE, such as pretrain.steps=100")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *tables_above, last = key.strip().split(".")
    for name in tables_above:
        tables = tables.setdefault(name, {})
        if not isinstance(tables, dict):
            raise UsageError(f"--set {change}: {name} is not a table of the recipe")
    tables[last] = value
    if tables_above and last in ("steps", "minutes"):
        tables.pop("minutes" if last == "steps" else "steps", None)
