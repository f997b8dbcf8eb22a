"""Java edges: cases one by one, then a module of the JDK's own source against javac's attribution."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from import_cases import edges_of, read, scores

TOOL = Path(__file__).parent / "tools" / "JavaEdges.java"

SHOP = {
    "src/main/java/shop/Cart.java": """
        package shop;
        import shop.money.Price;
        import static shop.money.Rates.VAT;
        import java.util.*;
        import shop.stock.*;
        /** Uses {@link Refund}; see Refund. */
        public class Cart extends Base<Item> implements shop.audit.Audited {
            private List<Entry> entries; String s = "Refund"; // Refund
            Price total() { return Price.of(VAT); }
            Map.Entry<String, Shelf.Place> place;
        }""",
    "src/main/java/shop/Base.java": "package shop; abstract class Base<T> {}\nclass Helper {}\n",
    "src/main/java/shop/Item.java": "package shop; record Item(String name) { Helper helper() { return null; } }",
    "src/main/java/shop/Refund.java": "package shop; class Refund {}",
    "src/main/java/shop/List.java": "package shop; class Entry { java.util.List<String> names; }\nclass List<T> {}\n",
    "src/main/java/shop/money/Price.java": "package shop.money; public class Price {"
    " public static Price of(int x) { return null; } }",
    "src/main/java/shop/money/Rates.java": "package shop.money; public class Rates { public static int VAT = 19; }",
    "src/main/java/shop/stock/Shelf.java": "package shop.stock; public class Shelf { public static class Place {} }",
    "src/main/java/shop/stock/Unused.java": "package shop.stock; public class Unused {}",
    "src/main/java/shop/audit/Audited.java": "package shop.audit; public interface Audited {}",
    "src/test/java/shop/CartTest.java": "package shop; class CartTest { Cart cart = new Cart(); }",
}  # fmt: skip
EXPECTED = {
    ("Cart", "money/Price"),
    ("Cart", "money/Rates"),
    ("Cart", "Base"),
    ("Cart", "Item"),
    ("Cart", "List"),  # `Entry` stands there, and so does shop.List, which hides java.util.*
    ("Cart", "audit/Audited"),
    ("Cart", "stock/Shelf"),
    ("Item", "Base"),  # `Helper` stands there
}


def test_imports_own_package_on_demand_nested_and_static():
    main = "src/main/java/shop/"
    expected = {(f"{main}{user}.java", f"{main}{used}.java") for user, used in EXPECTED}
    assert edges_of(SHOP) == expected | {("src/test/java/shop/CartTest.java", f"{main}Cart.java")}


def test_names_beside_dots_digits_and_text():
    files = {
        "a/User.java": "package a; class User { int n = 0xFF; Object o = x.Member, q = b.c.Far.Deep;"
        " void g(int... n) { this\n.Chained(); } String s = \"Text\" + Shape.Round + 'C'; /* Comment */ }",
        **{f"a/{name}.java": f"package a; class {name} {{}}" for name in
           ("FF", "xFF", "Member", "Chained", "Text", "Shape", "Round", "C", "Comment", "Far", "Deep")},
        "b/c/Far.java": "package b.c; public class Far {}",
    }  # fmt: skip
    assert edges_of(files) == {("a/User.java", "a/Shape.java"), ("a/User.java", "b/c/Far.java")}


def test_an_imported_type_hides_one_of_its_own_package():
    assert edges_of(
        {
            "a/Date.java": "package a; class Date {}",
            "a/User.java": "package a; import java.util.Date; class User { Date date; }",
        }
    ) == set()  # fmt: skip


def test_of_two_modules_with_one_type_the_nearer_is_meant():
    files = {}
    for module in ("one", "two"):
        files[f"{module}/src/p/Config.java"] = "package p; class Config {}"
        files[f"{module}/src/q/Main.java"] = "package q; import p.Config; class Main {}"
    assert edges_of(files) == {(f"{m}/src/q/Main.java", f"{m}/src/p/Config.java") for m in ("one", "two")}


def javac_says(java, folder, *module):
    done = subprocess.run([java, str(TOOL), str(folder), *module], capture_output=True, text=True)
    if done.returncode and "ClassNotFoundException" in done.stderr + done.stdout:
        pytest.skip("java here is a runtime without the compiler")
    assert done.returncode == 0, done.stderr
    return {tuple(line.split("\t")) for line in done.stdout.splitlines()}


def test_the_case_against_javac(tmp_path):
    if shutil.which("javac") is None:
        pytest.skip("javac is not installed")
    for name, text in SHOP.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert edges_of(SHOP) == javac_says("java", tmp_path)


def test_the_jdk_source_against_javac(tmp_path):
    """A JDK that carries its source, beside the java on PATH or that one itself."""
    module = "java.sql"
    java = shutil.which("java")
    homes = (
        [] if java is None else [Path(java).resolve().parents[1], *sorted(Path(java).resolve().parents[2].iterdir())]
    )
    home = next((h for h in homes if (h / "lib/src.zip").is_file() and (h / "bin/javac").is_file()), None)
    if home is None:
        pytest.skip("no JDK with its source (lib/src.zip) is installed")
    with zipfile.ZipFile(home / "lib/src.zip") as source:
        source.extractall(tmp_path, [name for name in source.namelist() if name.startswith(f"{module}/")])
    folder = tmp_path / module
    truth = javac_says(str(home / "bin/java"), folder, module)
    precision, recall = scores(edges_of(read(folder, {".java"})), truth)
    assert len(truth) > 200
    assert precision >= 0.97
    assert recall >= 0.97
