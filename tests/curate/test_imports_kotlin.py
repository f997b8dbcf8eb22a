"""Kotlin edges, with Java in the same repository."""

import pytest
from name_cases import edges_of

SHOP = {
    "Cart.kt": '''@file:JvmName("Carts")
package shop
import shop.money.Price as Money
import shop.stock.*
import shop.text.shout
/* a /* nested */ comment of Refund */
class Cart(val item: Item, price: Money) : Base<Item>() {
    val s = "Refund"; val r = """ "Refund" """ // Refund
    fun total() = round(price) + Shelf.Place.first + s.shout() + item.discounted() + limit
    fun helper() { class Local; Local() }
}
fun cartOf() = Cart()
''',
    "Base.kt": "package shop\nopen class Base<T>",
    "Item.kt": "package shop\ndata class Item(val name: String) { fun round() = 1 }\nclass Local",
    "Refund.kt": "package shop\nclass Refund",
    "functions.kt": "package shop\nfun round(x: Any) = 1\nval limit: Int\n  get() = 3",
    "extensions.kt": "package shop\nfun <T : Any> Map<String, T>.discounted(): Int = 1\nfun String.length() = 2",
    "money/Price.kt": "package shop.money\nclass Price",
    "stock/Shelf.kt": "package shop.stock\nobject Shelf { object Place }",
    "stock/Unused.kt": "package shop.stock\nclass Unused",
    "text/Texts.kt": "package shop.text\nfun String.shout() = this",
    "Main.java": "package shop; class Main { Object o = Carts.cartOf(); FunctionsKt f; Refund r; }",
}
USED = ("Base", "Item", "functions", "extensions", "money/Price", "stock/Shelf", "text/Texts")


def test_imports_own_package_functions_extensions_and_java():
    expected = {("Cart.kt", f"{name}.kt") for name in USED}
    expected |= {("Main.java", f"{name}.kt") for name in ("Cart", "functions", "Refund")}
    assert edges_of(SHOP) == expected


def test_kotlin_names_types_of_java():
    files = {"a/A.java": "package a; public class A {}", "b/B.kt": "package b\nimport a.A\nclass B : A()"}
    assert edges_of(files) == {("b/B.kt", "a/A.java")}


@pytest.mark.parametrize("text", ["val size: Int", "fun f(size: Int) = size", "fun f() { val size = 1; size }"])
def test_a_name_that_the_file_declares_is_not_another_files(text):
    assert edges_of({"a.kt": f"package p\nclass A {{ {text} }}", "b.kt": "package p\nval size = 1"}) == set()


def test_a_member_of_any_type_is_not_taken_for_an_extension():
    files = {
        "a.kt": "package p\nfun f(x: Any) = x.close()",
        "b.kt": "package p\nfun Any.close() = 1",
        "c.kt": "package q\nclass C { fun close() {} }",
    }
    assert edges_of(files) == set()
    del files["c.kt"]
    assert edges_of(files) == {("a.kt", "b.kt")}


def test_of_two_source_sets_the_nearer_declaration_is_meant():
    files = {
        f"{s}/{n}.kt": f"package p\nclass {n} {{ val c: Config }}" for s in ("jvm", "js") for n in ("Config", "Main")
    }
    assert edges_of(files) == {(f"{s}/Main.kt", f"{s}/Config.kt") for s in ("jvm", "js")}
