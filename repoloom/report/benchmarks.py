"""The page's sections about benchmarks: scores with their intervals beside published ones, and how programs failed."""

from collections import Counter

from repoloom.report import answers, published
from repoloom.report.inputs import AbsentError, Run, Table
from repoloom.report.numerals import percent, plural
from repoloom.report.page import Figure, Numbers, both
from repoloom.report.plots import Bar, bars

_INSTRUCT = "instruct"


def scores(run: Run) -> Figure:
    """A row for each measure of each benchmark: the score, its interval, untouched tasks alone, the published ones."""
    ran = _ran(run)
    rows, first = [], []
    measured, known = _measured(ran), any(_known(name, found["variant"]) for name, found in ran.items())
    for name, found in ran.items():
        for measure, one in found["scores"].items():
            row = [f"{name}, {_asked(found)}", answers.MEASURES.get(measure, measure), f"{found['tasks']:,}"]
            row += [percent(one["mean"]), f"{percent(one['low'])} to {percent(one['high'])}"]
            row += [_untouched(found, measure)] if measured else []
            row += _published(name, found["variant"], measure) if known else []
            rows.append(row)
        measure, one = next(iter(found["scores"].items()))
        label = f"{name}, {answers.MEASURES.get(measure, measure)}"
        first.append(Bar(label, one["mean"], percent(one["mean"]), "accent"))
    best = max(first, key=lambda bar: bar.value)
    takeaway = f"{plural(len(ran), 'benchmark')}: best {best.label} at {best.words}"
    if len(ran) == 1:
        takeaway = f"{first[0].label}: {first[0].words}"
        one = next(iter(next(iter(ran.values()))["scores"].values()))
        takeaway += f", with 95% confidence between {percent(one['low'])} and {percent(one['high'])}"
    head = ["benchmark", "measure", "tasks", "score", "95% interval"]
    head += ["untouched"] if measured else []
    head += [f"{size} †" for size in published.SIZES] if known else []
    tables = sorted({beside[0] for name, of in ran.items() if (beside := _known(name, of["variant"]))})
    note = "Intervals resample the tasks, those of one function together. "
    note += "Untouched tasks share no ten words in a row with the training corpus. " if measured else ""
    if tables:
        note += f"† DeepSeek Coder's, published, greedy ({', '.join(tables)}): models of billions of parameters and "
        note += "trillions of tokens, here as a measure of the distance."
    return Figure(
        takeaway + ".",
        both(lambda width: bars(first, width, f"Bar chart. {takeaway}.")),
        numbers=Numbers(head, rows, "Scores", False, 2),
        note=note.strip(),
        links=[(answers.page_name(name), f"every sample of {name}") for name in run.answers()],
    )


def failures(run: Run) -> list[Figure]:
    """How the programs of all benchmarks ended; nothing where none was run."""
    ran = {name: found for name, found in _ran(run).items() if found.get("outcomes")}
    if not ran:
        return []
    kinds = Counter[str]()
    for found in ran.values():
        kinds.update(found["outcomes"])
    total, passed = kinds.total(), kinds.pop("passed", 0)
    names = [name for name, _ in kinds.most_common()]
    rows = [Bar(name, kinds[name] / total, f"{kinds[name]:,}") for name in names]
    takeaway = f"Of {plural(total, 'program')}, {passed:,} pass"
    takeaway += f"; most of the others end as “{names[0]}”" if names else ""
    table = [
        [name, *(f"{found['outcomes'].get(kind, 0):,}" for kind in ("passed", *names))] for name, found in ran.items()
    ]
    sandboxes = sorted({str(found["sandbox"]) for found in ran.values()})
    figure = Figure(
        takeaway + ".",
        both(lambda width: bars(rows, width, f"Bar chart. {takeaway}.")) if rows else None,
        numbers=Numbers(["benchmark", "passed", *names], table, "By benchmark"),
        note=f"Run in a sandbox: {'; '.join(sandboxes)}.",
    )
    return [figure]


def _ran(run: Run) -> dict[str, Table]:
    found: Table = run.results()["benchmarks"]
    ran = {name: one for name, one in found.items() if "not_run" not in one}
    if not ran:
        reasons = "; ".join(f"{name}: {one['not_run']}" for name, one in found.items())
        raise AbsentError(f"no benchmark was run{': ' if reasons else ''}{reasons}")
    return ran


def not_run(run: Run) -> list[Figure]:
    """The benchmarks that were asked for and could not be run, and why; nothing where all were, or none."""
    found: Table = run.results()["benchmarks"]
    rows = [[name, str(one["not_run"])] for name, one in found.items() if "not_run" in one]
    if not rows or len(rows) == len(found):
        return []
    return [Figure("Some benchmarks were not run.", numbers=Numbers(["benchmark", "why"], rows, "Why", False, 2))]


def _asked(found: Table) -> str:
    how = "greedy" if not found["temperature"] else f"{found['n']} samples at {found['temperature']:g}"
    return f"{found['variant']}, {how}"


def _untouched(found: Table, measure: str) -> str:
    untouched = found.get("untouched")
    if not untouched or untouched["tasks"] == found["tasks"]:
        return "all" if untouched else ""
    return (
        f"{percent(untouched['scores'][measure]['mean'])} of {untouched['tasks']:,}" if untouched["tasks"] else "none"
    )


def _measured(ran: dict[str, Table]) -> bool:
    return any(found.get("untouched") for found in ran.values())


def _known(name: str, variant: str) -> tuple[str, tuple[float, float, float]] | None:
    """The table and the published scores of a benchmark, as base or instruct models were asked."""
    return (published.INSTRUCT if variant == _INSTRUCT else published.BASE).get(name.partition(":")[0])


def _published(name: str, variant: str, measure: str) -> list[str]:
    known = _known(name, variant)
    return [f"{value:.1f}%" for value in known[1]] if known and measure == "pass@1" else ["", "", ""]
