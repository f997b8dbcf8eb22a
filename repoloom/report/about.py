"""The page's parts about the run itself: the strip of figures, what stages cost, settings, use."""

from collections.abc import Callable, Iterator

from repoloom.report.inputs import STAGES, AbsentError, Run, Table
from repoloom.report.numerals import compact, duration, percent, plural, size
from repoloom.report.page import Commands, Figure, Numbers, both
from repoloom.report.plots import Bar, bars


def cost(run: Run) -> Figure:
    """Seconds and memory of each stage, and the machine."""
    ran = [(stage, run.manifest(stage)["run"]) for stage in STAGES if stage in run.finished]
    total = sum(work["seconds"] for _, work in ran)
    longest = max(ran, key=lambda item: item[1]["seconds"])
    memory = max(work["peak_memory_mb"] for _, work in ran)
    rows = [
        Bar(_name(stage), work["seconds"], duration(work["seconds"]), "accent" if stage == longest[0] else "faint")
        for stage, work in ran
    ]
    machine = ran[-1][1]["machine"]
    share = percent(longest[1]["seconds"] / total) if total else "0%"
    takeaway = f"{duration(total)} in all, {share} of it in {_name(longest[0])}; at most {size(memory * 1e6)} of memory"
    resumed = [stage for stage, work in ran if work.get("resumed")]
    return Figure(
        takeaway + ".",
        both(lambda width: bars(rows, width, f"Bar chart. {takeaway}.")),
        numbers=Numbers(
            ["stage", "seconds", "peak memory"],
            [[_name(stage), f"{work['seconds']:,.1f}", size(work["peak_memory_mb"] * 1e6)] for stage, work in ran],
        ),
        note=f"{machine['processor']}, {plural(machine['cores'], 'core')}, {machine['memory_gb']} GB of memory; "
        f"{machine['system']}, Python {machine['python']}."
        + (
            f" Interrupted and resumed, time of the last part only: {', '.join(map(_name, resumed))}."
            if resumed
            else ""
        ),
    )


def headline(run: Run) -> list[tuple[str, str]]:
    """The strip at the top: (figure, what it is), for whatever this run has."""
    strip: list[tuple[str, Callable[[], str]]] = [
        ("repositories", lambda: f"{run.counts('collect')['kept']['repositories']:,}"),
        ("files collected", lambda: f"{run.counts('collect')['kept']['files']:,}"),
        ("collected", lambda: size(run.counts("collect")["kept"]["bytes"])),
        ("kept to train on", lambda: size(run.counts("curate")["kept"]["bytes"])),
        ("training tokens", lambda: compact(run.counts("pack")["train"]["tokens"])),
        ("parameters", lambda: compact(run.counts("pretrain")["parameters"])),
        ("bits per byte, held out", lambda: f"{run.results()['bits_per_byte']['model']:.2f}"),
        ("from start to end", lambda: duration(sum(run.manifest(s)["run"]["seconds"] for s in run.finished))),
    ]
    found = []
    for name, value in strip:
        try:
            found.append((value(), name))
        except AbsentError:
            if not run.alone:
                found.append(("–", name))
    return found


def summary(run: Run) -> str:
    """The run in one sentence."""
    try:
        if run.alone:
            return f"What {'/'.join(str(run.counts('evaluate')['model']).rsplit('/', 2)[-2:])} can do, measured."
        repositories = plural(run.counts("collect")["kept"]["repositories"], "repository", "repositories")
        if "pretrain" not in run.finished:
            return f"{repositories} on their way to a code model."
        size_ = compact(run.counts("pretrain")["parameters"])
        ran = [run.manifest(stage)["run"] for stage in run.finished]
        time = duration(sum(work["seconds"] for work in ran))
        return (
            f"{repositories} woven into a code model of {size_} parameters, in {time} "
            f"on {plural(ran[-1]['machine']['cores'], 'core')}."
        )
    except AbsentError:
        return "Repositories woven into a code model."


def unfinished(run: Run) -> list[str]:
    """The stages that have left no manifest."""
    return [_name(stage) for stage in STAGES if stage not in run.finished and not run.alone]


def _name(stage: str) -> str:
    return {"model": "export", "model-instruct": "export (instruct)"}.get(stage, stage)


def settings(run: Run) -> Figure:
    """The recipe: every setting of every finished stage, as its manifest holds it."""
    rows: list[list[str]] = []
    seen: set[str] = set()
    for stage in run.finished:
        for name, value in _flat(run.manifest(stage)["settings"], ""):
            # A stage that fingerprints the whole recipe repeats the tables of others.
            if (line := f"{name}={value}") not in seen:
                seen.add(line)
                rows.append([stage, name, value])
    if not rows:
        raise AbsentError("no stage with settings has finished")
    return Figure(
        f"{plural(len(rows), 'setting')} made this run; the same recipe on the same input gives the same bytes.",
        numbers=Numbers(["stage", "setting", "value"], rows, "Every setting", words=3),
    )


def _flat(table: Table, above: str) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, Table):
            yield from _flat(value, f"{above}{name}.")
        elif isinstance(value, list):
            yield above + name, ", ".join(str(one) for one in value) or "none"
        else:
            yield above + name, "not set" if value is None else str(value)


def use(run: Run) -> Commands:
    """The lines that put the model to work."""
    if "pretrain" not in run.finished:
        raise AbsentError("pretrain has not finished: there is no model yet")
    here = f"{run.folder.resolve().parent.name}/{run.folder.resolve().name}"
    model = "model" if (run.folder / "model").is_dir() else "pretrain/model"
    lines = [
        ("fill in at a place of a file", f"repoloom complete {here}/{model} FILE:LINE:COLUMN"),
        ("answer OpenAI's completions and chat requests", f"repoloom serve {here}/{model}"),
    ]
    if "tune" in run.finished:
        instruct = "model-instruct" if (run.folder / "model-instruct").is_dir() else "tune/model"
        lines.append(("talk to the instruct model", f"repoloom chat {here}/{instruct}"))
    if (run.folder / "model" / "model.gguf").is_file():
        lines.append(("the same model in llama.cpp", f"llama-server --model {here}/model/model.gguf"))
    if "curate" in run.finished:
        lines.append(("why a file was kept or dropped", f"repoloom explain {here} REPOSITORY/PATH"))
    return Commands(lines)
