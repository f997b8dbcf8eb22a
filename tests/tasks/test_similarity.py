"""Names and definitions as the grammars see them."""

import pytest

from repoloom.tasks import syntax
from repoloom.tasks.similarity import edit_similarity, identifier_match, identifiers


@pytest.mark.parametrize(
    ("language", "code", "names"),
    [
        ("python", "    x = self.foo(y, 'not this', Kls.z)  # nor this", ["x", "self", "foo", "y", "Kls", "z"]),
        ("java", 'List<Foo> xs = new Bar(1).get("q");', ["List", "Foo", "xs", "Bar", "get"]),
        ("c-sharp", 'var x = Foo.Bar<Baz>("q");', ["x", "Foo", "Bar", "Baz"]),
        ("typescript", "const a: Foo = this.svc.get<Bar>('x', b);", ["a", "Foo", "svc", "get", "Bar", "b"]),
        ("php", "$x = Foo::bar($y->z);", ["x", "Foo", "bar", "y", "z"]),
        ("go", "x := pkg.Foo(a.b)", ["x", "pkg", "Foo", "a", "b"]),
        ("cpp", "int x = ns::foo(b->c);", ["x", "ns", "foo", "b", "c"]),
        ("no such language", "take(this, \"not this\", 'nor', é1) 2x", ["take", "this", "é1"]),
    ],
)
def test_identifiers(language: str, code: str, names: list[str]) -> None:
    assert identifiers(code, language) == names


@pytest.mark.parametrize(
    ("language", "code", "names"),
    [
        ("python", "@d\ndef f():\n  def g(): pass\nclass A:\n  def m(self): pass\n", ["f", "A"]),
        (
            "cpp",
            "namespace a { class B { int f(); }; int g(int x) { return x; } }\nstatic int *h() {}",
            ["B", "g", "h"],
        ),
        ("typescript", "export class A {}\nexport default function f() {}\nexport const b = 3;", ["A", "f", "b"]),
        ("java", "package a;\npublic class B { void m() {} }\ninterface C {}", ["B", "C"]),
        ("rust", "pub fn a() {}\nmod c { pub struct D; }", ["a", "D"]),
        ("go", "package x\nfunc A() {}\nfunc (b B) C() {}\ntype B struct{}", ["A", "C", "B"]),
        ("no such language", "def f(): pass", []),
    ],
)
def test_definitions(language: str, code: str, names: list[str]) -> None:
    found = syntax.definitions(code, language)
    assert sorted(found) == sorted(names)
    assert all(name in code.encode()[start:end].decode() for name, (start, end) in found.items())


def test_matches() -> None:
    assert identifier_match("f(a)", "f(a)", "python") == {"identifier_match": 1.0, "identifier_f1": 1.0}
    assert identifier_match("f(a)", "f(b, a)", "python") == {"identifier_match": 0.0, "identifier_f1": 0.8}
    assert identifier_match("1", "2", "python") == {"identifier_match": 1.0, "identifier_f1": 1.0}
    assert edit_similarity("", "") == 1.0


def test_deep_and_broken_code_is_no_trouble() -> None:
    assert len(syntax.names("(" * 50_000 + "x", "python") or ()) == 1
    assert not syntax.parses("x = = 1\n", "python")
    assert syntax.parses("x = 1\n", "python")


def test_what_no_encoding_holds_is_compared_all_the_same() -> None:
    """An endpoint may answer half a surrogate pair; and the cut at a megabyte may halve a character."""
    assert identifier_match("f('\ud83d')", "f('x')", "python") == {"identifier_match": 1.0, "identifier_f1": 1.0}
    assert syntax.parses("x = '\ud83d'\n", "python")
    cut = "/" * ((1 << 20) - len("\nint xx=")) + "\nint éé=1;"
    assert [name for name, _ in syntax.names(cut, "c") or ()] == ["é"]
    assert not syntax.definitions(cut, "c")
