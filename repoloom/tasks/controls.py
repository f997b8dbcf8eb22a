"""Tests with one expectation changed, which a right program must fail: the check on whoever says "passed".

The translated benchmarks' tests run in the program's own process, so its exit status is the program's own claim: one
that exits early, or whose results equal everything, "passes". It does so with other expectations too; a right one does
not. Each assertion in turn gets the expectation of another; where all of a task expect the same, it is negated.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Assertion:
    """The expected value is `test[start:end]`; `negated` is the whole test with this assertion turned round."""

    start: int
    end: int
    negated: str


def controls(language: str, test: str) -> tuple[str, ...]:
    """`test`, written as MultiPL-E writes a task's tests in this language, changed at each assertion; the last is last.

    () where it finds no assertion.
    """
    found = list(_FINDERS[language](test))
    expected = [test[each.start : each.end] for each in found]
    return tuple(
        each.negated if other is None else test[: each.start] + other + test[each.end :]
        for each, own in zip(found, expected, strict=True)
        for other in [next((other for other in reversed(expected) if _value(other) != _value(own)), None)]
    )


def _value(expected: str) -> str | float:
    """The number, where the text is one, since 1 and (1.0f) mean the same."""
    try:
        return float(expected.strip('()"').rstrip("lLfF"))
    except ValueError:
        return expected


def closing(text: str, place: int) -> int:
    """The place of the bracket that closes the one at `place`; brackets in quotes do not count, backslashes escape.

    Raises ValueError where it is never closed.
    """
    depth = 0
    while place < len(text):
        character = text[place]
        if character in "\"'":
            place = _end_of_string(text, place)
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0:
                return place
        place += 1
    raise ValueError("a bracket is not closed")


def _end_of_string(text: str, place: int) -> int:
    """The place of the quote that ends the string which begins at `place`."""
    quote = text[place]
    place += 1
    while place < len(text) and text[place] != quote:
        place += 2 if text[place] == "\\" else 1
    return place


def _compared(test: str, opening: str, operator: str) -> Iterator[_Assertion]:
    """Assertions `OPENING(CALL(...) OPERATOR EXPECTED)`; one with a bracket is a method: `.equals(`."""
    for found in re.finditer(rf"^\s*{opening}\(", test, re.MULTILINE):
        outer = found.end()
        try:
            end = closing(test, outer - 1)
            compared = re.compile(operator).match(test, closing(test, test.index("(", outer)) + 1, end)
            if compared is None:
                continue
            expected = closing(test, compared.end() - 1) if compared[0].endswith("(") else end
        except ValueError:
            continue
        negated = f"{test[:outer]}!({test[outer:end]}){test[end:]}"
        yield _Assertion(compared.end(), expected, negated)


def _c(test: str) -> Iterator[_Assertion]:
    return _compared(test, "assert", " == ")


def _java(test: str) -> Iterator[_Assertion]:
    return _compared(test, "assert", r" == |\.equals\(")


def _c_sharp(test: str) -> Iterator[_Assertion]:
    return _compared(test, r"Debug\.Assert", r" == |\.(?:Equals|SequenceEqual)\(")


def _php(test: str) -> Iterator[_Assertion]:
    return _compared(test, "if ", " !== ")


def _javascript(test: str) -> Iterator[_Assertion]:
    name = "assert.deepEqual"
    for found in _compared(test, re.escape(name), ","):
        place = test.rindex(name, 0, found.start)
        yield _Assertion(found.start, found.end, test[:place] + "assert.notDeepEqual" + test[place + len(name) :])


def _shell(test: str) -> Iterator[_Assertion]:
    for found in re.finditer(r"^\s*\[\[ (\$\(candidate.*\)) = (\".*\") \]\]$", test, re.MULTILINE):
        yield _Assertion(found.start(2), found.end(2), f"{test[: found.start(1)]}! {test[found.start(1) :]}")


_FINDERS: dict[str, Callable[[str], Iterator[_Assertion]]] = {
    "cpp": _c,
    "java": _java,
    "c-sharp": _c_sharp,
    "javascript": _javascript,
    "typescript": _javascript,
    "php": _php,
    "shell": _shell,
}
