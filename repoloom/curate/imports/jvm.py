"""Kotlin and Scala, with the Java of the same repository: each names the others' packages and types as its own.

Java's edges to Java are java.py's; here are those from and to Kotlin and Scala.
"""

from collections.abc import Iterator, Sequence

from repoloom.curate.imports import java, kotlin, scala
from repoloom.curate.imports.file import File
from repoloom.curate.imports.scopes import Unit, uses


def edges(files: Sequence[File], among: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The edges of the Kotlin and Scala files, and of Java files to them."""
    units: dict[int, Unit] = {}
    members: set[str] = set()
    for n in among:
        stem = files[n].path.rpartition("/")[2].rpartition(".")[0]
        if files[n].language == "kotlin":
            units[n], found = kotlin.extract(files[n].text, stem)
            members |= {f":{name}" for name in found}
        elif files[n].language == "scala":
            units[n] = scala.extract(files[n].text)
        elif files[n].language == "java":
            units[n] = _unit(java.extract(files[n].text), stem)
    units = {n: unit._replace(names=unit.names - members) for n, unit in units.items()}
    for user, _, used in uses(files, units):
        if files[user].language != "java" or files[used].language != "java":
            yield user, used


def _unit(found: java.Unit, stem: str) -> Unit:
    declares = dict.fromkeys([stem, *found.declares])
    return Unit(
        [(found.package, name) for name in declares],
        [found.package],
        {name.rpartition(".")[2]: name for name in found.imports},
        found.on_demand,
        found.names - declares.keys(),
        found.qualified,
    )
