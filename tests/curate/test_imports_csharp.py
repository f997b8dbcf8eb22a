"""C# edges: cases one by one, then one repository against NRefactory's resolution."""

import shutil
import subprocess
from pathlib import Path

import pytest
from name_cases import edges_of

TOOL = Path(__file__).parent / "tools" / "CSharpEdges.cs"

SHOP = {
    "Cart.cs": """\ufeffusing System;
        using Shop.Money;
        using Rate = Shop.Tax.Vat;
        using static Shop.Texts.Words;
        namespace Shop.Carts {
            /// <see cref="Refund"/>
            [Marked] public class Cart : Base<Item>, IPriced {
                string s = "Refund"; char c = '"'; string v = @"a "" Refund"; // Refund
                public Price Total { get { return new Price(Rate.Standard); } }
                string Refund; int Stock() { Stock(); return (int) Levels.Full; }
                object o = Inner.Part.Make();
            }
        }""",
    "Base.cs": "namespace Shop.Carts { abstract class Base<T> { class Item {} } }",
    "Item.cs": "namespace Shop; record Item(string Name);",
    "IPriced.cs": "namespace Shop { public interface IPriced { Money.Price Total { get; } } }",
    "Refund.cs": "namespace Shop { class Refund {} class Stock {} }",
    "Money/Price.cs": "namespace Shop.Money { public struct Price { public Price(int x) {} } }",
    "Money/Unused.cs": "namespace Shop.Money { public class Unused {} }",
    "Tax/Vat.cs": "namespace Shop.Tax { public static class Vat { public const int Standard = 19; } }",
    "Texts/Words.cs": "namespace Shop.Texts { public static class Words {} }",
    "Levels.cs": "namespace Shop { enum Levels { Full } }",
    "Marked.cs": "namespace Shop { class MarkedAttribute : System.Attribute {} }",
    "Parts/Part.cs": "namespace Shop.Carts.Inner { partial class Part {} }",
    "Parts/Part.More.cs": "namespace Shop.Carts.Inner { partial class Part {"
    " public static object Make() { return null; } } }",
}  # fmt: skip
EXPECTED = {
    ("Cart.cs", used)
    for used in (
        "Base.cs", "Item.cs", "IPriced.cs", "Money/Price.cs", "Tax/Vat.cs", "Texts/Words.cs", "Levels.cs", "Marked.cs",
        "Parts/Part.cs", "Parts/Part.More.cs",
    )
} | {("IPriced.cs", "Money/Price.cs"), ("Parts/Part.More.cs", "Parts/Part.cs")}  # fmt: skip


def test_namespaces_around_usings_aliases_attributes_and_partial_types():
    assert edges_of(SHOP) == EXPECTED


def test_a_global_using_holds_for_every_file_and_a_relative_one_for_the_namespaces_around():
    files = {
        "Usings.cs": "global using A.B;",
        "User.cs": "namespace A { using C; class User { Far far; Near near; } }",
        "Far.cs": "namespace A.B { class Far {} }",
        "Near.cs": "namespace A.C { class Near {} }",
    }
    assert edges_of(files) == {("User.cs", "Far.cs"), ("User.cs", "Near.cs")}


def test_a_nested_type_of_the_file_hides_another_files_and_names_of_members_are_none():
    files = {
        "A.cs": "namespace N { class A { class Node {} Node n; int Leaf; void M() { Leaf = 1; Call(); } } }",
        "B.cs": "namespace N { class Node {} class Leaf {} class Call {} }",
    }
    assert edges_of(files) == set()


def test_the_nearer_of_two_projects_types_is_meant():
    files = {f"{p}/{n}.cs": f"namespace N {{ class {n} {{ Config c; }} }}" for p in "ab" for n in ("Config", "Main")}
    assert edges_of(files) == {(f"{p}/Main.cs", f"{p}/Config.cs") for p in "ab"}


def test_branches_that_open_a_block_twice_do_not_hide_what_follows():
    text = "namespace N {\n#if A\nclass X : Y {\n#else\nclass X {\n#endif\n}\nclass Later {} }"
    assert edges_of({"a.cs": text, "b.cs": "namespace N { class U { Later l; } }"}) == {("b.cs", "a.cs")}


def test_the_case_against_nrefactory(tmp_path):
    libraries = [
        *Path("/usr/lib/cli").glob("ICSharpCode.NRefactory*/*.dll"),
        *Path("/usr/lib").glob("mono-cecil/Mono.Cecil.dll"),
    ]
    if shutil.which("mcs") is None or len(libraries) < 4:
        pytest.skip("mcs and NRefactory (libicsharpcode-nrefactory-cil-dev) are not installed")
    for library in libraries:
        shutil.copy(library, tmp_path)
    used = [
        f"-r:{tmp_path / name}.dll"
        for name in ("ICSharpCode.NRefactory", "ICSharpCode.NRefactory.CSharp", "ICSharpCode.NRefactory.Cecil")
    ]
    subprocess.run(["mcs", f"-out:{tmp_path}/edges.exe", *used, str(TOOL)], check=True)
    # NRefactory knows C# 5.
    case = {path: text.replace("; record Item(string Name);", " { class Item {} }") for path, text in SHOP.items()}
    case["Cart.cs"] = case["Cart.cs"].replace("using static Shop.Texts.Words;", "")
    for name, text in case.items():
        (tmp_path / "case" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "case" / name).write_text(text)
    done = subprocess.run(
        ["mono", f"{tmp_path}/edges.exe", str(tmp_path / "case")], capture_output=True, text=True, check=True
    )
    truth = {tuple(line.split("\t")[:2]) for line in done.stdout.splitlines()}
    assert edges_of(case) - truth == {("Parts/Part.More.cs", "Parts/Part.cs")}, "this one is a habit of ours"
    assert truth - edges_of(case) == set()
