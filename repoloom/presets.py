"""Shapes of models by name, for `model.preset`: DeepSeek Coder's four, and three that train without a data centre.

[P] is arXiv 2401.14196 v2, [R] the DeepSeek-Coder repository. The exact numbers of parameters are in docs/model.md.
"""

from typing import Literal

Preset = Literal["laptop", "25m", "125m", "1.3b", "5.7b", "6.7b", "33b"]

PRESETS: dict[Preset, dict[str, float | bool]] = {
    # The demo's: chosen by what two cores learn in six minutes (recipes/laptop.toml).
    "laptop": {
        "hidden": 192, "mlp": 512, "layers": 6, "heads": 3, "kv_heads": 1, "context": 512, "init_std": 0.02,
        "tied": True,
    },
    # A night on a few cores. Tied, since half of its parameters would be the two ends of a vocabulary of 32,000. From
    # here on heads are 128 wide, as DeepSeek Coder's: faster than 64, and no worse (docs/model.md).
    "25m": {
        "hidden": 384, "mlp": 1024, "layers": 8, "heads": 3, "kv_heads": 1, "context": 1024, "init_std": 0.02,
        "tied": True,
    },
    # GPT-2 small's depth and width: a day on one GPU.
    "125m": {
        "hidden": 768, "mlp": 2048, "layers": 12, "heads": 6, "kv_heads": 2, "context": 2048, "init_std": 0.02,
    },
    "1.3b": {"hidden": 2048, "mlp": 5504, "layers": 24, "heads": 16, "kv_heads": 16},  # [P Table 2]
    # Multi-query [R]. Its widths are unpublished: the 6.7B's give 5.7B with one key and value head.
    "5.7b": {"hidden": 4096, "mlp": 11008, "layers": 32, "heads": 32, "kv_heads": 1},
    "6.7b": {"hidden": 4096, "mlp": 11008, "layers": 32, "heads": 32, "kv_heads": 32},  # [P Table 2]
    # "Grouped-query (8)" [P Table 2], read as eight key and value heads: so the released weights are.
    "33b": {"hidden": 7168, "mlp": 19200, "layers": 62, "heads": 56, "kv_heads": 8},
}  # fmt: skip
"""What is not named is the section's default: DeepSeek Coder's context, base, norm and initialisation."""
