"""Where a file names something that another file of its repository defines: found with Python's own parser.

A name counts where `from module import name` brings it, wherever it is used after that, and as `module.name`; modules
are files of the same repository, and a name that one only imports is followed to the file that defines it.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_HOPS = 4
"""Imports that are followed from one file to the next."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A name in a file: bytes [start, end) of its text; the file that defines it, by number, and at which byte."""

    start: int
    end: int
    file: int
    place: int
    first: bool
    """Whether the file named it nowhere before."""


def mentions(paths: Sequence[str], texts: Sequence[str]) -> list[list[Mention]]:
    """Of every file of one repository what it names of the others, by place. Texts that do not parse name nothing."""
    files = [_File.parse(path, text) for path, text in zip(paths, texts, strict=True)]
    modules = {file.module: number for number, file in enumerate(files) if file.module}
    found = []
    for number, file in enumerate(files):
        own: list[Mention] = []
        seen: set[tuple[int, str]] = set()
        for start, end, module, name in sorted(file.names):
            target = _define(modules, files, module, name)
            if target is not None and target[0] != number:
                own.append(Mention(start, end, *target, (target[0], name) not in seen))
                seen.add((target[0], name))
        found.append(own)
    return found


@dataclass(frozen=True, slots=True)
class _File:
    module: str
    defined: Mapping[str, int]
    """Names of the top level, and the byte at which each is defined."""
    imported: Mapping[str, tuple[str, str]]
    """Names of the top level that come from a module, and what they are called there."""
    names: Sequence[tuple[int, int, str, str]]
    """Start, end, module and name of what comes from another module, as it is spelt there."""

    @classmethod
    def parse(cls, path: str, text: str) -> "_File":
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return cls("", {}, {}, [])
        module = path.removesuffix(".py").replace("/", ".")
        package = module.removesuffix(".__init__") if module.endswith("__init__") else module.rpartition(".")[0]
        return _read(module.removesuffix(".__init__"), package, tree, text.encode())


def _read(module: str, package: str, tree: ast.Module, data: bytes) -> _File:
    lines = [0, *(found.end() for found in re.finditer(rb"\r\n|\r|\n", data))]
    defined: dict[str, int] = {}
    imported: dict[str, tuple[str, str]] = {}
    bound: dict[str, str] = {}  # names of whole modules
    names: list[tuple[int, int, str, str]] = []

    def add(line: int, column: int, source: str, name: str) -> None:
        start = lines[line - 1] + column
        end = start + len(name.encode())
        if data[start:end] == name.encode():
            names.append((start, end, source, name))

    for statement in tree.body:
        for name in _defined(statement):
            defined.setdefault(name, lines[statement.lineno - 1] + statement.col_offset)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            source = _absolute(package, node.module, node.level)
            for alias in node.names:
                add(alias.lineno, alias.col_offset, source, alias.name)
                bound[alias.asname or alias.name] = f"{source}.{alias.name}"
                imported[alias.asname or alias.name] = (source, alias.name)
        elif isinstance(node, ast.Import):
            bound |= {alias.asname: alias.name for alias in node.names if alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in imported and imported[node.id][1] == node.id:
            add(node.lineno, node.col_offset, *imported[node.id])
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
            assert node.end_lineno is not None and node.end_col_offset is not None
            add(node.end_lineno, node.end_col_offset - len(node.attr.encode()), bound[node.value.id], node.attr)
    return _File(module, defined, imported, names)


def _defined(statement: ast.stmt) -> list[str]:
    """The names that a statement of the top level defines."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [statement.name]
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _absolute(package: str, module: str | None, level: int) -> str:
    """The full name of the module of `from ... import`."""
    if not level:
        return module or ""
    parts = package.split(".")
    base = parts[: len(parts) - level + 1]
    return ".".join([*base, module] if module else base)


def _define(modules: Mapping[str, int], files: Sequence[_File], module: str, name: str) -> tuple[int, int] | None:
    """The file that defines a name of a module, and at which byte."""
    for _ in range(_HOPS):
        if module not in modules:
            return None
        file = files[modules[module]]
        if name in file.defined:
            return modules[module], file.defined[name]
        if name not in file.imported:
            return None
        module, name = file.imported[name]
    return None
