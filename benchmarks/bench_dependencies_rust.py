"""What rustc says about the dependencies of a crate's files; bench_dependencies.py compares with it.

The compiler prints its high-level representation (`-Zunpretty=hir-tree`), where `cfg` and macros are done: the tree of
modules, and every path with what its segments mean. Nothing is built and no code of the folder runs.
"""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from dependency_references import Pair, Reference

from repoloom.curate.imports import File, edges

_HIR = re.compile(
    r"^(?P<space> *)(?:\w+: )?(?P<path>(?:Use)?Path \{)$"
    r"|^(?P<macro> *)body: DelimArgs \{\n(?:(?!(?P=macro)\}).*\n)*+"  # a definition, as tokens
    r"|^(?P<shut> *)\},?$"
    r"|^ *(?P<kind>\w*span): (?P<file>[^:<>\n]+):(?P<first>\d+):\d+: (?P<last>\d+):"
    r"|^(?P<owner>DefId\(0:.*\)) => OwnerNodes "
    r"|^(?P<inside> *)ident: (?:r#)?(?P<ident>[\w{}$]+)#"
    r"|^ *Mod,\n *(?P<module>DefId\(0:.*\)),$",
    re.MULTILINE,
)
_WORD = re.compile(r"\w")


def rustc(folder: Path, files: Sequence[File], options: str) -> Reference:
    """Module trees and the module of every resolved path, as rustc lowers each target that cargo names.

    `options` are the targets, all where none is named. All features are on, with and without `cfg(test)`. Other crates
    are missing, so paths into them count neither way. Nor does what the compiler did not read: an edge of ours counts
    where it stands on lines that some node of the representation begins or ends on. Other lines are what `cfg` leaves
    out, bodies of macros that nothing expands, and arguments of macros of other crates.
    """
    pairs: set[Pair] = set()
    homes: dict[str, set[str]] = {}
    lines: dict[str, set[int]] = {}
    for manifest in sorted(folder.rglob("Cargo.toml")):
        command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"]
        done = subprocess.run(command, cwd=manifest.parent, capture_output=True, text=True)
        for package in json.loads(done.stdout)["packages"] if done.returncode == 0 else ():
            if package["manifest_path"] != str(manifest):
                continue
            features = [f'--cfg=feature="{name}"' for name in package["features"]]
            for target in package["targets"]:
                if options and target["name"] not in options.split(","):
                    continue
                source = os.path.relpath(target["src_path"], folder)
                command = ["rustc", "--edition", target["edition"], "--crate-name", target["name"].replace("-", "_")]
                command += ["-Zunpretty=hir-tree", *features, source]
                kinds = set(target["kind"])
                plain = [] if kinds & {"test", "bench"} else [f"--crate-type={'bin' if 'bin' in kinds else 'lib'}"]
                for kind in ("--test", *plain):
                    environment = {**os.environ, "RUSTC_BOOTSTRAP": "1"}
                    done = subprocess.run([*command, kind], cwd=folder, capture_output=True, text=True, env=environment)
                    crate = _Crate(done.stdout)
                    pairs |= crate.edges()
                    for file in crate.of_module.values():
                        homes.setdefault(file, set()).add(source)
                    for file, seen in crate.lines.items():
                        lines.setdefault(file, set()).update(seen)
    read = [replace(file, text=_only(file.text, lines.get(file.path, set()))) for file in files]
    followed = {(files[user].path, files[used].path) for user, used in edges(read)}
    known = {file.path for file in files}
    return Reference(
        {pair for pair in pairs if set(pair) <= known},
        len(known & set(homes)),
        lambda pair: pair in followed and bool(homes.get(pair[0], set()) & homes.get(pair[1], set())),
    )


def _only(text: str, lines: set[int]) -> str:
    """The text without the words of all other lines; punctuation stays, so that brackets still match.

    Attributes belong to what stands below them.
    """
    kept: list[str] = []
    below = False
    for number, line in reversed([*enumerate(text.split("\n"), 1)]):
        below = number in lines or (below and line.lstrip().startswith("#["))
        kept.append(line if below else _WORD.sub(" ", line))
    return "\n".join(reversed(kept))


class _Crate:
    """One crate as the compiler printed it."""

    def __init__(self, tree: str) -> None:
        self.of_module: dict[str, str] = {}
        """DefId -> file."""
        self.lines: dict[str, set[int]] = {}
        """File -> lines that a node begins or ends on."""
        self._paths: dict[tuple[str, str, tuple[tuple[str, str], ...], str], None] = {}
        """(owner, file, segments with the module that each means, module that the whole path means)."""
        # [indentation, file, segments, module] of the paths around
        stack: list[tuple[str, list[str], list[list[str]]]] = []
        owner = ""
        for match in _HIR.finditer(tree):
            if match["path"]:
                stack.append((match["space"], ["", ""], []))
            elif match["shut"] is not None:
                if stack and stack[-1][0] == match["shut"]:
                    _, (file, whole), segments = stack.pop()
                    self._paths[owner, file, tuple((ident, module) for ident, module in segments), whole] = None
            elif match["kind"]:
                self.lines.setdefault(match["file"], set()).update((int(match["first"]), int(match["last"])))
                if match["kind"] == "inner_span":
                    self.of_module.setdefault(owner, match["file"])
                elif match["kind"] == "span" and stack and not stack[-1][1][0]:
                    stack[-1][1][0] = match["file"]
            elif match["owner"]:
                owner = match["owner"]
            elif match["ident"]:
                if stack and len(match["inside"]) == len(stack[-1][0]) + 12:
                    stack[-1][2].append([match["ident"], ""])
            elif stack and stack[-1][2]:
                stack[-1][2][-1][1] = match["module"]
            elif stack:
                stack[-1][1][1] = match["module"]
        self._named = {_name(module): module for module in self.of_module}

    def edges(self) -> set[Pair]:
        """From each file to those of the modules it declares, and of the deepest module of each path."""
        children: dict[tuple[str, str], str] = {}
        for name, module in self._named.items():
            above, _, last = name.rpartition("::")
            children[self._named.get(above, ""), last] = module
        for _, _, segments, _ in self._paths:
            for (_, module), (ident, inner) in pairwise(segments):
                if module and inner:
                    children[module, ident] = inner  # what re-exports give, as the compiler found it elsewhere
        pairs = {
            (self.of_module[above], self.of_module[module]) for (above, _), module in children.items()
            if above and _name(module).rpartition("::")[0] == _name(above)
        }  # fmt: skip
        for owner, file, segments, whole in self._paths:
            deepest = whole or next((module for _, module in reversed(segments) if module), "")
            if not deepest and len(segments) > 1:
                deepest = self._stem(owner, [ident for ident, _ in segments[:-1]], children)
            if file and deepest in self.of_module:
                pairs.add((file, self.of_module[deepest]))
        return pairs

    def _stem(self, owner: str, idents: list[str], children: dict[tuple[str, str], str]) -> str:
        """The module of `super` in a path, and of `a::b` in `use a::b::{C, D}`: the compiler writes down neither."""
        place, name = owner, _name(owner)
        while place not in self.of_module:
            name = name.rpartition("::")[0]
            place = self._named.get(name, "")
            if not name:
                return ""
        deepest = ""
        for ident in idents:
            name = _name(place)
            if ident == "crate":
                place = self._named[name.partition("::")[0]]
            elif ident == "super":
                place = self._named.get(name.rpartition("::")[0], "")
            elif ident != "self":
                if "{use#" not in owner:
                    break
                place = children.get((place, ident), "")
            if not place:
                break
            deepest = place
        return deepest


def _name(module: str) -> str:
    """`crate[hash]::a::b` of a DefId."""
    return module.partition(" ~ ")[2].rstrip(")")
