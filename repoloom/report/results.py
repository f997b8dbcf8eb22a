"""The page's sections about the model: its scores beside baselines, and what it writes."""

from repoloom.languages import LANGUAGES
from repoloom.report.inputs import AbsentError, Run, Table
from repoloom.report.numerals import compact, percent, plural, size
from repoloom.report.page import Figure, Numbers, Sample, both
from repoloom.report.plots import Bar, bars

_TASKS = {"infill": "fill in the middle", "complete": "continue", "instruct": "instruction"}
_BEFORE, _WRITTEN, _AFTER = 14, 16, 8
"""Lines of a sample's prompt, output and suffix that the page shows."""


def bits_per_byte(run: Run) -> Figure:
    """Compression of the held-out repositories: the model beside n-grams and xz."""
    scores = _measured(run, "bits_per_byte")
    names = {
        "model": "this model",
        "bigram": "interpolated bigram, same tokens",
        "unigram": "unigram, same tokens",
        "xz": "xz -9, file by file",
    }
    found = [(key, name, scores[key]) for key, name in names.items() if isinstance(scores.get(key), int | float)]
    if not found or found[0][0] != "model":
        raise AbsentError("no bits per byte were measured")
    found.sort(key=lambda row: row[2])
    rows = [Bar(name, value, f"{value:.3f}", "accent" if key == "model" else "faint") for key, name, value in found]
    model = scores["model"]
    beaten = [name.split(",")[0] for key, name, value in found if key != "model" and value > model]
    unbeaten = [name.split(",")[0] for key, name, value in found if key != "model" and value <= model]
    takeaway = f"{model:.2f} bits per byte on repositories it never saw"
    if beaten:
        takeaway += f", better than {_and(beaten)}"
    if unbeaten:
        takeaway += f", {'but ' if beaten else ''}not better than {_and(unbeaten)}"
    languages: Table = scores.get("by_language") or Table()
    table = [
        [
            LANGUAGES[name].name if name in LANGUAGES else name,
            *(f"{row[key]:.3f}" for key in ("model", "bigram", "unigram")),
            size(row["bytes"]),
        ]
        for name, row in sorted(languages.items(), key=lambda item: -item[1]["bytes"])
    ]
    return Figure(
        takeaway + ".",
        both(lambda width: bars(rows, width, f"Bar chart, less is better. {takeaway}.")),
        numbers=Numbers(["language", "this model", "bigram", "unigram", "held out"], table, "By language"),
        note=f"Less is better. Over {compact(scores['tokens'])} held-out tokens, {compact(scores['bytes'])} bytes; "
        "the n-gram models are fitted on the whole training set.",
    )


def _measured(run: Run, what: str) -> Table:
    scores: Table = run.results()[what]
    if "not_run" in scores:
        raise AbsentError(f"{what.replace('_', ' ')}, {scores['not_run']}")
    return scores


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def infilling(run: Run) -> Figure:
    """Single lines filled in with the suffix in view and without."""
    scores = _measured(run, "infilling")
    rows, table = [], []
    for key, name in (("with_suffix", "prefix and suffix"), ("prefix_only", "prefix alone")):
        exact, similar = scores[key]["exact_match"], scores[key]["edit_similarity"]
        tone = "accent" if key == "with_suffix" else "faint"
        rows.append(Bar(f"exact match, {name}", exact, percent(exact), tone))
        rows.append(Bar(f"edit similarity, {name}", similar, percent(similar), tone))
        table.append([name, percent(exact), percent(similar)])
    rows = [rows[0], rows[2], rows[1], rows[3]]
    gain = scores["with_suffix"]["edit_similarity"] - scores["prefix_only"]["edit_similarity"]
    exact = percent(scores["with_suffix"]["exact_match"])
    takeaway = (
        f"Of {plural(scores['tasks'], 'held-out line')}, {exact} are filled in exactly; "
        f"seeing the suffix {'adds' if gain >= 0 else 'takes'} {abs(gain) * 100:.1f} points of edit similarity"
    )
    return Figure(
        takeaway + ".",
        both(lambda width: bars(rows, width, f"Bar chart. {takeaway}.")),
        numbers=Numbers(["the model sees", "exact match", "edit similarity"], table),
    )


def text(run: Run) -> Figure:
    """Bits a byte of text that was given, and of its middles, by language."""
    scores = _measured(run, "text")
    languages = sorted(scores["by_language"].items(), key=lambda item: -item[1]["bytes"])
    names = [LANGUAGES[name].name if name in LANGUAGES else name for name, _ in languages]
    measured = [row for _, row in languages]
    takeaway = f"{scores['bits_per_byte']:.2f} bits per byte on {size(scores['bytes'])} of text"
    if scores.get("psm") is not None:
        gain = 1 - scores["psm"] / scores["prefix_only"]
        takeaway += f"; a middle costs {scores['psm']:.2f}, {abs(gain) * 100:.1f}% {'less' if gain >= 0 else 'more'}"
        takeaway += " for seeing what is behind it"
    lengths = [
        Bar(name, row["bits_per_byte"], _bits(row["bits_per_byte"]), "accent")
        for name, row in zip(names, measured, strict=True)
    ]
    table = [
        [name, *(_bits(row.get(key)) for key in ("bits_per_byte", "psm", "prefix_only")), size(row["bytes"])]
        for name, row in zip(names, measured, strict=True)
    ]
    return Figure(
        takeaway + ".",
        both(lambda width: bars(lengths, width, f"Bar chart, less is better. {takeaway}.")),
        numbers=Numbers(
            ["language", "bits a byte", "middle, PSM", "middle, prefix alone", "text"], table, "By language"
        ),
        note="Less is better. The text was drawn by characters, so that models of other tokenizers read the same.",
    )


def _bits(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def samples(run: Run) -> list[Figure | Sample]:
    """What the model wrote, with what it was given and what stood there."""
    found = [_sample(sample) for sample in run.results()["samples"]]
    if not found:
        raise AbsentError("no samples were written")
    exact = sum(bool(sample.verdict) for sample in found)
    takeaway = f"{plural(len(found), 'text')} that it wrote, none chosen for how it came out"
    takeaway += f"; {exact} of them exactly what stood there" if exact else ""
    return [Figure(takeaway + ".", key=[("given", "given to the model"), ("wrote", "written by it")]), *found]


def _sample(sample: Table) -> Sample:
    kind, title, prompt = str(sample["kind"]), str(sample.get("title") or ""), str(sample.get("prompt") or "")
    output, reference = str(sample["output"]), str(sample.get("reference") or "")
    same = bool(reference) and output.strip() == reference.strip()
    return Sample(
        "" if title == prompt else title,
        _TASKS.get(kind, kind),
        _last_lines(prompt),
        _first_lines(output, _WRITTEN),
        _first_lines(str(sample.get("suffix") or ""), _AFTER),
        "" if same else _beside(reference),
        "exactly what stood there" if same else "",
    )


def _last_lines(text: str) -> str:
    lines = text.split("\n")
    return text if len(lines) <= _BEFORE else "⋮\n" + "\n".join(lines[-_BEFORE:])


def _first_lines(text: str, most: int) -> str:
    lines = text.split("\n")
    return text if len(lines) <= most else "\n".join(lines[:most]) + "\n⋮"


def _beside(reference: str) -> str:
    """One line stands beside its label, several stand below it."""
    text = reference.strip("\n")
    return f"\n{text}" if "\n" in text else text.strip()
