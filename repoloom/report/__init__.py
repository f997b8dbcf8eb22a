"""The run as one HTML page: self-contained, without JavaScript, made from the manifests and metrics that stand.

Whatever a run lacks (a stage that has not finished, a benchmark that was not run) is said in one line in its place: the
page renders at any point of a run.
"""

import importlib.metadata
from collections.abc import Callable, Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from repoloom.report import about, answers, benchmarks, corpus, curation, learning, preview, results
from repoloom.report.inputs import AbsentError, Run
from repoloom.report.numerals import plural
from repoloom.report.page import Block, Section
from repoloom.report.svg import visible
from repoloom.stage import atomic_write, build, digest_file

_HERE = Path(__file__).parent
_Maker = Callable[[Run], Block | Sequence[Block]]

_BENCHMARKS: tuple[_Maker, ...] = (benchmarks.scores, benchmarks.failures, benchmarks.not_run)

_SECTIONS: tuple[tuple[str, str, tuple[_Maker, ...]], ...] = (
    ("flow", "What came in, what stayed", (corpus.collection, corpus.flow)),
    ("languages", "Languages", (corpus.languages,)),
    ("sizes", "Repositories and documents", (corpus.repositories, corpus.documents)),
    ("order", "The order of a repository", (corpus.example,)),
    (
        "screens",
        "Screens, secrets and the mix",
        (curation.scores, curation.hidden, curation.opinions, curation.mixture),
    ),
    ("tokens", "Tokens", (learning.tokens, learning.languages)),
    ("training", "Training", (lambda run: learning.loss(run, "pretrain"), learning.learning_rate)),
    ("tuning", "Instruction tuning", (lambda run: learning.loss(run, "tune"),)),
    ("scores", "Scores", (results.bits_per_byte, results.infilling)),
    ("benchmarks", "Benchmarks", _BENCHMARKS),
    ("samples", "What it writes", (results.samples,)),
    ("cost", "Time and memory", (about.cost,)),
    ("recipe", "The recipe", (about.settings,)),
    ("use", "Use the model", (about.use,)),
)

_ALONE: tuple[tuple[str, str, tuple[_Maker, ...]], ...] = (
    ("benchmarks", "Benchmarks", _BENCHMARKS),
    ("text", "Text", (results.text,)),
    ("cost", "Time and memory", (about.cost,)),
)
"""Of an evaluation outside a run."""


def report(run: Path) -> Path:
    """Write `run/report/index.html`, a page for each benchmark's samples and, of a run, `preview.svg` (for a README).

    `run` is a run's folder or one that `evaluate` wrote. Returns the page's path.

    Raises UserError where `run` holds no finished stage.
    """
    found = Run(run)
    files = {file.name: digest_file(file) for form in ("*.css", "*.jinja") for file in sorted(_HERE.glob(form))}
    inputs = {"name": run.resolve().name, "files": found.digests(), "page": files}
    with build(run / "report", "report", inputs=inputs, settings={}, code=["report"], libraries=["jinja2"]) as work:
        if work.finished is None:
            sections = [_section(found, *section) for section in (_ALONE if found.alone else _SECTIONS)]
            atomic_write(work.path("index.html"), _page(found, sections))
            for benchmark, samples in found.answers().items():
                atomic_write(work.path(answers.page_name(benchmark)), _answers(found, benchmark, samples))
            if not found.alone:
                atomic_write(work.path("preview.svg"), preview.card(found))
            work.finish({"sections": len(sections), "absent": [line for one in sections for line in one.absent]})
    return work.path("index.html")


def _section(run: Run, slug: str, title: str, makers: Sequence[_Maker]) -> Section:
    blocks: list[Block] = []
    absent: list[str] = []
    for maker in makers:
        try:
            made = maker(run)
        except AbsentError as reason:
            if str(reason) not in absent:
                absent.append(str(reason))
        else:
            blocks += made if isinstance(made, Sequence) else [made]
    return Section(slug, title, blocks, absent)


def _page(run: Run, sections: Sequence[Section]) -> str:
    return _filled(
        "page.html.jinja",
        name=run.folder.resolve().name,
        summary=about.summary(run),
        strip=about.headline(run),
        sections=sections,
        unfinished=about.unfinished(run),
    )


def _answers(run: Run, benchmark: str, samples: Path) -> str:
    groups = answers.groups(samples)
    count = sum(len(group.answers) for group in groups)
    return _filled(
        "answers.html.jinja",
        name=run.folder.resolve().name,
        benchmark=benchmark,
        summary=plural(count, "sample"),
        groups=groups,
    )


def _filled(template: str, **what: object) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        **what,
        version=importlib.metadata.version("repoloom"),
        # Our own file: it holds nothing of a run.
        style=Markup("\n".join((_HERE / name).read_text("utf-8") for name in ("chart.css", "page.css"))),  # noqa: S704
    )
