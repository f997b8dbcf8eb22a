"""The network, in reading order: norm, rotary positions, attention, feed-forward, block, body, head.

Parameter names, the half-rotation RoPE layout and every rounding are those of Hugging Face's Llama, so that a trained
model is exported as it stands. Nothing here knows how it is trained: autocast, `torch.compile` and parallelism are
applied from outside.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from torch import Tensor, nn

from repoloom.model import attention, cross_entropy
from repoloom.model.attention import Documents
from repoloom.model.config import Config
from repoloom.model.cross_entropy import IGNORED, OfChunk

__all__ = ["IGNORED", "Past", "RunBlock", "Transformer", "rotation", "run_block"]

Past = Documents | None
"""What each token sees of those before it: those of its document, or all of its row."""


class RMSNorm(nn.Module):
    """Root-mean-square norm [arXiv 1910.07467], its statistics at least in float32.

    Under autocast the result is cast here, once: else each of the projections that read it casts it again.
    """

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Scale each vector of x [..., width] to mean square 1."""
        y = x.to(torch.promote_types(x.dtype, torch.float32))
        y = self.weight * (y * torch.rsqrt(y.square().mean(-1, keepdim=True) + self.epsilon))
        return y.to(_compute_dtype(x))


def _compute_dtype(x: Tensor) -> torch.dtype:
    """The type in which a matrix product with `x` is computed here."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


def rotation(config: Config, position: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine [..., 1, width / 2] of RoPE's angles at `position` [...], float32.

    Computed for each batch, once for all layers: a table would be lost between devices and in casts.
    """
    share = torch.arange(0, config.head_width, 2, device=position.device).float() / config.head_width
    turns = 1.0 / config.rope_base**share / config.rope_scaling
    angles = position.float()[..., None, None] * turns
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """RoPE [arXiv 2104.09864] in Hugging Face's layout: channel i turns with channel i + width/2. x: [B, T, H, D]."""
    left, right = x.chunk(2, dim=-1)
    return torch.cat((left * cos - right * sin, right * cos + left * sin), dim=-1)


class Attention(nn.Module):
    """Causal grouped-query attention [arXiv 2305.13245]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.width = config.head_width
        kv = config.kv_heads * self.width
        self.q_proj = nn.Linear(config.hidden, config.hidden, bias=False)
        self.k_proj = nn.Linear(config.hidden, kv, bias=False)
        self.v_proj = nn.Linear(config.hidden, kv, bias=False)
        self.o_proj = nn.Linear(config.hidden, config.hidden, bias=False)
        self.attend = attention.attend

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, past: Past) -> Tensor:
        """What each token of x [B, T, hidden] takes from those up to itself."""
        rows, time, _ = x.shape
        q = _rotate(self.q_proj(x).view(rows, time, -1, self.width), cos, sin).transpose(1, 2)
        k = _rotate(self.k_proj(x).view(rows, time, -1, self.width), cos, sin).transpose(1, 2)
        v = self.v_proj(x).view(rows, time, -1, self.width).transpose(1, 2)
        y = self.attend(q, k, v, past)
        out: Tensor = self.o_proj(y.transpose(1, 2).reshape(rows, time, -1))
        return out


class FeedForward(nn.Module):
    """SwiGLU [arXiv 2002.05202]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden, config.mlp, bias=False)
        self.up_proj = nn.Linear(config.hidden, config.mlp, bias=False)
        self.down_proj = nn.Linear(config.mlp, config.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Each token of x [B, T, hidden] by itself."""
        y: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return y


class Block(nn.Module):
    """One layer, norms first."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden, config.norm_epsilon)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden, config.norm_epsilon)
        self.mlp = FeedForward(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, past: Past) -> Tensor:
        """x [B, T, hidden] plus what attention, then feed-forward, add to it."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, past)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


def run_block(block: nn.Module, x: Tensor, cos: Tensor, sin: Tensor, past: Past) -> Tensor:
    """A layer as it stands. `torch.compile` or `torch.utils.checkpoint` of this is another way to run it."""
    y: Tensor = block(x, cos, sin, past)
    return y


RunBlock = Callable[[nn.Module, Tensor, Tensor, Tensor, Past], Tensor]


class Body(nn.Module):
    """Everything but the head: tokens [B, T] to hidden states [B, T, hidden]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocabulary, config.hidden)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.hidden, config.norm_epsilon)

    def forward(self, tokens: Tensor, documents: Tensor | None = None, run: RunBlock = run_block) -> Tensor:
        """The normed hidden states of tokens [B, T] that see their row, or only their document of `documents` [B, T].

        In each document, a run of one number, positions start at 0.
        """
        position = torch.arange(tokens.shape[1], device=tokens.device)
        past: Documents | None = None
        if documents is not None:
            start = attention.starts(documents)
            position, past = position - start, attention.prepare(start)
        x = self.embed_tokens(tokens)
        cos, sin = (part.to(_compute_dtype(x)) for part in rotation(self.config, position))
        for block in self.layers:
            x = run(block, x, cos, sin, past)
        y: Tensor = self.norm(x)
        return y


class Transformer(nn.Module):
    """The language model. Weights are unset until `initialise` or `load_state_dict`."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.model = Body(config)
        if not config.tied:
            self.lm_head = nn.Linear(config.hidden, config.vocabulary, bias=False)

    @property
    def head(self) -> Tensor:
        """The output projection [vocabulary, hidden]."""
        return self.model.embed_tokens.weight if self.config.tied else self.lm_head.weight

    @torch.no_grad()
    def initialise(self, seed: int) -> "Transformer":
        """Draw every matrix from normal(0, init_std), keyed by seed and name: the same on any device and sharding."""
        for name, parameter in self.named_parameters():
            if parameter.dim() == 1:
                parameter.fill_(1.0)
                continue
            key = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
            source = torch.Generator().manual_seed(int.from_bytes(key, "big") >> 1)
            parameter.copy_(torch.randn(parameter.shape, generator=source) * self.config.init_std)
        return self

    def forward(
        self,
        tokens: Tensor,
        documents: Tensor | None = None,
        *,
        last_only: bool = False,
    ) -> Tensor:
        """Logits [B, T, vocabulary] of the token after each of `tokens` [B, T]; of the last one only if asked.

        Tokens of a row see only those of their document, where `documents` [B, T] numbers them.
        """
        hidden = self.model(tokens, documents)
        return F.linear(hidden[:, -1:] if last_only else hidden, self.head)

    def loss(
        self,
        tokens: Tensor,
        targets: Tensor,
        documents: Tensor | None = None,
        *,
        z_loss: float = 0.0,
        run: RunBlock = run_block,
        chunk: OfChunk = cross_entropy.of_chunk,
    ) -> Tensor:
        """Mean cross-entropy in nats over the targets [B, T] that are not -100, a float32 scalar.

        `documents` as in `forward`, `z_loss` as in `cross_entropy.mean`; `run` and `chunk` say how a layer and a chunk
        of the loss are run.
        """
        hidden = self.model(tokens, documents, run).flatten(0, 1)
        return cross_entropy.mean(hidden, self.head, targets.flatten(), chunk, z_loss)

    def compiled_loss(self, run: RunBlock = run_block, **options: Any) -> Callable[..., Tensor]:
        """`loss`, by `torch.compile(**options)` of a layer and of a chunk of the loss, not of the network as a whole.

        Equal layers share one compilation: 19 s for four of them and as fast, where the whole took 51 s.
        """
        chunk = torch.compile(cross_entropy.of_chunk, **options)
        return partial(self.loss, run=torch.compile(run, **options), chunk=chunk)
