"""Bytes a token by language: tokenizers side by side on held-out files.

A tokenizer is a folder with a tokenizer.json, or that file; the ranks of one of OpenAI's encodings as they are
published (`cl100k_base.tiktoken`); or the name of one (`gpt2`), where tiktoken has its ranks in its cache or can fetch
them. What counts are the tokens of plain text: none is added, and text that spells a special token is text.
"""

import base64
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import tiktoken

from repoloom import formats
from repoloom.errors import UserError
from repoloom.progress import bar
from repoloom.tokens.tokenizer import FILE, Tokenizer

_GPT2 = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
_CL100K = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"""
    r"""|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
)
_PATTERNS = {"gpt2": _GPT2, "r50k_base": _GPT2, "p50k_base": _GPT2, "cl100k_base": _CL100K}
"""How tiktoken cuts a text before the ranks apply: a file of ranks does not say it."""

_STRETCH = 100_000
"""Characters that tiktoken gets at one time: a run of blanks ten times as long overflows its stack. A cut costs a token
at the most."""


class Encoder(NamedTuple):
    """A tokenizer as far as it is compared."""

    entries: int
    lengths: Callable[[Sequence[str]], list[int]]
    """How many tokens each text has."""


def compare(corpus: Path, tokenizers: Sequence[str]) -> dict[str, Any]:
    """Encode the held-out files of a curate folder with each of `tokenizers`.

    Returns the `bytes` of text by language, the largest first, and of each tokenizer its `entries` and its
    `bytes_per_token` by language, `all` first. Raises UserError where nothing is held out or a tokenizer is unreadable.
    """
    encoders = {name: load(name) for name in tokenizers}
    parts = formats.parts(corpus, "heldout")
    size: Counter[str] = Counter()
    tokens: dict[str, Counter[str]] = {name: Counter() for name in encoders}
    with bar("tokens", sum(pq.read_metadata(part).num_rows for part in parts)) as progress:
        for row in (row for part in parts for row in formats.rows(part, ["files", "text"])):
            texts = [row["text"][file["start"] : file["end"]] for file in row["files"]]
            for file, text in zip(row["files"], texts, strict=True):
                size[file["language"]] += len(text.encode("utf-8", "surrogatepass"))
            for name, encoder in encoders.items():
                for file, count in zip(row["files"], encoder.lengths(texts), strict=True):
                    tokens[name][file["language"]] += count
            progress.advance()
    languages = dict(size.most_common())
    return {
        "bytes": languages,
        "tokenizers": {
            name: {
                "entries": encoder.entries,
                "bytes_per_token": {"all": size.total() / max(tokens[name].total(), 1)}
                | {language: of / max(tokens[name][language], 1) for language, of in languages.items()},
            }
            for name, encoder in encoders.items()
        },
    }


def load(name: str) -> Encoder:
    """The tokenizer at a path, or of a name that tiktoken knows. Raises UserError where there is none."""
    path = Path(name)
    if path.suffix == ".tiktoken":
        return _of_tiktoken(_ranks(path))
    if path.name == FILE or path.is_dir():
        tokenizer = Tokenizer.load(path if path.is_dir() else path.parent)
        return Encoder(tokenizer.size, lambda texts: [len(ids) for ids in tokenizer.encode_arrays(texts)])
    if name not in tiktoken.list_encoding_names():
        known = ", ".join(tiktoken.list_encoding_names())
        raise UserError(f"{name} is no folder with a {FILE}, no .tiktoken file and no encoding of tiktoken's ({known})")
    try:
        return _of_tiktoken(tiktoken.get_encoding(name))
    except Exception as error:  # of requests, of the file system, or a wrong digest
        raise UserError(
            f"{name}: tiktoken has no ranks of it in its cache and cannot fetch them ({type(error).__name__}): "
            f"give a file {name}.tiktoken"
        ) from None


def _ranks(path: Path) -> tiktoken.Encoding:
    pattern = _PATTERNS.get(path.stem)
    if pattern is None:
        raise UserError(f"{path}: known are the cuts of {', '.join(_PATTERNS)} alone: name it so, or give its {FILE}")
    try:
        lines = [line.split() for line in path.read_bytes().splitlines()]
        ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
        if sorted(ranks.values()) != list(range(len(ranks))) or not all(bytes([byte]) in ranks for byte in range(256)):
            raise ValueError("ranks or single bytes are missing")
    except (OSError, ValueError) as error:
        raise UserError(f"{path} holds no ranks that can be read: {error}") from None
    return tiktoken.Encoding(path.stem, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


def _of_tiktoken(encoding: tiktoken.Encoding) -> Encoder:
    def lengths(texts: Sequence[str]) -> list[int]:
        return [
            sum(len(encoding.encode_ordinary(text[at : at + _STRETCH])) for at in range(0, len(text), _STRETCH))
            for text in texts
        ]

    return Encoder(encoding.n_vocab, lengths)
