"""PHP edges: cases one by one, then against the names that nikic/PHP-Parser resolves."""

import shutil
import subprocess
from pathlib import Path

import pytest
from name_cases import edges_of

TOOL = Path(__file__).parent / "tools" / "PhpEdges.php"

SHOP = {
    "src/Cart.php": r"""<?php
        namespace Shop\Carts;
        use Shop\Money\{Price, Rate as Tax};
        use function Shop\text\shout;
        use Other\Missing;
        require_once __DIR__ . '/../boot.php';
        include dirname(__DIR__) . "/views/cart.php";
        // new Refund ?> new Refund <?php
        # Refund
        #[Marked]
        final class Cart extends Base implements \Shop\Priced {
            use Counting;
            const A = 'new Refund'; // Refund
            public function total(?Item $item): Price { $x = <<<EOT
                new Refund
                EOT; $this->Refund(); shout(Sub\Part::class); return Tax::of(helper()); }
            public function helper() { return "{$x->Refund}"; }
        } ?> <html>new Refund</html> <?php echo Item::class;""",
    "src/Base.php": r"<?php namespace Shop\Carts; abstract class Base {} function helper() {}",
    "src/Item.php": r"<?php namespace Shop\Carts; class Item {}",
    "src/Refund.php": r"<?php namespace Shop\Carts; class Refund {}",
    "src/Counting.php": r"<?php namespace Shop\Carts; trait Counting {}",
    "src/Marked.php": r"<?php namespace Shop\Carts { #[\Attribute] class Marked {} }",
    "src/Part.php": r"<?php namespace Shop\Carts\Sub; class Part {}",
    "src/Priced.php": r"<?php namespace Shop; interface Priced {}",
    "src/Price.php": r"<?php namespace Shop\Money; class Price {}",
    "src/Rate.php": r"<?php namespace Shop\Money; enum Rate { case A; }",
    "src/text.php": r"<?php namespace Shop\text; function shout() {}",
    "boot.php": "<?php",
    "views/cart.php": "<p>",
}
USED = ["Base", "Item", "Counting", "Marked", "Part", "Priced", "Price", "Rate", "text"]
EXPECTED = {("src/Cart.php", f"src/{name}.php") for name in USED}
EXPECTED |= {("src/Cart.php", "boot.php"), ("src/Cart.php", "views/cart.php")}


def test_use_groups_functions_traits_attributes_and_includes():
    assert edges_of(SHOP) == EXPECTED


def test_psr_4_decides_between_equal_names():
    files = {
        "composer.json": r'{"autoload": {"psr-4": {"A\\": "src/"}}}',
        "tests/User.php": r"<?php use A\B\C; new C;",
        "tests/fixtures/C.php": r"<?php namespace A\B; class C {}",
        "src/B/C.php": r"<?php namespace A\B; class C {}",
    }
    assert edges_of(files) == {("tests/User.php", "src/B/C.php")}


def test_without_namespaces_functions_and_conditional_declarations():
    files = {
        "a.php": "<?php if ( ! function_exists( 'f' ) ) { function f() {} } class T { function g() {} }",
        "b.php": "<?php f(); g(); $x->f(); X::f(); new T();",
        "c.php": "<?php g(); $this->f(); function h() {}",
    }
    assert edges_of(files) == {("b.php", "a.php")}


def test_an_include_behind_an_unknown_constant_means_the_nearest_file_that_ends_so():
    files = {
        "a/x.php": "<?php require ABSPATH . 'inc/y.php'; include $z . 'y.php';",
        "a/inc/y.php": "",
        "b/inc/y.php": "",
    }
    assert edges_of(files) == {("a/x.php", "a/inc/y.php")}


def test_the_case_against_php_parser(tmp_path):
    if shutil.which("php") is None or not Path("/usr/share/php/PhpParser/autoload.php").is_file():
        pytest.skip("php and PHP-Parser (Debian's php-parser) are not installed")
    for name, text in SHOP.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = subprocess.run(["php", str(TOOL), str(tmp_path)], capture_output=True, text=True, check=True)
    assert {tuple(line.split("\t")[:2]) for line in done.stdout.splitlines()} == edges_of(SHOP)
