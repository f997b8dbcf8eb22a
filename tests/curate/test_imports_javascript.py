"""JavaScript and TypeScript edges: cases, hand-labelled repositories, and tools of others where they are installed.

The TypeScript compiler is asked where `NODE_PATH` finds it; npm's own source, which comes with node, is loaded by node
itself, which says what each file required.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from import_cases import edges_of, read, scores

from repoloom.curate.imports.javascript import extract

TOOL = Path(__file__).parent / "tools" / "script_edges.cjs"
TEXTS = [
    ('import a from "./a";', ["./a"]),
    ("import './a'\nimport{b}from'./b'", ["./a", "./b"]),
    ("import type { A } from './a'; import B = require('./b');", ["./a", "./b"]),
    ("import {\n  a,\n  from,\n} from\n  './a'", ["./a"]),
    ("export * from './a'; export { x as y } from \"./b\"", ["./a", "./b"]),
    ("const a = require('./a').b, c = require( `./c` )", ["./a", "./c"]),
    ("const a = () => import(/* webpackChunkName: \"a\" */ './a')", ["./a"]),
    ("type T = import('./a').T; type U = typeof import('./b')", ["./a", "./b"]),
    ('/// <reference path="types/a.d.ts" />', ["./types/a.d.ts"]),
    ("/* import './a' */ // import './b'\n", []),
    ("const s = \"import './a'\"; const t = `\nimport './b'\n`; import './c'", ["./c"]),
    ("const quote = /[\"'`]/g; import './a'", ["./a"]),
    ("x = y.replace(/\\//g, '`'); import './a'", ["./a"]),
    ("const half = a / b; import './a' // c / d", ["./a"]),
    ("thing.require('./a'); Array.from('./b'); reimport('./c'); $from './d'", []),
    ("require(name); import(`./${name}`)", []),
    ("`a ${b ? `c` : 'd'} e`; import './a'", ["./a"]),
    ("`never closed\nimport './a'", []),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS, ids=range(len(TEXTS)))
def test_an_import_is_read_and_what_only_looks_like_one_is_not(text, expected):
    assert list(extract(text)) == expected


def test_relative_names_extensions_and_folders():
    assert edges_of(
        {
            "src/app.ts": "import './a.js'; import './b'; import './c'; import '../lib'; import './data.json'",
            "src/a.ts": "import type { T } from './types'",
            "src/b.tsx": "import React from 'react'; import '../../outside'",
            "src/c/index.ts": "export * from '..'; import '.';",
            "src/index.ts": "",
            "src/types.d.ts": "",
            "src/data.json": "{}",
            "lib/package.json": '{"main": "./main"}',
            "lib/main.js": "require('./same'); require('./util/')",
            "lib/same.js": "",
            "lib/same.ts": "",
            "lib/util/index.js": "",
        }
    ) == {
        ("src/app.ts", "src/a.ts"),
        ("src/app.ts", "src/b.tsx"),
        ("src/app.ts", "src/c/index.ts"),
        ("src/app.ts", "lib/main.js"),
        ("src/app.ts", "src/data.json"),
        ("src/a.ts", "src/types.d.ts"),
        ("src/c/index.ts", "src/index.ts"),
        ("lib/main.js", "lib/same.js"),
        ("lib/main.js", "lib/util/index.js"),
    }


MONOREPO = {
    "package.json": '{"name": "shop", "workspaces": ["packages/*"]}',
    "tsconfig.base.json": """{
        // comments and trailing commas are allowed here
        "compilerOptions": {"baseUrl": ".", "paths": {"@core/*": ["packages/core/src/*"], "config": ["./config.ts"],},}
    }""",
    "config.ts": "",
    "packages/core/package.json": '{"name": "@shop/core", "exports": {".": "./src/index.ts", "./fp": "./src/fp/a.ts"}}',
    "packages/core/src/index.ts": "export * from './price'",
    "packages/core/src/price.ts": "import '#rates'",
    "packages/core/src/fp/a.ts": "",
    "packages/web/package.json": '{"name": "web", "main": "dist/index.js"}',
    "packages/web/tsconfig.json": '{"extends": "../../tsconfig.base.json"}',
    "packages/web/src/index.ts": "import '@shop/core'; import '@shop/core/fp'; import '@core/price'; import 'config'",
    "packages/web/src/page.ts": "import 'web/index'; import 'lodash'; import '@/index'; import fs from 'fs'",
}


def test_aliases_and_workspaces():
    web = "packages/web/src"
    assert edges_of(MONOREPO) == {
        ("packages/core/src/index.ts", "packages/core/src/price.ts"),
        (f"{web}/index.ts", "packages/core/src/index.ts"),
        (f"{web}/index.ts", "packages/core/src/fp/a.ts"),
        (f"{web}/index.ts", "packages/core/src/price.ts"),
        (f"{web}/index.ts", "config.ts"),
        (f"{web}/page.ts", f"{web}/index.ts"),
    }


@pytest.mark.parametrize(
    "broken",
    ["", "[]", "nonsense", "[" * 100_000, '{"name": 3, "exports": 7, "imports": []}', '{"compilerOptions": []}'],
)
def test_a_broken_manifest_names_nothing(broken):
    files = {
        "package.json": broken,
        "tsconfig.json": broken,
        "a.ts": "import './b'; import 'x'; import '#y'",
        "b.ts": "",
    }
    assert edges_of(files) == {("a.ts", "b.ts")}


def test_a_script_uses_the_module_that_runs_and_typescript_its_declarations():
    exports = {".": {"types": "./types/index.d.ts", "default": "./lib/api.js"}}
    files = {
        "package.json": json.dumps({"name": "tool", "exports": exports}),
        "lib/api.js": "",
        "types/index.d.ts": "",
        "tests/a.js": "require('tool')",
        "tests/b.ts": "import 'tool'",
    }
    assert edges_of(files) == {("tests/a.js", "lib/api.js"), ("tests/b.ts", "types/index.d.ts")}


def test_private_imports_of_a_package():
    manifest = json.dumps({"imports": {"#db/*": {"node": "./src/db/*.js"}, "#x": "./src/x.js"}})
    files = {
        "package.json": manifest,
        "src/a.js": "import '#db/pool'; import '#x'",
        "src/db/pool.js": "",
        "src/x.js": "",
    }
    assert edges_of(files) == {("src/a.js", "src/db/pool.js"), ("src/a.js", "src/x.js")}


def npm():
    found = shutil.which("npm")
    folder = Path(found).resolve().parents[1] if found else None
    if folder is None or not (folder / "lib/npm.js").is_file():
        pytest.skip("node's npm, whose source is the measure, is not installed")
    return folder


REQUIRED = """
const Module = require("module"), path = require("path"), root = process.argv[1] + path.sep, pairs = new Set();
const original = Module._resolveFilename;
Module._resolveFilename = function (name, parent, ...rest) {
  const found = original.call(this, name, parent, ...rest);
  if (parent && parent.filename && parent.filename.startsWith(root) && found.startsWith(root))
    pairs.add(parent.filename.slice(root.length) + "\\t" + found.slice(root.length));
  return found;
};
for (const name of process.argv.slice(2)) require(root + name);
console.log([...pairs].join("\\n"));
"""


def test_npm_against_node_which_loads_it():
    """npm's commands are trusted code of this machine's node; loading them records every require that runs."""
    folder = npm()
    commands = sorted(f"lib/commands/{file.name}" for file in (folder / "lib/commands").glob("*.js"))
    done = subprocess.run(["node", "-e", REQUIRED, str(folder), *commands], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
    pairs = {tuple(line.split("\t")) for line in done.stdout.splitlines()}
    truth = {edge for edge in pairs if edge[0] != edge[1]}
    loaded = {user for user, _ in truth}
    found = {edge for edge in edges_of(read(folder, {".js", ".cjs", ".json"})) if edge[0] in loaded}
    _, recall = scores(found, truth)
    assert len(truth) > 500
    assert recall >= 0.95, sorted(truth - found)[:20]


def test_npm_against_the_typescript_compiler(tmp_path):
    folder = npm() / "lib"
    texts = read(folder, {".js", ".cjs", ".mjs"})
    (tmp_path / "paths").write_text("\n".join(texts))
    done = subprocess.run(["node", str(TOOL), str(folder), str(tmp_path / "paths")], capture_output=True, text=True)
    if "Cannot find module 'typescript'" in done.stderr:
        pytest.skip(f"TypeScript is not installed where NODE_PATH ({os.environ.get('NODE_PATH', 'unset')}) points")
    assert done.returncode == 0, done.stderr[-500:]
    precision, recall = scores(edges_of(texts), {tuple(line.split("\t")) for line in done.stdout.splitlines()})
    assert precision >= 0.95
    assert recall >= 0.95
