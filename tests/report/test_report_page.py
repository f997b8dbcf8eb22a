"""The page of a run: complete, self-contained, safe against a corpus, and whole at any point of a run."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from repoloom.errors import UserError
from repoloom.report import report
from repoloom.report.inputs import STAGES

SECTIONS = [
    "flow", "languages", "sizes", "order", "screens", "tokens", "training", "tuning", "scores", "benchmarks", "samples",
    "cost", "recipe", "use",
]  # fmt: skip
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on an element that is closed wrongly."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def change(run: Path, stage: str, alter: Any, name: str = "manifest.json") -> None:
    place = run / stage / name
    value = json.loads(place.read_text("utf-8"))
    alter(value)
    place.write_text(json.dumps(value), "utf-8")


def render(run: Path) -> tuple[str, Page]:
    html = report(run).read_text("utf-8")
    return html, Page(html)


def test_a_finished_run_shows_every_section_and_its_figures(run: Path) -> None:
    _, page = render(run)
    assert [attributes["id"] for tag, attributes in page.tags if tag == "section"] == SECTIONS
    assert "Not in this run" not in page.text
    for expected in (
        "39 repositories woven into a code model of 4.19M parameters, in 9 min 42 s on 2 cores.",
        "71.4% of the 55.9 MB collected survive; the rule that takes most is near-duplicate, 8.10 MB.",
        "85.9% of what is kept is Python, in a corpus of 7 languages; the published corpus holds 15.1% of it.",
        "itsdangerous: 14 files in 8 layers, 35 imports among them; 97.1% point to an earlier file",
        "A vocabulary of 8,199 entries: 3.23 bytes a token, 11.6M tokens to learn from.",
        "A token stands for 3.30 bytes of held-out Python; most of Python (3.30), least of C (2.59).",
        "1.91 bits per byte on repositories it never saw, better than interpolated bigram, xz -9 and unigram.",
        "Of 200 held-out lines, 12.5% are filled in exactly; seeing the suffix adds 8.8 points",
        "2 benchmarks: best infilling-single-line, exact match at 12.5%.",
        "1.3B †",
        "34.8%",
        "32.8%",
        "return len(self.name)",
        "stood there: return len(self.rows)",
        "exactly what stood there",
        "Example CPU @ 2.8 GHz, 2 cores",
        "repoloom complete",
    ):
        assert expected in page.text, expected


def test_the_page_needs_nothing_from_outside(run: Path) -> None:
    html, page = render(run)
    assert not {"script", "iframe", "object", "embed", "img"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes), tag
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
    assert "@import" not in html
    assert not re.search(r"url\((?!data:)", html)


def test_drawings_are_well_formed_and_described(run: Path) -> None:
    html, page = render(run)
    drawings = re.findall(r"<svg .*?</svg>", html, re.DOTALL)
    assert len(drawings) >= 20
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        assert root.get("role") == "img"
        assert len(root.get("aria-label") or "") > 20
        width, height = map(float, (root.get("viewBox") or "").split()[2:])
        assert width in (760, 350)
        assert 40 < height < 1200
        assert "nan" not in drawing
    assert len([1 for tag, attributes in page.tags if attributes.get("class") == "takeaway"]) >= 14
    ElementTree.fromstring((run / "report" / "preview.svg").read_text("utf-8"))


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_without_a_stage_says_so_and_shows_the_rest(run: Path, stage: str) -> None:
    shutil.rmtree(run / stage)
    _, page = render(run)
    assert [attributes["id"] for tag, attributes in page.tags if tag == "section"] == SECTIONS
    name = {"model": "export", "model-instruct": "export (instruct)"}.get(stage, stage)
    assert f"not finished yet: {name}." in page.text
    if stage not in {"tokenizer", "model", "model-instruct"}:  # they have no figure of their own
        assert f"Not in this run: {stage} has " in page.text


def test_only_collect_finished(run: Path) -> None:
    for stage in STAGES[1:]:
        shutil.rmtree(run / stage, ignore_errors=True)
    _, page = render(run)
    assert "55.9 MB were collected; curation has not finished" in page.text
    assert "39 repositories on their way to a code model." in page.text


def test_what_collect_left_out_stands_apart_where_it_dwarfs_the_rest(run: Path) -> None:
    def alter(manifest: Any) -> None:
        manifest["counts"]["in"]["bytes"] += 900_000_000
        manifest["counts"]["dropped"]["size"]["bytes"] += 900_000_000

    change(run, "collect", alter)
    html, page = render(run)
    assert (
        "961 MB in 6,920 files were found, 55.9 MB of them collected; the rule that leaves out most is size."
        in page.text
    )
    assert "the rule that takes most is near-duplicate" in page.text
    flow = re.search(r'<svg [^>]*aria-label="Sankey.*?</svg>', html, re.DOTALL)
    assert flow is not None
    assert ">found<" not in flow.group()
    assert ">size<" not in flow.group()


def test_an_unfinished_training_shows_its_curve_so_far(run: Path) -> None:
    (run / "pretrain" / "manifest.json").unlink()
    metrics = run / "pretrain" / "metrics.jsonl"
    lines = metrics.read_text("utf-8").splitlines()[:300]
    metrics.write_text("\n".join(lines) + '\n{"step": 299, "lo', "utf-8")
    _, page = render(run)
    assert re.search(r"in 29\d steps and [\d.]+M tokens so far: it has not finished", page.text)


def test_steps_that_taught_to_copy_are_told_from_the_rest(run: Path) -> None:
    said = "steps teach to copy: their text is random words that come twice"
    assert said not in render(run)[1].text
    change(run, "pretrain", lambda manifest: manifest["settings"].update(batches={"copying": 250}))
    assert f"The first 250 {said}" in render(run)[1].text


def test_a_broken_manifest_is_an_unfinished_stage(run: Path) -> None:
    (run / "tune" / "manifest.json").write_bytes(b'{"counts": \xff')
    assert "not finished yet: tune." in render(run)[1].text


def test_what_was_not_run_is_said_with_its_reason(run: Path) -> None:
    def alter(results: Any) -> None:
        results["benchmarks"] = {"humaneval": {"not_run": "no sandbox: install bubblewrap"}}
        results["infilling"] = {"not_run": "nothing is held out (curate.heldout in the recipe)"}
        results["samples"] = []

    change(run, "evaluate", alter, "results.json")
    text = render(run)[1].text
    assert "Not in this run: no benchmark was run: humaneval: no sandbox: install bubblewrap." in text
    assert "Not in this run: infilling, nothing is held out (curate.heldout in the recipe)." in text
    assert "Not in this run: no samples were written." in text
    assert "published, DeepSeek Coder" in text


def test_long_samples_are_cut_where_it_does_not_hurt(run: Path) -> None:
    def alter(results: Any) -> None:
        sample = {key: "\n".join(f"{key} {line}" for line in range(100)) for key in ("prompt", "suffix", "output")}
        results["samples"] = [sample | {"kind": "infill", "title": "long.py", "reference": "\nfirst\nsecond\n"}]

    change(run, "evaluate", alter, "results.json")
    text = render(run)[1].text
    assert "⋮\nprompt 86\n" in text
    assert "prompt 99output 0\n" in text
    assert "output 15\n⋮suffix 0\n" in text
    assert "suffix 7\n⋮" in text
    assert "suffix 8" not in text
    assert "stood there: \nfirst\nsecond\n" in text


def test_a_model_worse_than_its_baselines_is_told_as_it_is(run: Path) -> None:
    change(run, "evaluate", lambda results: results["bits_per_byte"].update(model=2.3), "results.json")
    assert "better than xz -9 and unigram, but not better than interpolated bigram." in render(run)[1].text


def test_a_manifest_of_another_version_costs_one_line(run: Path) -> None:
    change(run, "curate", lambda manifest: manifest["counts"].pop("example"))
    text = render(run)[1].text
    assert "Not in this run: its numbers hold no “example”." in text
    assert "420 documents" in text


def test_an_empty_corpus_renders(run: Path) -> None:
    def alter(manifest: Any) -> None:
        nothing = {"repositories": 0, "files": 0, "bytes": 0}
        counts = manifest["counts"]
        counts["dropped"]["near-duplicate"]["bytes"] += counts["kept"]["bytes"] + counts["heldout"]["bytes"]
        counts.update(
            kept=nothing, heldout=nothing, languages={}, repositories=[], document_bytes=[],
            edges={"found": 0, "forward": 0}, example=None,
        )  # fmt: skip

    change(run, "curate", alter)
    change(run, "pack", lambda manifest: manifest["counts"].update(
        train={"documents": 0, "files": 0, "tokens": 0, "bytes": 0}, heldout={}, bytes_per_token=0.0))  # fmt: skip
    text = render(run)[1].text
    assert "0.0% of the 55.9 MB collected survive" in text
    assert "Not in this run: curate kept no file." in text


HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>]]></svg></style></title>"
    "\u202egnp.exe\x00\x1b[31m\ud800{{ 7*7 }}"
)


def test_hostile_names_and_code_are_text(run: Path) -> None:
    def curate(manifest: Any) -> None:
        counts = manifest["counts"]
        counts["repositories"][0]["repo"] = HOSTILE
        counts["repositories"][0]["bytes"] = 10**9
        files = [HOSTILE, HOSTILE + "/b" * 2000, "c"]
        counts["example"] = {"repo": HOSTILE, "files": files, "edges": [[files[1], files[0]], [files[0], files[2]]]}
        counts["dropped"][HOSTILE] = {"repositories": 0, "files": 3, "bytes": 30_000_000}
        counts["languages"][HOSTILE] = {"in_files": 1, "in_bytes": 1, "kept_files": 1, "kept_bytes": 10**8}
        manifest["settings"][HOSTILE] = HOSTILE

    def results(value: Any) -> None:
        keys = ("kind", "title", "prompt", "suffix", "output", "reference")
        value["samples"].append({key: HOSTILE + key for key in keys})
        value["benchmarks"]["humaneval"]["outcomes"] = {HOSTILE: 4}

    _, clean = render(run)
    change(run, "curate", curate)
    change(run, "evaluate", results, "results.json")
    html, page = render(run)
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in clean.tags}
    assert page.text.count("<script>alert(1)</script>") > 10
    assert "\\u202egnp.exe\\u0000\\u001b[31m\\ud800{{ 7*7 }}" in page.text
    assert not re.search("[\u202e\x00\x1b]", html)
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
    for drawing in [*re.findall(r"<svg .*?</svg>", html, re.DOTALL), (run / "report" / "preview.svg").read_text()]:
        ElementTree.fromstring(drawing)


def test_made_again_only_when_something_changed(run: Path) -> None:
    page = report(run)
    before = page.stat().st_mtime_ns
    assert report(run) == page
    assert page.stat().st_mtime_ns == before
    change(run, "evaluate", lambda results: results["bits_per_byte"].update(model=1.5), "results.json")
    report(run)
    assert page.stat().st_mtime_ns != before
    assert "1.50 bits per byte" in page.read_text("utf-8")


def test_a_folder_without_a_run_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no finished stage"):
        report(tmp_path)
    assert not (tmp_path / "report").exists()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium to lay the page out in")
def test_no_sideways_scrolling_from_phone_to_desktop(run: Path, tmp_path: Path) -> None:
    html = re.sub(r"<meta http-equiv=[^>]*>", "", report(run).read_text("utf-8"))
    widths = [320, 390, 640, 900, 1280]
    frames = "".join(f"<iframe style='width:{width}px;height:900px;border:0'></iframe>" for width in widths)
    measure = (
        "const html = JSON.parse(document.getElementById('page').textContent);"
        "for (const f of document.querySelectorAll('iframe')) {"
        "  const d = f.contentDocument; d.open(); d.write(html); d.close();"
        "  for (const e of d.querySelectorAll('details')) e.open = true;"
        "  f.replaceWith(document.createTextNode('[' + d.documentElement.scrollWidth + ']')); }"
    )
    payload = json.dumps(html).replace("<", "\\u003c")
    wrapper = tmp_path / "frames.html"
    wrapper.write_text(f"{frames}<script id=page type=application/json>{payload}</script><script>{measure}</script>")
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--dump-dom",
        wrapper.as_uri(),
    ]  # fmt: skip
    printed = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    found = [int(number) for number in re.findall(r"\[(\d+)\]", printed.partition("<script")[0])]
    assert found == widths


def test_text_has_contrast_in_light_and_dark() -> None:
    style = (Path(report.__code__.co_filename).parent / "chart.css").read_text("utf-8")
    light, dark = (dict(re.findall(r"--([a-z-]+): #([0-9a-f]{6})", part)) for part in style.split("@media")[:2])
    for colours in (light, dark):
        for ink, paper in (
            ("ink", "paper"), ("muted", "paper"), ("accent", "paper"), ("ink", "wash"), ("muted", "wash"),
        ):  # fmt: skip
            assert _contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper, colours)
    assert _contrast("8f3010", light["accent-wash"]) >= 4.5
    assert _contrast(dark["accent"], dark["accent-wash"]) >= 4.5


def _contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio."""
    light = sorted(_luminance(colour) for colour in (one, other))
    return (light[1] + 0.05) / (light[0] + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_benchmarks_stand_beside_published_scores(run: Path) -> None:
    text = render(run)[1].text
    assert "2 benchmarks: best infilling-single-line, exact match at 12.5%." in text
    for words in ("0.6%", "0.0% to 1.8%", "0.0% of 160", "34.8%", "49.4%", "56.1%", "Table 3"):
        assert words in text
    assert "Of 164 programs, 1 pass; most of the others end as “wrong answer”." in text
    assert "the model's context of 512 tokens is too short" in text


def test_every_sample_has_a_place_on_its_benchmarks_page(run: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"task_id": f"HumanEval/{n}", "prompt": "def f():\n", "completion": f"    return {n}", "outcome": outcome}
        for n, outcome in enumerate(("wrong answer", "wrong answer", "passed"))
    ]
    rows.append({**rows[0], "task_id": HOSTILE, "completion": HOSTILE, "detail": HOSTILE, "shared": 12})
    samples = run / "evaluate" / "samples"
    samples.mkdir()
    lines = [json.dumps(row) for row in rows]
    (samples / "humaneval.jsonl").write_text("\n".join(lines) + '\n{"task_id": "torn', "utf-8")
    html = render(run)[0]
    assert 'href="samples-humaneval.html"' in html
    shown = (run / "report" / "samples-humaneval.html").read_text("utf-8")
    found = Page(shown)
    assert [tag for tag, _ in found.tags].count("details") == 4
    assert found.text.index("wrong answer: 3 samples") < found.text.index("passed: 1 sample")
    assert "shares 12 words in a row with the training corpus" in found.text
    assert found.text.count("<script>alert(1)</script>") == 3
    assert "script" not in {tag for tag, _ in found.tags}


def test_an_evaluation_outside_a_run_has_a_page(run: Path, tmp_path: Path) -> None:
    alone = tmp_path / "scores"
    (run / "evaluate").rename(alone)
    change(alone.parent, "scores", lambda manifest: manifest.update(stage="evaluate", counts={"model": "a-model"}))
    page = report(alone)
    text = page.read_text("utf-8")
    assert "What a-model can do, measured." in text
    assert "Not in this run: collect" not in text
    assert "34.8%" in text
    assert not (alone / "report" / "preview.svg").exists()
