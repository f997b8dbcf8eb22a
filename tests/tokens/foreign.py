"""Tokenizers of other makers."""

import json

import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from repoloom.tokens.tokenizer import Tokenizer


def foreign(folder, added=(), config=None, pre=None, merges=()):
    """A byte-level tokenizer, GPT-2's pre-tokenizer, 256 entries and one for each merge."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    entries = {entry: number for number, entry in enumerate([*alphabet, *map("".join, merges)])}
    core = tokenizers.Tokenizer(models.BPE(vocab=entries, merges=list(merges)))
    core.pre_tokenizer = pre or pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_tokens(list(added))  # as ordinary tokens, as DeepSeek's own folder has its sentinels
    folder.mkdir()
    core.save(str(folder / "tokenizer.json"))
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return Tokenizer.load(folder)
