"""The page's section about the screens: scores and their thresholds, what was hidden, second opinions, the mix."""

from repoloom.report.inputs import AbsentError, Run
from repoloom.report.numerals import percent, plural, size
from repoloom.report.page import Figure, Numbers, both
from repoloom.report.plots import Bar, bars


def scores(run: Run) -> list[Figure]:
    """How readable and how modular the files are, and from where on they stay."""
    found = run.counts("curate").get("scores") or {}
    settings = run.manifest("curate")["settings"]
    figures = []
    for name in ("readability", "modularity"):
        bins = found.get(name, [])
        if not any(bins):
            continue
        least = settings[name]
        step = 1 / len(bins)
        first = next(number for number, count in enumerate(bins) if count)
        shown = range(first, len(bins))
        gone = run.counts("curate")["dropped"].get(name, {"files": 0})["files"]
        takeaway = f"Of {sum(bins):,} files {gone:,} score under {least:g} for {name} and go"
        rows = [
            Bar(
                f"{n * step:.2f} to {(n + 1) * step:.2f}",
                bins[n],
                f"{bins[n]:,}",
                "accent" if n * step >= least else "faint",
            )
            for n in shown
        ]
        figures.append(
            Figure(
                takeaway + ".",
                both(lambda width, rows=rows, takeaway=takeaway: bars(rows, width, f"Bar chart. {takeaway}.")),  # type: ignore[misc]
                note="The score is a mean of graded features: docs/screens.md.",
            )
        )
    if not figures:
        raise AbsentError("no file was scored")
    return figures


def hidden(run: Run) -> list[Figure]:
    """Secrets and personal data that stand in the documents as placeholders."""
    found = run.counts("curate").get("redacted") or {}
    if not found:
        return []
    rows = [Bar(kind, count, f"{count:,}") for kind, count in sorted(found.items(), key=lambda row: (-row[1], row[0]))]
    total = sum(found.values())
    takeaway = f"{plural(total, 'secret or address', 'secrets and addresses')} became placeholders"
    return [Figure(takeaway + ".", both(lambda width: bars(rows, width, f"Bar chart. {takeaway}.")))]


def opinions(run: Run) -> list[Figure]:
    """How far the syntax screen and the compilers agree, where these were asked."""
    found = run.counts("curate").get("compilers") or {}
    if not found:
        return []
    files = sum(row["files"] for row in found.values())
    agreed = sum(row["both_pass"] + row["both_fail"] for row in found.values())
    keys = ("files", "both_pass", "both_fail", "screen_fails", "compiler_fails")
    return [
        Figure(
            f"The syntax screen and the compilers agree on {percent(agreed / max(files, 1))} of {files:,} files.",
            numbers=Numbers(
                ["language", *(key.replace("_", " ") for key in keys)],
                [[language, *(f"{row[key]:,}" for key in keys)] for language, row in sorted(found.items())],
                folded=False,
            ),
        )
    ]


def mixture(run: Run) -> list[Figure]:
    """What was mixed to what, where it was."""
    found = run.counts("curate").get("mix") or []
    if not found:
        return []
    rows = [
        Bar(
            row["group"],
            row["share"],
            percent(row["share"]),
            "accent",
            row["target"],
            f" of {percent(row['target'])} wanted, {size(row['bytes_out'])}, {row['repeats']:.2f} times",
        )
        for row in found
    ]
    takeaway = "Mixed to shares of the bytes"
    return [Figure(takeaway + ".", both(lambda width: bars(rows, width, f"Bar chart. {takeaway}.")))]
