"""The model's published form: a Hugging Face folder, Llama architecture, that transformers, vLLM and llama.cpp read.

Parameter names and layout are Hugging Face's already, so nothing is converted: weights go out in float32 as they are.
"""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from repoloom.errors import UserError
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer
from repoloom.tokens import chat
from repoloom.tokens.tokenizer import Tokenizer

WEIGHTS = "model.safetensors"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
FILES = ("config.json", "generation_config.json", WEIGHTS, *TOKENIZER_FILES)
"""All that makes up the folder."""


def save(model: Transformer, tokenizer_folder: Path, out: Path, *, instruct: bool = False) -> None:
    """Write config, weights, tokenizer and generation settings into the folder `out`.

    `instruct` adds the chat template and lets a turn's end stop generation as a text's end does.
    """
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.load(tokenizer_folder)
    ids = {"bos_token_id": tokenizer.bos, "eos_token_id": tokenizer.eos, "pad_token_id": tokenizer.pad}
    weights = {name: tensor.detach().float().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, out / WEIGHTS, metadata={"format": "pt"})
    _write(out / "config.json", _describe(model.config) | ids)
    ends = [end for end in (tokenizer.eos, tokenizer.eot) if end is not None]
    _write(out / "generation_config.json", ids | ({"eos_token_id": ends} if instruct else {}))
    for name in TOKENIZER_FILES:
        if (tokenizer_folder / name).exists() and tokenizer_folder.resolve() != out.resolve():
            shutil.copyfile(tokenizer_folder / name, out / name)
    if instruct:
        # In the configuration, where every version looks; a file of its own is known since transformers 4.44 only.
        settings = json.loads((out / "tokenizer_config.json").read_text("utf-8"))
        _write(out / "tokenizer_config.json", settings | {"chat_template": chat.TEMPLATE})


def load(folder: Path) -> Transformer:
    """The model of a Hugging Face folder, in float32 on the CPU. Raises UserError where there is none of this shape."""
    path = folder / "config.json"
    try:
        config = _read(json.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{folder} is no model folder: cannot read config.json ({error})") from None
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise UserError(f"{path}: not a Llama model that Repoloom can run: {error}") from None
    model = Transformer(config)
    try:
        weights = load_file(folder / WEIGHTS)
        if config.tied:
            weights.pop("lm_head.weight", None)
        model.load_state_dict({name: tensor.to(torch.float32) for name, tensor in weights.items()})
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot read {folder / WEIGHTS}: {error}") from None
    except RuntimeError as error:
        raise UserError(f"{folder / WEIGHTS} does not fit config.json: {' '.join(str(error).split())[:300]}") from None
    return model.eval()


def _describe(config: Config) -> dict[str, Any]:
    rope: dict[str, Any] = {"rope_type": "default"}
    if config.rope_scaling != 1:
        rope = {"rope_type": "linear", "factor": config.rope_scaling}
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocabulary,
        "hidden_size": config.hidden,
        "intermediate_size": config.mlp,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_width,
        "max_position_embeddings": config.context,
        "rope_parameters": rope | {"rope_theta": config.rope_base},
        # Where transformers 4 and llama.cpp's converter look:
        "rope_theta": config.rope_base,
        "rope_scaling": None if config.rope_scaling == 1 else rope,
        "rms_norm_eps": config.norm_epsilon,
        "initializer_range": config.init_std,
        "tie_word_embeddings": config.tied,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "attention_dropout": 0.0,
        "torch_dtype": "float32",
        "use_cache": True,
    }


def _read(fields: dict[str, Any]) -> Config:
    """The shape that a config.json describes; ValueError if it asks for what this network does not do."""
    if fields["model_type"] != "llama":
        raise ValueError(f"model_type is {fields['model_type']}, not llama")
    rope = fields.get("rope_scaling") or fields.get("rope_parameters") or {}
    kind = rope.get("rope_type") or rope.get("type") or "default"
    factor = float(rope["factor"]) if kind == "linear" else 1.0
    heads = int(fields["num_attention_heads"])
    refused = {
        f"rope_type {kind}": kind not in {"default", "linear"},
        f"rope scaling factor {factor}": not 1 <= factor < math.inf,
        "biases": fields.get("attention_bias") or fields.get("mlp_bias"),
        "a head_dim other than hidden_size / num_attention_heads": fields.get("head_dim")
        not in {None, fields["hidden_size"] // heads},
        f"hidden_act {fields.get('hidden_act')}": fields.get("hidden_act", "silu") != "silu",
    }
    if any(refused.values()):
        raise ValueError("unsupported: " + ", ".join(name for name, found in refused.items() if found))
    return Config(
        vocabulary=int(fields["vocab_size"]),
        hidden=int(fields["hidden_size"]),
        mlp=int(fields["intermediate_size"]),
        layers=int(fields["num_hidden_layers"]),
        heads=heads,
        kv_heads=int(fields.get("num_key_value_heads") or heads),
        context=int(fields["max_position_embeddings"]),
        rope_base=float(rope.get("rope_theta") or fields.get("rope_theta") or 10_000.0),
        rope_scaling=factor,
        norm_epsilon=float(fields.get("rms_norm_eps", 1e-6)),
        init_std=float(fields.get("initializer_range", 0.02)),
        tied=bool(fields.get("tie_word_embeddings", False)),
    )


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
