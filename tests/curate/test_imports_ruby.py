"""Ruby edges: cases one by one, then against what Ruby loads."""

import shutil
import subprocess
from pathlib import Path

import pytest
from name_cases import edges_of

TOOL = Path(__file__).parent / "tools" / "ruby_edges.rb"

GEM = {
    "lib/shop.rb": """
        require 'json'
        require "shop/cart"
        require_relative 'shop/price'
        autoload :Late, 'shop/late'
        load File.join(__dir__, 'shop', 'loaded.rb')
        require File.expand_path('../shop/old', __FILE__)
        # require 'shop/unused'
        TEXT = <<~EOT
          require 'shop/unused'
        EOT
        S = "require 'shop/unused'"
=begin
require 'shop/unused'
=end
    """,
    "lib/shop/cart.rb": "require 'shop/price' unless false\ndef late\n  require 'shop/sold'\nend\n",
    "lib/shop/sold.rb": "",
    "lib/shop/price.rb": "",
    "lib/shop/late.rb": "Late = 1\n",
    "lib/shop/loaded.rb": "",
    "lib/shop/old.rb": "",
    "lib/shop/json.rb": "",
    "lib/shop/unused.rb": "",
}
EXPECTED = {("lib/shop.rb", f"lib/shop/{name}.rb") for name in ("cart", "price", "late", "loaded", "old")}
EXPECTED |= {("lib/shop/cart.rb", "lib/shop/price.rb"), ("lib/shop/cart.rb", "lib/shop/sold.rb")}


def test_require_autoload_load_and_paths_from_the_file():
    assert edges_of(GEM) == EXPECTED


def test_the_case_against_ruby(tmp_path):
    if shutil.which("ruby") is None:
        pytest.skip("ruby is not installed")
    for name, text in GEM.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    done = subprocess.run(["ruby", str(TOOL), str(tmp_path)], capture_output=True, text=True, check=True)
    assert {tuple(line.split("\t")) for line in done.stdout.splitlines()} == edges_of(GEM)


def test_of_two_gems_the_nearer_is_meant_and_specs_find_their_helper():
    files = {f"{gem}/lib/config.rb": "" for gem in "ab"}
    files |= {f"{gem}/spec/x_spec.rb": "require 'spec_helper'\nrequire 'config'" for gem in "ab"}
    files |= {f"{gem}/spec/spec_helper.rb": "" for gem in "ab"}
    assert edges_of(files) == {
        (f"{g}/spec/x_spec.rb", f"{g}/{used}.rb") for g in "ab" for used in ("lib/config", "spec/spec_helper")
    }


def test_autoload_of_a_constant_alone_goes_by_the_files_name():
    files = {
        "lib/shop.rb": "module Shop\n  extend ActiveSupport::Autoload\n  autoload :HTTPCart\nend",
        "lib/shop/http_cart.rb": "",
    }
    assert edges_of(files) == {("lib/shop.rb", "lib/shop/http_cart.rb")}


def test_constants_by_path_where_rails_loads_them():
    files = {
        "app/models/user.rb": "class User < ApplicationRecord\n  include Named\n  # Order\n  'Order'\nend",
        "app/models/application_record.rb": "",
        "app/models/concerns/named.rb": "",
        "app/models/order.rb": "",
        "app/models/admin/user.rb": "class Admin::User\n  Order.new(Report::Line)\n  ::User\nend",
        "app/models/admin/report.rb": "",
        "lib/named.rb": "",
    }
    assert edges_of(files) == {
        ("app/models/user.rb", "app/models/application_record.rb"),
        ("app/models/user.rb", "app/models/concerns/named.rb"),
        ("app/models/admin/user.rb", "app/models/order.rb"),
        ("app/models/admin/user.rb", "app/models/admin/report.rb"),
        ("app/models/admin/user.rb", "app/models/user.rb"),
    }


def test_constants_of_a_gem_count_only_with_zeitwerk():
    files = {"lib/shop.rb": "Shop::CartItem.new", "lib/shop/cart_item.rb": ""}
    assert edges_of(files) == set()
    files["lib/shop.rb"] += "\nloader = Zeitwerk::Loader.for_gem"
    assert edges_of(files) == {("lib/shop.rb", "lib/shop/cart_item.rb")}
