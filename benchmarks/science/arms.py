"""The arms of docs/science.md: what each changes of base.toml, as `repoloom run --set` takes it."""

from repoloom.curate import filters

_RULES_OFF = [f"curate.thresholds.{rule.name}=false" for rule in filters.rule_set("repoloom")]

ARMS: dict[str, list[str]] = {
    "base": [],
    "fim 0": ["fim.rate=0"],
    "fim 1": ["fim.rate=1"],
    "files": ["curate.document_megabytes=1e-6"],
    "shuffled": ["curate.order=shuffle"],
    "spm": ["fim.spm=1"],
    "half spm": ["fim.spm=0.5"],
    "masked spans": ["fim.spans=3"],
    "no dedup": ["curate.duplicate_repositories=false", "curate.duplicate_files=false"],
    "dedup of repositories": ["curate.duplicate_files=false"],
    "dedup of files": ["curate.duplicate_repositories=false"],
    "no filters": [*_RULES_OFF, "curate.readability=0", "curate.modularity=0"],
    "document level": ['fim.level="document"'],
    "file scope": ['fim.scope="file"'],
}
"""By name, the most important first. In `files` each file is a document of its own: what DeepSeek Coder is compared
with in its paper, where it speaks of cross-file completion [2401.14196]."""


def data(arm: str) -> str:
    """The arm whose corpus this one is trained on: itself where it changes the curation, else the base."""
    return arm if any(change.startswith("curate.") for change in ARMS[arm]) else "base"
