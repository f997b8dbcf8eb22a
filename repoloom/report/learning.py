"""The page's sections about learning: tokens, the loss, the learning rate."""

import itertools

from repoloom.languages import LANGUAGES
from repoloom.report.inputs import AbsentError, Run, Table
from repoloom.report.numerals import compact, percent, plural, significant, size
from repoloom.report.page import Figure, Numbers, both
from repoloom.report.plots import Bar, Series, bars, lines

_SHOWN = 8
"""Languages in a line."""


def tokens(run: Run) -> Figure:
    """How text becomes tokens, and how many there are."""
    pack = run.counts("pack")
    names = (("train", "for training"), ("heldout", "held out"))
    splits = [(name, pack[key]) for key, name in names if pack.get(key)]
    rows = [
        Bar(name, split["tokens"], f"{compact(split['tokens'])} tokens", "accent" if split is pack["train"] else "soft")
        for name, split in splits
    ]
    learnt = run.counts("tokenizer").get("size") if "tokenizer" in run.finished else None
    takeaway = f"A vocabulary of {learnt:,} entries: " if learnt else ""
    takeaway += f"{significant(pack['bytes_per_token'])} bytes a token, "
    takeaway += f"{compact(pack['train']['tokens'])} tokens to learn from"
    return Figure(
        takeaway + ".",
        both(lambda width: bars(rows, width, f"Bar chart. {takeaway}.")),
        numbers=Numbers(
            ["split", "documents", "files", "bytes", "tokens"],
            [
                [name, f"{split['documents']:,}", f"{split['files']:,}", size(split["bytes"]), f"{split['tokens']:,}"]
                for name, split in splits
            ],
            folded=False,
        ),
    )


def languages(run: Run) -> Figure:
    """How much text a token stands for, by language."""
    pack = run.counts("pack")
    split = "heldout" if pack.get("heldout") else "train"
    counts = {language: row for language, row in pack[split]["languages"].items() if row["tokens"]}
    if not counts:
        raise AbsentError("pack has encoded no text")
    rates = {language: row["bytes"] / row["tokens"] for language, row in counts.items()}
    shown = list(rates)[:8]
    label = {language: LANGUAGES[language].name if language in LANGUAGES else language for language in rates}
    rows = [Bar(label[language], rates[language], significant(rates[language]), "accent") for language in shown]
    first = shown[0]
    text = "held-out" if split == "heldout" else "training"
    takeaway = f"A token stands for {significant(rates[first])} bytes of {text} {label[first]}"
    if len(shown) > 1:
        best, worst = max(shown, key=rates.__getitem__), min(shown, key=rates.__getitem__)
        takeaway += f"; most of {label[best]} ({significant(rates[best])}), least of {label[worst]}"
        takeaway += f" ({significant(rates[worst])})"
    return Figure(
        takeaway + ".",
        both(lambda width: bars(rows, width, f"Bar chart. {takeaway}.")),
        numbers=Numbers(
            ["language", "files", "bytes", "tokens", "bytes a token"],
            [
                [label[name], f"{row['files']:,}", size(row["bytes"]), f"{row['tokens']:,}", significant(rates[name])]
                for name, row in counts.items()
            ],
        ),
        note="Other tokenizers on the same files: repoloom tokens.",
    )


def loss(run: Run, stage: str) -> Figure:
    """The loss of every step, smoothed, and on the held-out repositories."""
    steps, validations = run.metrics(stage)
    raw = [(float(row["step"]), float(row["loss"])) for row in steps]
    smoothed = _smooth(raw)
    series = [Series("each step", raw, "raw"), Series("smoothed", smoothed, "main")]
    held = [(float(row["step"]), float(row["heldout_loss"])) for row in validations]
    if held:
        series.append(Series("held-out loss", held, "dots"))
    seen = steps[-1].get("tokens")
    takeaway = "Tuning" if stage == "tune" else "Pretraining"
    takeaway += f" takes the loss from {raw[0][1]:.2f} to {smoothed[-1][1]:.2f} nats a token"
    takeaway += f" in {plural(steps[-1]['step'], 'step')}"
    takeaway += f" and {compact(seen)} tokens" if isinstance(seen, int) else ""
    takeaway += "" if stage in run.finished else " so far: it has not finished"
    copying = _copying(run, stage)
    unseen = "held-out pairs" if stage == "tune" else "held-out repositories"
    takeaway += f"; on {unseen} {held[-1][1]:.2f}" if held else ""
    return Figure(
        takeaway + ".",
        both(
            lambda width: lines(
                series,
                width,
                300 if width > 500 else 250,
                f"Line chart. {takeaway}.",
                x_title="step",
                y_title="loss, nats a token (log)",
                x_label=compact,
                y_label=lambda value: f"{value:.3g}",
                log_y=True,
            )
        ),
        key=[("raw", "each step"), ("main", "smoothed"), *([("dot", unseen)] if held else [])],
        numbers=_training(run, stage, steps, validations),
        note=f"The first {copying:,} steps teach to copy: their text is random words that come twice."
        if copying
        else "",
    )


def _copying(run: Run, stage: str) -> int:
    """The first so many steps taught to copy; 0 where none did, or nothing says so."""
    if stage != "pretrain" or stage not in run.finished:
        return 0
    batches = run.manifest(stage)["settings"].get("batches")
    steps = batches.get("copying") if isinstance(batches, dict) else None
    return steps if isinstance(steps, int) else 0


def learning_rate(run: Run) -> Figure:
    """The learning rate over the steps."""
    steps, _ = run.metrics("pretrain")
    points = [(float(row["step"]), float(row["learning_rate"])) for row in steps]
    peak = max(rate for _, rate in points)
    at = next(step for step, rate in points if rate == peak)
    settings = run.manifest("pretrain")["settings"] if "pretrain" in run.finished else Table()
    schedule = _find(settings, "schedule")
    end = percent(points[-1][1] / peak) if peak else "0%"
    takeaway = f"The learning rate rises to {peak:.2g} by step {at:,.0f} and ends at {end} of that"
    takeaway += f" ({schedule} schedule)" if schedule else ""
    return Figure(
        takeaway + ".",
        both(
            lambda width: lines(
                [Series("learning rate", points, "main")],
                width,
                180,
                f"Line chart. {takeaway}.",
                x_title="step",
                y_title="learning rate",
                x_label=compact,
                y_label=lambda value: f"{value:.2g}",
                from_zero=True,
            )
        ),
    )


def _smooth(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The mean of a window around each point: a thirtieth of the run; less at its start, where the loss falls fast, and
    only what came before at its end.
    """
    reach = len(points) // 60
    sums = [0.0, *itertools.accumulate(y for _, y in points)]
    smoothed = []
    for number, (x, _) in enumerate(points):
        first, end = number - min(reach, number), min(number + min(reach, number) + 1, len(points))
        smoothed.append((x, (sums[end] - sums[first]) / (end - first)))
    return smoothed


def _training(run: Run, stage: str, steps: list[Table], validations: list[Table]) -> Numbers:
    rows = [["steps", f"{steps[-1]['step']:,}"], ["last loss", f"{steps[-1]['loss']:.4f}"]]
    if validations:
        rows.append(["held-out loss", f"{validations[-1]['heldout_loss']:.4f}"])
    counts = run.counts(stage) if stage in run.finished else {}
    for key, name, show in (
        ("tokens", "tokens seen", lambda value: f"{value:,}"),
        ("sources", "tokens seen by source", _by_source),
        ("languages", "tokens seen by language", _by_source),
        ("utilisation", "share of the rows' positions filled", percent),
        ("fim", "cut for fill-in-the-middle", _cut),
        ("parameters", "parameters", lambda value: f"{value:,}"),
        ("heldout_bits_per_byte", "held-out bits per byte", lambda value: f"{value:.4f}"),
        ("tokens_per_second", "tokens a second", lambda value: f"{value:,.0f}"),
        ("precision", "precision", str),
        ("compiled", "compiled", lambda value: "yes" if value else "no"),
        ("eager_because", "not compiled because", str),
        ("peak_share", "share of the measured matmul peak", percent),
    ):
        if counts.get(key) is not None:
            rows.append([name, show(counts[key])])
    return Numbers(["", ""], rows)


def _cut(fim: Table) -> str:
    """The rate that training realised, and how many pieces it left whole that were drawn to be cut."""
    if "rate_by_pieces" not in fim:
        return "not counted"
    shares = f"{percent(fim['rate_by_pieces'])} of the pieces, {percent(fim['rate_by_tokens'])} of their tokens"
    return shares + (f"; {fim['left']:,} were drawn but left whole" if fim["left"] else "")


def _by_source(sources: Table) -> str:
    """The tokens of each language or key of `batches.weights`, the largest first, at most `_SHOWN`.

    Padding and what marks a text are not in it.
    """
    whole = sum(sources.values())
    ordered = sorted(sources.items(), key=lambda source: -source[1])[:_SHOWN]
    return ", ".join(f"{name} {compact(count)} ({percent(count / whole)})" for name, count in ordered)


def _find(settings: Table, key: str) -> str:
    """A setting by its last name, wherever it stands: a stage may fingerprint its own table or the whole recipe."""
    for name, value in settings.items():
        if name == key and isinstance(value, str):
            return value
    return next((found for value in settings.values() if isinstance(value, Table) and (found := _find(value, key))), "")
