"""Scala edges: cases one by one, then against scalac's typer."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from name_cases import edges_of

TOOL = Path(__file__).parent / "tools" / "ScalaEdges.scala"

SHOP = {
    "Cart.scala": '''package shop
package carts
import money.{Price => Money, Rate}
import shop.stock._, shop.text.Words
/* a /* nested */ comment of Refund */
class Cart(item: Item) extends Base[Item] {
  val s = "Refund"; val r = """ "Refund" """; val c = '"' // Refund
  import Words._
  def total: Money = { val x = new Shelf.Place; limit; Rate.of(1) }
}''',
    "Base.scala": "package shop.carts\nabstract class Base[T] {\n  class Node\n}",
    "Item.scala": "package shop\ncase class Item(name: String)",
    "Refund.scala": "package shop\nclass Refund",
    "Node.scala": "package shop.carts\nclass Node { def refund: shop.Refund = null }",
    "package.scala": "package shop\npackage object carts {\n  val limit = 3\n}",
    "Price.scala": "package shop.money {\n  class Price\n  object Rate { def of(x: Int): Price = null }\n}",
    "Shelf.scala": "package shop.stock\nobject Shelf { class Place }",
    "Unused.scala": "package shop.stock\nclass Unused",
    "Words.scala": "package shop.text\nobject Words",
}
USED = ("Base", "Item", "package", "Price", "Shelf", "Words")
EXPECTED = {("Cart.scala", f"{name}.scala") for name in USED} | {("Node.scala", "Refund.scala")}


def test_chained_packages_braces_renames_relative_imports_and_package_objects():
    assert edges_of(SHOP) == EXPECTED


def test_a_single_package_clause_does_not_show_the_package_above():
    assert edges_of({"a.scala": "package p.q\nclass A { val b: B }", "b.scala": "package p\nclass B"}) == set()


def test_scala_3_wildcards_and_indentation():
    files = {
        "a.scala": "package p\nimport q.*\nimport q.Old as New\n"
        "class A:\n  val b: B = twice(1)\n  val n: New = ???\n  val i: Inner = ???",
        "b.scala": "package q\nclass B:\n  class Inner\ndef twice(x: Int) = x",
        "c.scala": "package q\nclass Old",
        "d.scala": "package p\nclass D:\n  class Inner",
    }
    assert edges_of(files) == {("a.scala", "b.scala"), ("a.scala", "c.scala")}


def test_scala_and_java_name_each_other():
    files = {
        "A.java": "package p; public class A { B b; }",
        "b.scala": "package p\nclass B { val c: C = null }",
        "C.java": "package p; class C {}",
    }
    assert edges_of(files) == {("A.java", "b.scala"), ("b.scala", "C.java")}


def test_the_case_against_scalac(tmp_path):
    libraries = sorted(Path("/usr/share/scala/lib").glob("*.jar"))
    if shutil.which("scalac") is None or not libraries:
        pytest.skip("scala is not installed")
    classpath = os.pathsep.join(map(str, libraries))
    built = subprocess.run(
        ["scalac", "-nobootcp", "-d", str(tmp_path), "-cp", classpath, str(TOOL)], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout + built.stderr
    for name, text in SHOP.items():
        (tmp_path / "case").mkdir(exist_ok=True)
        (tmp_path / "case" / name).write_text(text)
    command = [
        "java",
        "-Dscala.usejavacp=true",
        "-cp",
        f"{tmp_path}{os.pathsep}{classpath}",
        "ScalaEdges",
        str(tmp_path / "case"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {tuple(line.split("\t")[:2]) for line in done.stdout.splitlines()} == edges_of(SHOP)
