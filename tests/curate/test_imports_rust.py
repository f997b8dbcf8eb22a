"""Rust edges: hand-labelled crates and workspaces, and the module tree against the files that rustc reads."""

import shutil
import subprocess

import pytest
from import_cases import edges_of

from repoloom.curate.imports.rust import extract, use_tree

TREES = [
    ("a", [("a",)]),
    ("a::b as c", [("a", "b")]),
    ("crate::{a, b::{self, c::*}, d as e}", [("crate", "a"), ("crate", "b"), ("crate", "b", "c", "*"), ("crate", "d")]),
    ("super::*", [("super", "*")]),
    ("::a::b", [("", "a", "b")]),
    ("self::a", [("self", "a")]),
    ("r#type::r#fn", [("type", "fn")]),
    ("{a, b}", [("a",), ("b",)]),
    ("a::{", []),
    ("}}}},,,", []),
]


@pytest.mark.parametrize(("text", "expected"), TREES, ids=[text for text, _ in TREES])
def test_a_use_tree_gives_its_paths(text, expected):
    assert list(use_tree(text)) == expected


def test_comments_strings_and_characters_are_passed_over():
    source = extract(
        "/* mod a; /* nested */ mod b; */ // mod c;\n"
        'const S: &str = "mod d;\nuse e;"; const R: &str = r#"mod "f;" "#;\n'
        "fn g<'a>(x: &'a str) -> char { '\"' } mod h;\n"
        'mod inline { mod child; use super::h; }\n#[cfg(test)] #[path = "odd.rs"] pub(crate) mod i;'
    )
    assert [(m.inside, m.name, m.attributes) for m in source.modules] == [
        ((), "h", ()),
        (("inline",), "child", ()),
        ((), "i", ("odd.rs",)),
    ]
    assert list(source.uses) == [(("inline",), ("super", "h"))]


CRATE = {
    "Cargo.toml": '[package]\nname = "shop-core"\nedition = "2021"\n',
    "src/lib.rs": "pub mod cart;\nmod money;\n#[path = \"strange/name.rs\"]\npub mod named;\npub struct Root;\n"
    "mod deep { pub mod inner; }\n",
    "src/cart.rs": "mod item;\nuse crate::{money::{self, Price}, Root};\npub use self::item::Item;\n"
    "pub fn f(_: Root, _: Price) -> money::Price { todo!() }\n#[cfg(test)]\nmod tests { use super::*; }\n",
    "src/cart/item.rs": "use super::super::money::rates::VAT;\npub struct Item(pub [u8; VAT]);\n",
    "src/money/mod.rs": "pub mod rates;\n/// See [`crate::cart`].\npub struct Price;\n",
    "src/money/rates.rs": "pub const VAT: usize = 19;\n",
    "src/strange/name.rs": "pub fn g() -> usize { crate::money::rates::VAT }\n",
    "src/deep/inner.rs": "// use crate::cart;\npub const TEXT: &str = include_str!(\"words.txt\");\n",
    "src/deep/words.txt": "words",
    "src/orphan.rs": "",
    "src/main.rs": "use shop_core::cart::Item;\nuse std::fmt;\nfn main() { let _ = Item([0; 19]); }\n",
    "tests/whole.rs": "mod common;\nuse shop_core::named;\n",
    "tests/common/mod.rs": "",
}  # fmt: skip
LIBRARY = {
    ("src/lib.rs", "src/cart.rs"),
    ("src/lib.rs", "src/money/mod.rs"),
    ("src/lib.rs", "src/strange/name.rs"),
    ("src/lib.rs", "src/deep/inner.rs"),
    ("src/cart.rs", "src/cart/item.rs"),
    ("src/cart.rs", "src/money/mod.rs"),
    ("src/cart.rs", "src/lib.rs"),
    ("src/cart/item.rs", "src/money/rates.rs"),
    ("src/money/mod.rs", "src/money/rates.rs"),
    ("src/strange/name.rs", "src/money/rates.rs"),
    ("src/deep/inner.rs", "src/deep/words.txt"),
}


def test_a_crate_with_its_programs_and_tests():
    assert edges_of(CRATE) == LIBRARY | {
        ("src/main.rs", "src/cart.rs"),
        ("tests/whole.rs", "tests/common/mod.rs"),
        ("tests/whole.rs", "src/strange/name.rs"),
    }


def test_crates_of_a_workspace_are_known_by_manifest_or_folder():
    files = {
        "crates/wire-format/src/lib.rs": "pub mod frame;",
        "crates/wire-format/src/frame.rs": "",
        "crates/app/src/main.rs": "use wire_format::frame::Frame;\nfn main() { renamed::run(); serde::x(); }\n",
        "crates/other/src/lib.rs": "pub fn run() {}\n",
        "crates/other/Cargo.toml": '[package]\nname = "renamed"\n',
    }
    assert edges_of(files) == {
        ("crates/wire-format/src/lib.rs", "crates/wire-format/src/frame.rs"),
        ("crates/app/src/main.rs", "crates/wire-format/src/frame.rs"),
        ("crates/app/src/main.rs", "crates/other/src/lib.rs"),
    }


def test_a_module_that_another_imports_is_found_through_it():
    files = {
        "src/lib.rs": "mod shim; mod user; mod direct;",
        "src/shim/mod.rs": "mod real; pub(crate) use self::real::*;",
        "src/shim/real/mod.rs": "pub(crate) mod sync { pub struct Lock; }\npub(crate) mod time;",
        "src/shim/real/time.rs": "",
        "src/user.rs": "use crate::shim::sync::Lock; use crate::shim::time::Instant;",
        "src/direct.rs": "use crate::shim::real; fn f() { real::time::now(); }"
        " mod t { use super::*; fn g() { real::x() } }",
    }  # fmt: skip
    assert {edge for edge in edges_of(files) if edge[0] in ("src/user.rs", "src/direct.rs")} == {
        ("src/user.rs", "src/shim/real/mod.rs"),
        ("src/user.rs", "src/shim/real/time.rs"),
        ("src/direct.rs", "src/shim/real/mod.rs"),
        ("src/direct.rs", "src/shim/real/time.rs"),
    }


def test_attributes_that_name_files_and_crates():
    files = {
        "app/src/lib.rs": '#![doc = include_str!("../README.md")]\n#[cfg_attr(windows, path = "w.rs")] mod sys;',
        "app/src/w.rs": '#[rt::main]\nasync fn main() { let path = br"\\"; let s = b\'"\'; }\nmod after;',
        "app/src/sys.rs": "",
        "app/src/after.rs": "",
        "app/README.md": "",
        "rt/src/lib.rs": "",
    }
    assert edges_of(files) == {
        ("app/src/lib.rs", "app/README.md"),
        ("app/src/lib.rs", "app/src/w.rs"),
        ("app/src/lib.rs", "app/src/sys.rs"),
        ("app/src/w.rs", "rt/src/lib.rs"),
    }


def test_the_module_tree_against_rustc(tmp_path):
    if shutil.which("rustc") is None:
        pytest.skip("rustc is not installed")
    for name, text in CRATE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    command = [
        "rustc",
        "--edition=2021",
        "--crate-type=lib",
        "--emit=dep-info,metadata",
        "--cap-lints=allow",
        "src/lib.rs",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr  # the paths of the case are ones that the compiler resolves
    read = set((tmp_path / "lib.d").read_text().splitlines()[0].partition(":")[2].split())
    stack, seen = ["src/lib.rs"], {"src/lib.rs"}
    while stack:
        here = stack.pop()
        more = {used for user, used in LIBRARY if user == here} - seen
        seen |= more
        stack += more
    assert seen == read
