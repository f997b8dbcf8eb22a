"""Train a byte-level BPE [P 3.2] on a sample of the documents' files, by Hugging Face tokenizers.

The pre-tokenizer is DeepSeek Coder's, the one llama.cpp knows as `deepseek-coder`: a GGUF of our model gives the same
ids. Line breaks are cut off one by one before all else, so no token reaches over one. Padding is a token of its own:
where it is the end of text, scripts that mask padding mask the end as well, and the model never learns to stop
(DeepSeek-Coder's issues 90 and 163). The sample is drawn by file, each by its own key, so it does not depend on how the
documents are cut into parts; the trainer keeps the distinct words of the sample alone (docs/tokenizer.md: memory).

[P] is arXiv 2401.14196 v2.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors, trainers

from repoloom.formats import rows
from repoloom.progress import Bar

BOS = "<｜begin▁of▁sentence｜>"
EOS = "<｜end▁of▁sentence｜>"
PAD = "<｜▁pad▁｜>"
FIM_BEGIN = "<｜fim▁begin｜>"
FIM_HOLE = "<｜fim▁hole｜>"
FIM_END = "<｜fim▁end｜>"
EOT = "<|EOT|>"

RESERVED = tuple(f"<｜place▁holder▁no▁{number}｜>" for number in range(57))
"""Without a meaning yet: who tunes a model gives them one. Spelt as DeepSeek's later tokenizers do."""

SPECIAL = (BOS, EOS, PAD, FIM_BEGIN, FIM_HOLE, FIM_END, EOT, *RESERVED)
"""In the order of their ids, which follow the learnt entries. They are 64, a model's rows being a multiple of it."""

EAST = "一-龥ࠀ-一가-퟿"
SPLITS = ("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", f"[{EAST}]+", r"\p{N}")
"""What is cut off, in this order, each from what those before it left, inside and out: single line breaks; letters and
punctuation, with a space before; runs of Chinese, Japanese and Korean (and all else from U+0800 on); single digits."""

_FREE = r"(?!\s?[\p{L}\p{P}])"
_ONE_PASS = "|".join(
    (
        r"[\r\n]",
        rf"[\s&&[^{EAST}]]?(?:[\p{{L}}&&[^{EAST}]]+|[\p{{P}}&&[^{EAST}]]+)",
        rf"[\s&&[{EAST}]]?(?:[\p{{L}}&&[{EAST}]]+|[\p{{P}}&&[{EAST}]]+)",
        r"\s(?=[\p{L}\p{P}])",
        r"\p{N}",
        rf"(?:{_FREE}[{EAST}&&[^\p{{N}}]])+",
        rf"(?:{_FREE}[^\r\n\p{{N}}{EAST}])+",
    )
)
"""`SPLITS` as one expression, which is nearly twice as fast. A run of letters or punctuation, and what is neither, ends
where the eastern range begins or ends; a space stays with the run behind it if both are on the same side."""

_MIN_FREQUENCY = 2
"""A pair seen once says nothing about code; a vocabulary larger than its sample bears stays smaller than asked."""


def pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    """DeepSeek Coder's, as its tokenizer.json states it."""
    return _cutting(*SPLITS)


def one_pass() -> pre_tokenizers.PreTokenizer:
    """The same cuts as `pre_tokenizer`, found in one pass."""
    return _cutting(_ONE_PASS)


def _cutting(*patterns: str) -> pre_tokenizers.PreTokenizer:
    cuts = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    return pre_tokenizers.Sequence([*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def untrained() -> tokenizers.Tokenizer:
    """The whole pipeline around an empty vocabulary."""
    core = tokenizers.Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizer()
    core.decoder = decoders.ByteLevel()
    return core


def learn(texts: Iterator[str], vocabulary: int) -> tokenizers.Tokenizer:
    """Learn at most `vocabulary` entries, the 256 bytes among them, and add the special tokens behind them."""
    core = untrained()
    core.pre_tokenizer = one_pass()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=_MIN_FREQUENCY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    core.pre_tokenizer = pre_tokenizer()
    core.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    core.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B:1", special_tokens=[(BOS, core.token_to_id(BOS))]
    )
    return core


class Sample:
    """The files that train, each taken or left by a hash of seed, document and path."""

    def __init__(self, found: list[Path], megabytes: float, seed: int) -> None:
        self._found, self._seed = found, seed
        total = sum(row["files"][-1]["end"] for part in found for row in rows(part, ["files"]) if row["files"])
        self.expected = min(megabytes * 1e6, total)
        self._threshold = int(self.expected / max(total, 1) * 2**64)
        self.files = self.bytes = self.files_seen = self.bytes_seen = 0

    def texts(self, progress: Bar) -> Iterator[str]:
        """The chosen files, one text each; `progress` counts megabytes."""
        for part in self._found:
            for row in rows(part, ["document_id", "files", "text"]):
                for file in row["files"]:
                    text = row["text"][file["start"] : file["end"]]
                    size = len(text.encode())
                    self.files_seen += 1
                    self.bytes_seen += size
                    if self._key(row["document_id"], file["path"]) < self._threshold:
                        self.files += 1
                        self.bytes += size
                        progress.advance(len(text) / 1e6)
                        yield text

    def _key(self, document: str, path: str) -> int:
        name = f"{self._seed}/tokenizer/{document}/{path}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")
