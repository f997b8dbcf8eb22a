"""The network, in reading order: cache, norm, rotary positions, attention, feed-forward, block, body, head.

Parameter names, the half-rotation RoPE layout and every rounding are those of Hugging Face's Llama, so that a trained
model is exported as it stands. Nothing here knows how it is trained: autocast, `torch.compile` and parallelism are
applied from outside.
"""

import copy
import hashlib
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from torch import Tensor, nn

from repoloom.model import cross_entropy
from repoloom.model.config import Config
from repoloom.model.cross_entropy import IGNORED, OfChunk

__all__ = ["IGNORED", "Cache", "Transformer"]

QUERIES = 64
"""The smallest block of `_attend_in_blocks`."""

LONGEST_IN_BLOCKS = 1024
"""More tokens are left to PyTorch's kernel: blocks keep every pair of tokens for the backward pass."""


class Cache:
    """Keys and values of the tokens that each row has seen, so that the next token costs one token.

    Rows may differ in length: row r's next token stands at position `lengths[r]`. What lies beyond a row's length is
    never read, so prompts of several lengths are padded on the right, and `set_lengths` then says what was real.
    """

    def __init__(self, config: Config, rows: int, capacity: int, device: torch.device, dtype: torch.dtype) -> None:
        shape = (rows, config.kv_heads, capacity, config.head_width)
        self.keys = [torch.zeros(shape, device=device, dtype=dtype) for _ in range(config.layers)]
        self.values = [torch.zeros(shape, device=device, dtype=dtype) for _ in range(config.layers)]
        self.set_lengths(torch.zeros(rows, dtype=torch.int64, device=device))

    def set_lengths(self, lengths: Tensor) -> None:
        """State how many tokens of each row [B] are real."""
        self.lengths = lengths
        self.longest = int(lengths.max()) if len(lengths) else 0

    def part(self, rows: slice) -> "Cache":
        """Some rows, in the same memory: what is written there is written here."""
        part = copy.copy(self)
        part.keys = [keys[rows] for keys in self.keys]
        part.values = [values[rows] for values in self.values]
        part.set_lengths(self.lengths[rows])
        return part

    def drop(self, row: int) -> None:
        """Forget a finished row; the last row takes its place, so that one row is copied and no more."""
        last = len(self.lengths) - 1
        for store in (self.keys, self.values):
            for layer, tensor in enumerate(store):
                tensor[row] = tensor[last]
                store[layer] = tensor[:last]
        lengths = self.lengths.clone()
        lengths[row] = lengths[last]
        self.set_lengths(lengths[:last])


Place = tuple[Cache, int]
"""A layer's place in the cache."""


class RMSNorm(nn.Module):
    """Root-mean-square norm [arXiv 1910.07467], its statistics in float32 whatever the input.

    Under autocast the result is cast here, once: else each of the projections that read it casts it again.
    """

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Scale each vector of x [..., width] to mean square 1."""
        y = x.float()
        y = self.weight * (y * torch.rsqrt(y.square().mean(-1, keepdim=True) + self.epsilon))
        return y.to(_compute_dtype(x))


def _compute_dtype(x: Tensor) -> torch.dtype:
    """The type in which a matrix product with `x` is computed here."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """RoPE [arXiv 2104.09864] in Hugging Face's layout: channel i turns with channel i + width/2. x: [B, T, H, D]."""
    left, right = x.chunk(2, dim=-1)
    return torch.cat((left * cos - right * sin, right * cos + left * sin), dim=-1)


class Attention(nn.Module):
    """Causal grouped-query attention [arXiv 2305.13245]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.width = config.head_width
        self.groups = config.heads // config.kv_heads
        kv = config.kv_heads * self.width
        self.q_proj = nn.Linear(config.hidden, config.hidden, bias=False)
        self.k_proj = nn.Linear(config.hidden, kv, bias=False)
        self.v_proj = nn.Linear(config.hidden, kv, bias=False)
        self.o_proj = nn.Linear(config.hidden, config.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, place: Place | None) -> Tensor:
        """What each token of x [B, T, hidden] takes from those up to itself."""
        rows, time, _ = x.shape
        q = _rotate(self.q_proj(x).view(rows, time, -1, self.width), cos, sin).transpose(1, 2)
        k = _rotate(self.k_proj(x).view(rows, time, -1, self.width), cos, sin).transpose(1, 2)
        v = self.v_proj(x).view(rows, time, -1, self.width).transpose(1, 2)
        mask = None
        if place is not None:
            k, v, mask = _remember(place, k, v)
        if mask is not None and time == 1:
            # The heads that share keys stand as so many queries of one head: faster than to share by enable_gqa.
            y = F.scaled_dot_product_attention(q.reshape(rows, -1, self.groups, self.width), k, v, attn_mask=mask)
        elif x.device.type == "cpu" and torch.is_grad_enabled() and time <= LONGEST_IN_BLOCKS:
            y = _attend_in_blocks(q, k, v)
        else:
            y = F.scaled_dot_product_attention(
                q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=self.groups > 1
            )
        y = y.reshape(rows, -1, time, self.width).transpose(1, 2)
        out: Tensor = self.o_proj(y.reshape(rows, time, -1))
        return out


def _remember(place: Place, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """Write new keys and values [B, KV, T, D] at each row's own length; return all there are and who may see them."""
    cache, layer = place
    rows, _, time, _ = k.shape
    keys, values, end = cache.keys[layer], cache.values[layer], cache.longest + time
    if cache.longest == 0:
        keys[:, :, :time], values[:, :, :time] = k, v
        return k, v, None
    row = torch.arange(rows, device=k.device)[:, None]
    position = cache.lengths[:, None] + torch.arange(time, device=k.device)
    keys[row, :, position] = k.transpose(1, 2).to(keys.dtype)
    values[row, :, position] = v.transpose(1, 2).to(values.dtype)
    mask = torch.arange(end, device=k.device) <= position[:, None, :, None]
    return keys[:, :, :end], values[:, :, :end], mask


def _attend_in_blocks(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention of q [B, H, T, D] on k, v [B, KV, T, D] as plain matrix products, a block of queries at a time.

    A block meets no key after it, which is where causality halves the work, and the heads that share keys stand as more
    queries of one head. For training on CPUs: forward and backward of 16 x 4 heads x 512 x 64 in bfloat16 take 39 ms
    compiled, 57-90 ms eager, and 99-109 ms by PyTorch's own CPU kernel (two Zen 4 cores).
    """
    rows, heads, time, width = q.shape
    q = (q * width**-0.5).view(rows, k.shape[1], -1, time, width)
    block = max(QUERIES, -(-time // 8))
    past = torch.ones(time, time, dtype=torch.bool, device=q.device).tril()
    out = []
    for start in range(0, time, block):
        end = min(start + block, time)
        score = q[:, :, :, start:end].flatten(2, 3) @ k[:, :, :end].transpose(-1, -2)
        score = (
            score.view(rows, k.shape[1], -1, end - start, end).float().masked_fill(~past[start:end, :end], -torch.inf)
        )
        share = score.softmax(-1).to(q.dtype)
        out.append((share.flatten(2, 3) @ v[:, :, :end]).view(rows, k.shape[1], -1, end - start, width))
    return torch.cat(out, 3).view(rows, heads, time, width)


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

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, place: Place | None) -> Tensor:
        """x [B, T, hidden] plus what attention, then feed-forward, add to it."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, place)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


def _run(block: nn.Module, x: Tensor, cos: Tensor, sin: Tensor, place: Place | None) -> Tensor:
    y: Tensor = block(x, cos, sin, place)
    return y


RunBlock = Callable[[nn.Module, Tensor, Tensor, Tensor, Place | None], Tensor]


class Body(nn.Module):
    """Everything but the head: tokens [B, T] to hidden states [B, T, hidden]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocabulary, config.hidden)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.hidden, config.norm_epsilon)
        turns = config.rope_base ** (-torch.arange(0, config.head_width, 2).float() / config.head_width)
        angles = torch.outer(torch.arange(config.context).float(), turns)
        self.register_buffer("cos", angles.cos()[:, None], persistent=False)  # [context, 1, width / 2]
        self.register_buffer("sin", angles.sin()[:, None], persistent=False)

    def forward(self, tokens: Tensor, cache: Cache | None = None, run: RunBlock = _run) -> Tensor:
        """The normed hidden states of tokens [B, T] that continue what `cache` holds."""
        time = tokens.shape[1]
        x = self.embed_tokens(tokens)
        dtype = _compute_dtype(x)
        if cache is None or cache.longest == 0:
            position: slice | Tensor = slice(time)
        else:
            position = cache.lengths[:, None] + torch.arange(time, device=tokens.device)
        cos, sin = self.get_buffer("cos")[position].to(dtype), self.get_buffer("sin")[position].to(dtype)
        for layer, block in enumerate(self.layers):
            x = run(block, x, cos, sin, None if cache is None else (cache, layer))
        if cache is not None:
            cache.set_lengths(cache.lengths + time)
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

    def forward(self, tokens: Tensor, cache: Cache | None = None, last_only: bool = False) -> Tensor:
        """Logits [B, T, vocabulary] of the token after each of `tokens` [B, T]; of the last one only if asked."""
        hidden = self.model(tokens, cache)
        return F.linear(hidden[:, -1:] if last_only else hidden, self.head)

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats over the targets [B, T] that are not -100, a float32 scalar."""
        return self._loss(tokens, targets, _run, cross_entropy.of_chunk)

    def compiled_loss(self, **options: Any) -> Callable[[Tensor, Tensor], Tensor]:
        """`loss`, by `torch.compile(**options)` of a layer and of a chunk of the loss, not of the network as a whole.

        Equal layers share one compilation: 19 s for four of them and as fast, where the whole took 51 s.
        """
        run, chunk = torch.compile(_run, **options), torch.compile(cross_entropy.of_chunk, **options)
        return lambda tokens, targets: self._loss(tokens, targets, run, chunk)

    def _loss(self, tokens: Tensor, targets: Tensor, run: RunBlock, chunk: OfChunk) -> Tensor:
        hidden = self.model(tokens, run=run).flatten(0, 1)
        return cross_entropy.mean(hidden, self.head, targets.flatten(), chunk)
