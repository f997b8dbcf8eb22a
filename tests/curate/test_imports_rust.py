"""Rust edges: hand-labelled crates and workspaces, and the module tree against the files that rustc reads."""

import shutil
import subprocess

import pytest
from import_cases import edges_of

from repoloom.curate.imports.rust import extract, use_tree

TREES = [
    ("a", [(("a",), "a")]),
    ("a::b as c", [(("a", "b"), "c")]),
    (
        "crate::{a, b::{self, c::*}, d as _}",
        [
            (("crate", "a"), "a"),
            (("crate", "b"), "b"),
            (("crate", "b", "c", "*"), "*"),
            (("crate", "d"), "_"),
        ],
    ),
    ("super::*", [(("super", "*"), "*")]),
    ("::a::b", [(("", "a", "b"), "b")]),
    ("self::a", [(("self", "a"), "a")]),
    ("r#type::r#fn", [(("type", "fn"), "fn")]),
    ("{a, b as c}", [(("a",), "a"), (("b",), "c")]),
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
    assert source.modules == [
        ((), "h", (), False),
        (("inline",), "child", (), False),
        ((), "i", ("odd.rs",), True),
    ]
    assert source.inline == [((), "inline", (), False)]
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


SHIMS = {
    "src/lib.rs": "pub mod shim; mod user; mod far; mod direct; mod renamed; pub use far::deep as near;",
    "src/shim/mod.rs": "pub mod real; pub use self::real::*;",
    "src/shim/real/mod.rs": "pub mod sync { pub struct Lock; }\npub mod time;",
    "src/shim/real/time.rs": "pub struct Instant; pub fn now() {}",
    "src/user.rs": "use crate::shim::sync::Lock; use crate::shim::time::Instant;",
    "src/far.rs": "pub use crate::shim as again; pub mod deep { pub use super::again::time as clock; }",
    "src/direct.rs": "use crate::shim::real; fn f() { real::time::now(); }"
    " mod t { use super::*; fn g() { real::time::now() } }",
    "src/renamed.rs": "use crate::near::clock as c; fn f() { c::now() } use crate::far::again::time;",
}  # fmt: skip


def test_a_module_that_another_imports_is_found_through_it_however_often_and_by_the_name_it_got():
    assert edges_of(SHIMS) == {
        *(("src/lib.rs", f"src/{name}.rs") for name in ("shim/mod", "user", "far", "direct", "renamed")),
        ("src/shim/mod.rs", "src/shim/real/mod.rs"),
        ("src/shim/real/mod.rs", "src/shim/real/time.rs"),
        ("src/user.rs", "src/shim/real/mod.rs"),
        ("src/user.rs", "src/shim/real/time.rs"),
        ("src/far.rs", "src/shim/mod.rs"),
        ("src/far.rs", "src/shim/real/time.rs"),
        ("src/direct.rs", "src/shim/real/mod.rs"),
        ("src/direct.rs", "src/shim/real/time.rs"),
        ("src/renamed.rs", "src/shim/real/time.rs"),
    }


PRIVATE = {
    "src/lib.rs": "mod util; mod user; mod deep { pub mod low; }\npub use util::copy;",
    "src/util/mod.rs": "mod copy; pub use self::copy::copy; mod inside { use super::copy::Copied; }\n"
    "pub mod\n open; pub fn open() {} pub mod block { pub(in crate::util) fn f() {} }",
    "src/util/copy.rs": "pub struct Copied; pub fn copy() {}",
    "src/util/open.rs": "pub fn g() {}",
    "src/user.rs": "use crate::util::copy; fn f() { copy(); crate::util::copy(); crate::util::open(); }",
    "src/deep/low.rs": "pub(in super::super) fn f() { crate::util::open::g() }",
}


def test_a_function_that_is_called_like_a_module_is_no_use_of_the_module():
    """`mod copy` is seen inside of `util` only; in an expression the last segment is the function all the same."""
    assert edges_of(PRIVATE) == {
        *(("src/lib.rs", f"src/{name}.rs") for name in ("util/mod", "user", "deep/low")),
        ("src/util/mod.rs", "src/util/copy.rs"),
        ("src/util/mod.rs", "src/util/open.rs"),
        ("src/user.rs", "src/util/mod.rs"),
        ("src/deep/low.rs", "src/util/open.rs"),
    }


def test_imports_in_a_circle_end():
    files = {
        "src/lib.rs": "mod a; mod b; mod c; use a::x::y; use c::z::Z;",
        "src/a.rs": "pub use crate::b::*; pub use crate::b::x as x; fn f() { x::y::z() }",
        "src/b.rs": "pub use crate::a::*; pub use crate::a::x as x;",
        "src/c.rs": "pub use crate::c::*; pub use self::*; pub use super::c::z;",
    }
    crate = {("src/lib.rs", f"src/{name}.rs") for name in "abc"}
    assert edges_of(files) == crate | {("src/a.rs", "src/b.rs"), ("src/b.rs", "src/a.rs")}


def test_both_branches_of_a_module_are_used():
    files = {
        "src/lib.rs": '#[cfg(unix)] #[path = "unix.rs"] mod imp; mod user;\n'
        '#[cfg(windows)] #[path = "windows.rs"] mod imp;',
        "src/unix.rs": "pub mod pipe;",
        "src/pipe.rs": "",
        "src/windows.rs": "",
        "src/user.rs": "use crate::imp::Handle;",
    }
    assert {used for user, used in edges_of(files) if user == "src/user.rs"} == {"src/unix.rs", "src/windows.rs"}


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


def _compiled(folder, files):
    """What rustc read to compile the library: the paths of a case are ones that the compiler resolves."""
    if shutil.which("rustc") is None:
        pytest.skip("rustc is not installed")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    command = [
        "rustc",
        "--edition=2021",
        "--crate-type=lib",
        "--emit=dep-info,metadata",
        "--cap-lints=allow",
        "src/lib.rs",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set((folder / "lib.d").read_text().splitlines()[0].partition(":")[2].split())


@pytest.mark.parametrize("files", [SHIMS, PRIVATE], ids=["shims", "private"])
def test_the_cases_compile(tmp_path, files):
    assert _compiled(tmp_path, files) == files.keys()


def test_the_module_tree_against_rustc(tmp_path):
    read = _compiled(tmp_path, CRATE)
    stack, seen = ["src/lib.rs"], {"src/lib.rs"}
    while stack:
        here = stack.pop()
        more = {used for user, used in LIBRARY if user == here} - seen
        seen |= more
        stack += more
    assert seen == read
