import pytest
from curated import package

from repoloom.curate import quality
from repoloom.curate.quality import MODULARITY, READABILITY, SCORED, scores
from repoloom.languages import LANGUAGES

GOOD = """# Adds what it is given.
def add(first, second):
    return first + second


# Takes it away again.
def remove(first, second):
    return first - second
"""


def features(language: str, text: str) -> dict[str, float]:
    found = scores(language, text)
    assert found is not None
    return dict(found.features)


def test_every_feature_is_what_its_name_says() -> None:
    assert features("python", GOOD) == {
        "long_lines": 0.0,
        "nesting": 1.0,
        "short_names": 0.0,
        "uncommented": 4 / 6,
        "dead_text": 0.0,
        "definition_lines": 2.0,
        "longest_definition": 2.0,
        "definitions": 2.0,
    }
    assert features("python", "x = " + "a" * 120 + "\ny = 1\n")["long_lines"] == 0.5
    assert features("python", "i = j + value\n")["short_names"] == 2 / 3
    assert features("c", "// x = f(y);\n// words, in prose\nint x;\n")["dead_text"] == 1 / 3
    assert features("rust", "/// let x = 1;\n//! y();\nfn f() {}\n")["dead_text"] == 0
    assert features("go", "func f() {\n" + "\tx()\n" * 30 + "}\nfunc g() {\n}\n")["longest_definition"] == 32


@pytest.mark.parametrize(
    ("language", "text", "count"),
    [
        (
            "c",
            "static int f(int x)\n{\n  if (x) {\n  }\n}\nint g(void);\nvoid h(char *a,\nint b) { while (1) { } }\n",
            2,
        ),
        (
            "cpp",
            "template <class T> struct A {\n  A() : b(1) {}\n  void f() const override {\n    for (;;) {}\n  }\n};\n",
            3,
        ),
        ("java", "public final class A {\n  private int f(int x) throws B {\n    switch (x) { }\n  }\n}\n", 2),
        ("javascript", "export default async function f() {}\nclass A {\n  g(x) {\n    if (x) {\n    }\n  }\n}\n", 3),
        (
            "typescript",
            "export const f = async (a: A): B => {\n};\nconst g = (\n  a: A,\n): B => {\n};\nx = y.map(z);\n",
            2,
        ),
        (
            "typescript",
            "class A {\n  static f(\n    a: A,\n    b: (c: C) => D,\n  ): B {\n  }\n  on = (e) => {};\n}\n",
            3,
        ),
        ("javascript", "A.b = function () {\n};\nx = {\n  f: function () {},\n  g: 1,\n};\n", 2),
        ("go", "package a\n\nfunc (r *T) f() {\n}\n\nfunc g() {}\n", 2),
        ("rust", "pub(crate) unsafe fn f() {}\nimpl A {\n    async fn g() {}\n}\n", 3),
        ("ruby", "module A\n  class B\n    def c = 1\n  end\nend\n", 3),
        ("shell", "f() {\n  if x; then\n  fi\n}\n", 1),
        ("kotlin", "data class A(val x: Int)\nprivate suspend fun f() = 1\n", 2),
    ],
)
def test_definitions_are_counted(language: str, text: str, count: int) -> None:
    assert features(language, text)["definitions"] == count


WORSE = [
    ("long_lines", lambda n: GOOD + f"x = {'word ' * 40}\n" * n, "readability"),
    ("nesting", lambda n: "if x1:\n" + "".join("    " * k + "if xx:\n" for k in range(1, n * 4)) + "", "readability"),
    ("short_names", lambda n: GOOD + "a = b\n" * n * 3, "readability"),
    ("uncommented", lambda n: GOOD + "value = other\n" * n * 20, "readability"),
    ("dead_text", lambda n: GOOD + "# old(value);\n" * n, "readability"),
    ("longest_definition", lambda n: GOOD + "    value = other\n" * n * 100, "modularity"),
    ("definitions", lambda n: GOOD * n * 60, "modularity"),
]


@pytest.mark.parametrize(("feature", "text", "score"), WORSE, ids=[row[0] for row in WORSE])
def test_a_score_falls_as_a_feature_gets_worse(feature, text, score) -> None:  # type: ignore[no-untyped-def]
    found = [scores("python", text(n)) for n in (1, 3, 9)]
    assert all(found)
    values = [row.features[feature] for row in found]
    graded = [getattr(row, score) for row in found]
    assert values == sorted(values) and values[0] < values[-1]
    assert graded == sorted(graded, reverse=True) and graded[0] > graded[-1]
    assert all(0 <= value <= 1 for value in graded)


def test_real_code_passes_and_what_nobody_can_read_does_not() -> None:
    texts = package("sympy", 200)
    found = [scores("python", text) for text in texts.values()]
    fail = [row for row in found if row and (row.readability < READABILITY or row.modularity < MODULARITY)]
    assert len(fail) <= 0.02 * len(texts)
    table = scores("javascript", "var d=[" + "[1,2,3,4],\n" * 2000 + "];\n")
    assert table is not None and table.modularity < MODULARITY
    minified = scores("javascript", ("a=b;c(d,e);" * 30 + "\n") * 20)
    assert minified is not None and minified.readability < READABILITY


def test_what_has_no_scores() -> None:
    assert scores("json", "{}") is None
    assert scores("python", "") is None
    assert scores("python", " \n\t\n") is None
    assert scores("python", "# only words\n") is None
    assert set(LANGUAGES) >= SCORED - {"swift"}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("language", sorted(SCORED))
@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "(",
        "f(",
        "\n",
        " ",
        "\t\n",
        "f(\n",
        "f()\n",
        "a()",
        "public ",
        "f(a\n",
        "f(b()\n",
        "x=(",
        "x = (\n",
        "template<",
        "x(){",
        "\u00e9",
        "\ud800",
    ],
)
def test_hostile_text_costs_no_more_than_its_size(language: str, unit: str) -> None:
    text = unit * (300_000 // len(unit))
    found = scores(language, text)
    assert found is None or (0 <= found.readability <= 1 and 0 <= found.modularity <= 1)


def test_the_same_text_has_the_same_scores_whatever_its_line_ends() -> None:
    assert features("python", GOOD) == features("python", GOOD.replace("\n", "\r\n"))
    assert quality.scores("c", GOOD) == quality.scores("c", GOOD)
