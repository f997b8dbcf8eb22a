"""The model as one GGUF file, the format of llama.cpp and of all that is built on it.

Two things differ from the Hugging Face folder. llama.cpp turns neighbouring channels in RoPE where Hugging Face turns
channel i with i + width/2, so the rows of the query and key projections are reordered. And the tokenizer is written out
in full: entries, merges, and the role of every special token.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter, Keys, LlamaFileType, RopeScalingType, TokenType
from torch import Tensor

from repoloom.errors import UserError
from repoloom.model import huggingface
from repoloom.model.config import Config
from repoloom.tokens import bpe
from repoloom.tokens.tokenizer import Tokenizer

PRE_TOKENIZER = "deepseek-coder"
"""llama.cpp's name of the expressions that split text before BPE: Repoloom's tokenizers use DeepSeek Coder's."""

_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OUTER = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def save(folder: Path, out: Path) -> None:
    """Write the model of a Hugging Face folder, in float32, as the file `out`. Raises UserError for a bad folder.

    `out` is written as it stands: who wants it whole or not at all gives a path beside it, and renames.
    """
    model = huggingface.load(folder)
    tokenizer = _read_tokenizer(folder, model.config.vocabulary)
    writer = GGUFWriter(out, "llama")
    _write_shape(writer, model.config)
    _write_tokenizer(writer, tokenizer)
    for name, tensor in model.state_dict().items():
        writer.add_tensor(_name(name), _values(name, tensor, model.config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_shape(writer: GGUFWriter, config: Config) -> None:
    writer.add_file_type(LlamaFileType.ALL_F32)
    writer.add_vocab_size(config.vocabulary)
    writer.add_context_length(config.context)
    writer.add_embedding_length(config.hidden)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.mlp)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_layer_norm_rms_eps(config.norm_epsilon)
    writer.add_rope_freq_base(config.rope_base)
    writer.add_rope_dimension_count(config.head_width)
    if config.rope_scaling != 1:
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_scaling)


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    entries: list[str]
    types: list[TokenType]
    merges: list[str]
    chat_template: str | None
    tokenizer: Tokenizer


def _read_tokenizer(folder: Path, rows: int) -> _Vocabulary:
    tokenizer = Tokenizer.load(folder)
    try:
        file = json.loads((folder / "tokenizer.json").read_text("utf-8"))
        template = json.loads((folder / "tokenizer_config.json").read_text("utf-8")).get("chat_template")
        entries, types = _entries(file, rows)
        merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in file["model"]["merges"]]
        splits = file["pre_tokenizer"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{folder}: cannot read its byte-level BPE tokenizer: {error!r}") from None
    if splits != json.loads(bpe.untrained().to_str())["pre_tokenizer"]:
        raise UserError(
            f"{folder}: its pre-tokenizer is not DeepSeek Coder's, the one that Repoloom can name in a GGUF"
        )
    return _Vocabulary(entries, types, merges, template if isinstance(template, str) else None, tokenizer)


def _write_tokenizer(writer: GGUFWriter, vocabulary: _Vocabulary) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZER)
    writer.add_token_list(vocabulary.entries)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(vocabulary.merges)
    tokenizer = vocabulary.tokenizer
    roles = {
        Keys.Tokenizer.BOS_ID: tokenizer.bos,
        Keys.Tokenizer.EOS_ID: tokenizer.eos,
        Keys.Tokenizer.PAD_ID: tokenizer.pad,
        Keys.Tokenizer.EOT_ID: tokenizer.eot,
        # DeepSeek's order is prefix, suffix, middle: "hole" opens the suffix, "end" the middle.
        Keys.Tokenizer.FIM_PRE_ID: tokenizer.fim_begin,
        Keys.Tokenizer.FIM_SUF_ID: tokenizer.fim_hole,
        Keys.Tokenizer.FIM_MID_ID: tokenizer.fim_end,
    }
    for role, token in roles.items():
        if token is not None:
            writer.add_uint32(role, token)
    writer.add_add_bos_token(tokenizer.bos is not None)
    writer.add_add_eos_token(False)
    if vocabulary.chat_template is not None:
        writer.add_chat_template(vocabulary.chat_template)


def _entries(file: Mapping[str, Any], rows: int) -> tuple[list[str], list[TokenType]]:
    """The text and kind of every row of the embedding; rows that no token has are unused, and named so."""
    entries = [f"[PAD{row}]" for row in range(rows)]
    types = [TokenType.UNUSED] * rows
    for text, row in file["model"]["vocab"].items():
        entries[row], types[row] = text, TokenType.NORMAL
    for token in file["added_tokens"]:
        entries[token["id"]] = token["content"]
        types[token["id"]] = TokenType.CONTROL if token["special"] else TokenType.USER_DEFINED
    return entries, types


def _name(name: str) -> str:
    stem = name.removesuffix(".weight")
    if stem in _OUTER:
        return f"{_OUTER[stem]}.weight"
    layer, _, part = stem.removeprefix("model.layers.").partition(".")
    return f"blk.{layer}.{_NAMES[part]}.weight"


def _values(name: str, tensor: Tensor, config: Config) -> np.ndarray[Any, np.dtype[np.float32]]:
    values: np.ndarray[Any, np.dtype[np.float32]] = tensor.numpy()
    heads = {"q_proj.weight": config.heads, "k_proj.weight": config.kv_heads}.get(name.partition("self_attn.")[2])
    if heads is None:
        return values
    halves = values.reshape(heads, 2, config.head_width // 2, config.hidden)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))
