"""Repositories of the languages that languages of names need: the edges of a repository given as path -> text."""

from collections.abc import Mapping
from pathlib import Path

from repoloom.curate.imports import File, edges

LANGUAGES = {
    ".cs": "c-sharp",
    ".java": "java",
    ".kt": "kotlin",
    ".php": "php",
    ".rb": "ruby",
    ".scala": "scala",
    ".swift": "swift",
}


def edges_of(files: Mapping[str, str]) -> set[tuple[str, str]]:
    listed = [File(path, LANGUAGES.get(Path(path).suffix, ""), text) for path, text in files.items()]
    return {(listed[user].path, listed[used].path) for user, used in edges(listed)}
