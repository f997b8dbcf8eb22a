"""The page's sections about the corpus: what came in and left, languages, sizes, and one repository's order."""

from repoloom.languages import LANGUAGES
from repoloom.report import published
from repoloom.report.graph import graph, layers
from repoloom.report.inputs import AbsentError, Run, Table
from repoloom.report.numerals import percent, plural, size
from repoloom.report.page import Figure, Numbers, both
from repoloom.report.plots import Bar, bars, histogram
from repoloom.report.sankey import Link, Node, sankey

_RULES_SHOWN = 11
_LEFT_OUT = {
    "size": "too large a file",
    "binary": "not text",
    "sample": "beyond the sample",
    "language": "no language of the list",
    "environment": "installed, not source",
}
"""What those of collect's rules say whose names do not."""


Drop = tuple[str, str, Table]
"""A stage, one of its rules, and what the rule took: files and bytes."""


def collection(run: Run) -> list[Figure]:
    """What collect left out, where that dwarfs the rest; nothing where the flow has room for it."""
    counts = run.counts("collect")
    if _together(run):
        return []
    drops = _drops(run, "collect")
    rows = [Bar("collected", counts["kept"]["bytes"], size(counts["kept"]["bytes"]), "accent")]
    names = {rule: f"{rule}: {_LEFT_OUT[rule]}" if rule in _LEFT_OUT else rule for _, rule, _ in drops}
    rows += [Bar(names[rule], drop["bytes"], size(drop["bytes"])) for _, rule, drop in drops]
    takeaway = (
        f"{size(counts['in']['bytes'])} in {plural(counts['in']['files'], 'file')} were found, "
        f"{size(counts['kept']['bytes'])} of them collected; the rule that leaves out most is {drops[0][1]}"
    )
    return [
        Figure(
            takeaway + ".",
            both(lambda width: bars(rows, width, f"Bar chart. {takeaway}.")),
            numbers=_amounts([("found", "", counts["in"]), ("collected", "", counts["kept"])], drops),
        )
    ]


def flow(run: Run) -> Figure:
    """Bytes from the sources to the corpus, and every rule that took some."""
    counts = run.counts("collect")
    nodes, links = threads(run)
    if "curate" in run.finished:
        ends, drops = _ends(run), _drops(run, "curate")
        survived = sum(amount["bytes"] for _, amount, _ in ends) / max(counts["kept"]["bytes"], 1)
        takeaway = f"{percent(survived)} of the {size(counts['kept']['bytes'])} collected survive"
        if drops:
            takeaway += f"; the rule that takes most is {drops[0][1]}, {size(drops[0][2]['bytes'])}"
    else:
        ends, drops = [], []
        takeaway = f"{size(counts['kept']['bytes'])} were collected; curation has not finished"
    if _together(run):
        drops = drops + _drops(run, "collect")
    amounts = [("collected", "", counts["kept"]), *((name, "", amount) for name, amount, _ in ends)]
    return Figure(
        takeaway + ".",
        both(lambda width: sankey(nodes, links, width, f"Sankey diagram. {takeaway}.")),
        numbers=_amounts(amounts, drops),
        note="Published, for comparison: DeepSeek Coder’s filter rules left "
        f"{percent(published.SHARE_KEPT)} of the bytes of public GitHub. Every drop has a row in the ledger with its "
        "measure and threshold: ask repoloom explain.",
    )


def threads(run: Run) -> tuple[list[Node], list[Link]]:
    """The flow's bars and ribbons: what was found (where collect left out little), collected, and where it ended."""
    counts = run.counts("collect")
    names = (["found"] if _together(run) else []) + (["collected"] if "curate" in run.finished else [])
    amounts = {"found": counts["in"], "collected": counts["kept"]}
    nodes = [
        Node(name, size(amounts[name]["bytes"]), amounts[name]["bytes"], column, "ink")
        for column, name in enumerate(names or ["found"])
    ]
    hub = len(nodes) - 1
    links = [Link(0, 1)] if hub else []
    drops = _drops(run, "curate") if "curate" in run.finished else []
    drops += _drops(run, "collect") if nodes[0].label == "found" else []
    drops.sort(key=lambda drop: -drop[2]["bytes"])
    shown, rest = (drops, []) if len(drops) <= _RULES_SHOWN + 1 else (drops[:_RULES_SHOWN], drops[_RULES_SHOWN:])
    if rest:
        amount = Table({key: sum(drop[key] for _, _, drop in rest) for key in ("files", "bytes")})
        shown.append((rest[0][0], f"{len(rest)} smaller rules", amount))
    # What collect dropped leaves from the first bar: it stands last, below the ribbons of curate.
    shown.sort(key=lambda drop: drop[0] == "collect")
    ends = [(hub, name, amount, tone) for name, amount, tone in _ends(run) if amount["bytes"]]
    ends += [(hub if stage == "curate" else 0, rule, amount, "faint") for stage, rule, amount in shown]
    for source, name, amount, tone in ends:
        links.append(Link(source, len(nodes)))
        files = plural(amount["files"], "file")
        nodes.append(Node(name, size(amount["bytes"]), amount["bytes"], hub + 1, tone, files))
    return nodes, links


def _together(run: Run) -> bool:
    """Whether collect's drops fit into the same drawing: beside a gigabyte of binaries nothing else is to be seen."""
    counts = run.counts("collect")
    return bool(counts["kept"]["bytes"] * 4 >= counts["in"]["bytes"])


def _ends(run: Run) -> list[tuple[str, Table, str]]:
    if "curate" not in run.finished:
        return [("collected", run.counts("collect")["kept"], "accent")]
    curate = run.counts("curate")
    return [("kept for training", curate["kept"], "accent"), ("held out", curate["heldout"], "soft")]


def _drops(run: Run, stage: str) -> list[Drop]:
    """A stage's rules and what each took, the largest first."""
    dropped = sorted(run.counts(stage)["dropped"].items(), key=lambda item: -item[1]["bytes"])
    return [(stage, rule, drop) for rule, drop in dropped if drop["files"] or drop["bytes"]]


def _amounts(amounts: list[tuple[str, str, Table]], drops: list[Drop]) -> Numbers:
    """The table below the drawings; shares are of its first row."""
    rows = [*amounts, *((rule, stage, drop) for stage, rule, drop in drops)]
    total = max(rows[0][2]["bytes"], 1)
    return Numbers(
        ["what", "dropped by", "files", "bytes", "share"],
        [
            [name, stage, f"{amount['files']:,}", size(amount["bytes"]), percent(amount["bytes"] / total)]
            for name, stage, amount in rows
        ],
        "Every rule",
        words=2,
    )


def languages(run: Run) -> Figure:
    """The share of each language in the corpus beside the published share."""
    kept = {name: row["kept_bytes"] for name, row in run.counts("curate")["languages"].items()}
    total = sum(kept.values())
    if not total:
        raise AbsentError("curate kept no file")
    ours = sorted((name for name in kept if kept[name]), key=lambda name: (-kept[name], name))
    names = ours[:8] + [name for name in ("java", "python", "cpp") if name not in ours[:8]]
    rows = [
        Bar(
            _name(name),
            kept.get(name, 0) / total,
            percent(kept.get(name, 0) / total),
            "accent" if kept.get(name) else "faint",
            published.LANGUAGES.get(name, 0.0),
            percent(published.LANGUAGES[name]) if name in published.LANGUAGES else "–",
        )
        for name in names
    ]
    table = run.counts("curate")["languages"]
    first = ours[0]
    takeaway = f"{percent(kept[first] / total)} of what is kept is {_name(first)}"
    takeaway += f", in a corpus of {plural(len(ours), 'language')}"
    if first in published.LANGUAGES:
        takeaway += f"; the published corpus holds {percent(published.LANGUAGES[first])} of it"
    return Figure(
        takeaway + ".",
        both(lambda width: bars(rows, width, f"Bar chart. {takeaway}.")),
        key=[("accent", "this run"), ("published", "published, DeepSeek Coder")],
        numbers=Numbers(
            ["language", "files in", "files kept", "in", "kept", "share", "published"],
            [
                [
                    _name(name),
                    f"{row['in_files']:,}",
                    f"{row['kept_files']:,}",
                    size(row["in_bytes"]),
                    size(row["kept_bytes"]),
                    percent(row["kept_bytes"] / total),
                    percent(published.LANGUAGES[name]) if name in published.LANGUAGES else "–",
                ]
                for name, row in sorted(table.items(), key=lambda item: (-item[1]["kept_bytes"], item[0]))
            ],
            "Every language",
        ),
    )


def _name(language: str) -> str:
    return LANGUAGES[language].name if language in LANGUAGES else language


def repositories(run: Run) -> Figure:
    """How large the repositories are that curation kept."""
    listed = sorted(run.counts("curate")["repositories"], key=lambda row: (-row["bytes"], row["repo"]))
    if not any(row["bytes"] for row in listed):
        raise AbsentError("curate kept no repository")
    heldout = [row for row in listed if row["heldout"]]
    total = sum(row["bytes"] for row in listed)
    takeaway = (
        f"{plural(len(listed), 'repository', 'repositories')} of {size(total)}, {len(heldout)} of them held out whole; "
        f"the largest, {listed[0]['repo']}, is {percent(listed[0]['bytes'] / total)} of the bytes"
    )
    return Figure(
        takeaway + ".",
        both(
            lambda width: histogram(
                [row["bytes"] for row in listed], width, f"Histogram. {takeaway}.", what="repositories"
            )
        ),
        numbers=Numbers(
            ["repository", "", "files", "bytes", "documents"],
            [
                [
                    row["repo"],
                    "held out" if row["heldout"] else "",
                    f"{row['files']:,}",
                    size(row["bytes"]),
                    _number(row["documents"]),
                ]
                for row in listed
            ],
            "Every repository",
            words=2,
        ),
    )


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{len(value):,}" if isinstance(value, list) else "–"


def documents(run: Run) -> Figure:
    """How long the training documents are."""
    sizes = sorted(run.counts("curate")["document_bytes"])
    if not sizes:
        raise AbsentError("curate made no document")
    large, seen = 0, 0
    while seen * 2 < sum(sizes):
        large += 1
        seen += sizes[-large]
    takeaway = (
        f"{plural(len(sizes), 'document')}, half of the bytes in the {plural(large, 'largest', 'largest')}: "
        "most files of a repository hang together in one graph"
        if large * 4 <= len(sizes)
        else f"{plural(len(sizes), 'document')} of {size(sizes[0])} to {size(sizes[-1])}"
    )
    return Figure(
        takeaway + ".",
        both(lambda width: histogram(sizes, width, f"Histogram. {takeaway}.", what="documents")),
        note="A document is one connected component of a repository’s dependency graph, its files in order.",
    )


def example(run: Run) -> Figure:
    """One repository's dependency graph and the order that its files got."""
    shown = run.counts("curate")["example"]
    if not shown or not shown.get("files"):
        raise AbsentError("no repository of a size that can be drawn")
    files = list(shown["files"])
    place = {path: number for number, path in enumerate(files)}
    edges = sorted((place[a], place[b]) for a, b in shown["edges"] if a in place and b in place and a != b)
    forward = sum(used < user for user, used in edges)
    everywhere = run.counts("curate")["edges"]
    deep = max(layers(len(files), edges)) + 1
    takeaway = f"{shown['repo']}: {plural(len(files), 'file')} in {plural(deep, 'layer')}, "
    takeaway += f"{plural(len(edges), 'import')} among them; "
    takeaway += (
        "every file comes after all it uses"
        if forward == len(edges)
        else f"{percent(forward / len(edges))} point to an earlier file, cycles stand in the way of the others"
    )
    share = everywhere["forward"] / everywhere["found"] if everywhere["found"] else 0
    return Figure(
        takeaway + ".",
        both(lambda width: graph(files, edges, width, f"Dependency graph. {takeaway}.")),
        key=[
            ("edge", "an import"),
            *([("back", "against the order, because of a cycle")] if forward < len(edges) else []),
        ],
        note=f"In the whole corpus {everywhere['found']:,} import edges were found; in {percent(share)} of them the "
        "used file stands before its user.",
        listing=files,
    )
