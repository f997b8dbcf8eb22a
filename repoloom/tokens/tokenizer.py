"""A tokenizer's folder (tokenizer.json and its companions): `train` writes ours, `Tokenizer` reads any.

Plain text never yields a special id: files that are about language models hold `<｜fim▁begin｜>` as text, and it stays
text. The ids of the special tokens are for those who build sequences on purpose.
"""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tokenizers

from repoloom.errors import UserError
from repoloom.formats import parts
from repoloom.progress import bar
from repoloom.recipe import TokenizerSettings
from repoloom.stage import Manifest, build, read_manifest
from repoloom.tokens import bpe, bulk, fast

FILE = "tokenizer.json"
CONFIG = "tokenizer_config.json"
MAP = "special_tokens_map.json"

_SENTINELS = (
    (bpe.FIM_BEGIN, bpe.FIM_HOLE, bpe.FIM_END),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
)
"""Before the prefix, the suffix and the middle, as DeepSeek Coder, StarCoder and Qwen2.5-Coder spell them."""


def train(documents: Path, out: Path, settings: TokenizerSettings, seed: int) -> Manifest:
    """Train on `documents` (a curate folder) and write a tokenizer's folder. Counts: files and bytes, in and sampled.

    Raises UserError where the folder is not curate's.
    """
    found = parts(documents, "documents")
    inputs = {"documents": read_manifest(documents)["content"]}
    chosen = {**settings.model_dump(), "seed": seed}
    code = ["tokens/bpe.py", "tokens/tokenizer.py"]
    with build(out, "tokenizer", inputs=inputs, settings=chosen, code=code, libraries=["tokenizers"]) as work:
        if work.finished is None:
            sample = bpe.Sample(found, settings.sample_megabytes, seed)
            with bar("tokenizer", sample.expected / 1e6) as progress:
                core = bpe.learn(sample.texts(progress), settings.vocabulary)
            if not sample.files:
                raise UserError(f"{documents}: no file fell into the sample: raise tokenizer.sample_megabytes")
            with work.write(FILE) as path:
                core.save(str(path), pretty=False)
            for name, value in _companions().items():
                with work.write(name) as path:
                    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
            work.finish(
                {
                    "in": {"files": sample.files_seen, "bytes": sample.bytes_seen},
                    "sampled": {"files": sample.files, "bytes": sample.bytes},
                    "learnt": core.get_vocab_size(with_added_tokens=False),
                    "size": core.get_vocab_size(with_added_tokens=True),
                }
            )
    assert work.manifest is not None
    return work.manifest


def _companions() -> dict[str, dict[str, Any]]:
    """The files beside tokenizer.json. transformers makes an attribute of every key that ends in `_token`."""
    names = {"bos_token": bpe.BOS, "eos_token": bpe.EOS, "pad_token": bpe.PAD}
    sentinels = {"fim_begin_token": bpe.FIM_BEGIN, "fim_hole_token": bpe.FIM_HOLE, "fim_end_token": bpe.FIM_END}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **names,
        "eot_token": bpe.EOT,
        **sentinels,
        "add_bos_token": True,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1_000_000_000,
    }
    return {CONFIG: config, MAP: names}


class Tokenizer:
    """Text to ids and back, made by `load`. `bos`, `eos`, `pad`, `eot`, `fim_*` are ids, None where there is none."""

    def __init__(self, folder: Path, description: dict[str, Any], roles: dict[str, str | None]) -> None:
        self.folder = folder
        added = {token["content"]: token for token in description.get("added_tokens", [])}
        for name in roles.values():
            if name in added:
                added[name]["special"] = True  # DeepSeek marks its own sentinels as ordinary text
        self._core = tokenizers.Tokenizer.from_str(json.dumps(description))
        if _cuts(description) == bpe.SPLITS:
            self._core.pre_tokenizer = bpe.one_pass()
        self._core.encode_special_tokens = True
        self._core.no_padding()
        self._core.no_truncation()
        self._added = {token["id"]: b"" if token["special"] else token["content"].encode() for token in added.values()}
        self.byte_level = _is_byte_level(description)
        """Whether every token stands for fixed bytes, which joined are the text: what `decode_bytes` and FIM need."""
        self.splits_lines = self.byte_level and _cuts(description)[:1] == bpe.SPLITS[:1]
        """Whether no token reaches over a line break, so that a text's ids are its lines' ids in a row."""
        self._is_ours = self.byte_level and _cuts(description) == bpe.SPLITS and fast.in_order(description["model"])
        vocabulary = self._core.get_vocab(with_added_tokens=True)
        self.size = max(vocabulary.values()) + 1
        """Entries, the special ones among them; every id is below it."""
        ids = {role: None if name is None else vocabulary.get(name) for role, name in roles.items()}
        self.bos, self.eos, self.pad, self.eot = ids["bos"], ids["eos"], ids["pad"], ids["eot"]
        self.fim_begin, self.fim_hole, self.fim_end = ids["fim_begin"], ids["fim_hole"], ids["fim_end"]

    @classmethod
    def load(cls, folder: Path) -> "Tokenizer":
        """Read a folder that holds a tokenizer.json. Raises UserError where it holds none that can be read."""
        description = _read(folder / FILE)
        config = _read(folder / MAP) if (folder / MAP).exists() else {}
        config |= _read(folder / CONFIG) if (folder / CONFIG).exists() else {}
        try:
            known = {token["content"] for token in description.get("added_tokens", [])}
            return cls(folder, description, _roles(config, known))
        except Exception as error:  # tokenizers raises plain Exception for a bad description
            raise UserError(f"{folder / FILE} is not a tokenizer that can be read: {error}") from None

    def encode(self, text: str) -> list[int]:
        """The ids of a text, no special one among them, nothing added."""
        if self._fast and self._fast.takes(text):
            return self._fast.encode(text)
        ids: list[int] = self._core.encode(text, add_special_tokens=False).ids
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts."""
        return [ids.tolist() for ids in self.encode_arrays(texts)]

    def encode_arrays(self, texts: Sequence[str]) -> list[npt.NDArray[np.uint32]]:
        """As `encode_batch`, for who wants numbers on disk: no object is made for each. Not for several threads."""
        if self._bulk:
            return self._bulk.encode(texts)
        found = self._core.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(encoding.ids, np.uint32) for encoding in found]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens left out; bytes that are no character become U+FFFD."""
        if self.byte_level:
            return self.decode_bytes(ids).decode("utf-8", "replace")
        text: str = self._core.decode(list(ids), skip_special_tokens=True)
        return text

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The UTF-8 bytes that ids stand for, special tokens left out. Only where `byte_level` holds."""
        return b"".join(map(self.table.__getitem__, ids))

    @functools.cached_property
    def _fast(self) -> fast.Fast | None:
        """tiktoken in the place of Hugging Face's encoder, where both give the same ids."""
        if not self._is_ours:
            return None
        entries = self._core.get_vocab(with_added_tokens=False)
        return fast.Fast({b"".join([_BYTE_OF[letter] for letter in entry]): token for entry, token in entries.items()})

    @functools.cached_property
    def _bulk(self) -> bulk.Bulk | None:
        return bulk.Bulk(self.encode) if self._fast else None

    @functools.cached_property
    def table(self) -> list[bytes]:
        """The bytes of every id, empty for special tokens. Only where `byte_level` holds."""
        table = [b""] * self.size
        for entry, token in self._core.get_vocab(with_added_tokens=False).items():
            table[token] = b"".join([_BYTE_OF[character] for character in entry])
        for token, content in self._added.items():
            table[token] = content
        return table


def _roles(config: dict[str, Any], known: set[str]) -> dict[str, str | None]:
    """The names of the special tokens: as the configuration says, or as the known families spell them."""
    sentinels: Sequence[str | None] = [_name(config.get(f"fim_{part}_token")) for part in ("begin", "hole", "end")]
    if None in sentinels:
        sentinels = next((names for names in _SENTINELS if known.issuperset(names)), (None, None, None))
    return {
        **{role: _name(config.get(f"{role}_token")) for role in ("bos", "eos", "pad")},
        "eot": _name(config.get("eot_token")) or (bpe.EOT if bpe.EOT in known else None),
        **dict(zip(("fim_begin", "fim_hole", "fim_end"), sentinels, strict=True)),
    }


def _name(entry: Any) -> str | None:
    """A token as the configuration files write it: plain, or with its flags."""
    content = entry.get("content") if isinstance(entry, dict) else entry
    return content if isinstance(content, str) else None


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path.parent} is not a tokenizer's folder: {path.name}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} does not hold a JSON object")
    return value


def _steps(pipeline: Any, plural: str) -> list[dict[str, Any]]:
    """A pipeline's steps in order, whether it has none, one or a sequence of them."""
    if not pipeline:
        return []
    return list(pipeline[plural]) if pipeline["type"] == "Sequence" else [pipeline]


def _is_byte_level(description: dict[str, Any]) -> bool:
    model, before = description["model"], _steps(description.get("pre_tokenizer"), "pretokenizers")
    return (
        model.get("type") == "BPE"
        and [step["type"] for step in _steps(description.get("decoder"), "decoders")] == ["ByteLevel"]
        and any(step["type"] == "ByteLevel" and not step["add_prefix_space"] for step in before)
        and not model.get("continuing_subword_prefix")
        and not model.get("end_of_word_suffix")
        and all(entry in model["vocab"] for entry, byte in _BYTE_OF.items() if byte[0] not in _NOT_IN_UTF_8)
    )


def _cuts(description: dict[str, Any]) -> tuple[str, ...]:
    """The expressions that a pre-tokenizer cuts off one after the other before ByteLevel; none where it does more."""
    *cuts, last = _steps(description.get("pre_tokenizer"), "pretokenizers") or [{}]
    plain = all(cut["type"] == "Split" and cut["behavior"] == "Isolated" and not cut["invert"] for cut in cuts)
    if not plain or last.get("use_regex", True) or description.get("normalizer"):
        return ()
    return tuple(cut["pattern"].get("Regex", "") for cut in cuts)


def _byte_alphabet() -> dict[str, bytes]:
    """The byte of each character of a byte-level vocabulary: GPT-2's table, printable stand-ins for the other bytes."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    characters = {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}
    return {character: bytes([byte]) for character, byte in characters.items()}


_BYTE_OF = _byte_alphabet()
_NOT_IN_UTF_8 = {0xC0, 0xC1, *range(0xF5, 0x100)}
"""DeepSeek Coder's own vocabulary leaves these bytes out."""
