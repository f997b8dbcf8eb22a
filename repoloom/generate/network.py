"""The transformer as generation runs it: the same arithmetic in fewer and faster kernels.

On a CPU every projection's weight is laid out once as oneDNN wants it. Measured on a Zen 5 core, 64 rows: 240 GFLOP/s
in float32 where `F.linear` reaches 105, since its library takes AVX2 on processors that are not Intel's; 490 for 420 in
bfloat16. A row's result then has the same bits whatever stands in the other rows, from two rows on: what makes a
sample independent of its batch. Queries, keys and values are one product; SiLU, the gate and the residual are computed
as the products are written.
"""

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own name for it)
from torch import Tensor

from repoloom.generate.places import Places
from repoloom.model.transformer import Block, Transformer, rotation

_ROWS = 64
"""The number of rows for which oneDNN chooses its layout; others are as right."""


class Linear:
    """x [..., in] times a weight [out, in], and what is done to the product while it is written."""

    def __init__(self, weight: Tensor) -> None:
        weight = weight.detach()
        self._packed = weight.device.type == "cpu" and _has_kernels(weight.dtype)
        if self._packed:
            weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)
        self._weight = weight

    def __call__(self, x: Tensor) -> Tensor:
        """The product alone."""
        if not self._packed:
            return F.linear(x, self._weight)
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, None, "none", [], "")
        return y

    def silu(self, x: Tensor) -> Tensor:
        """SiLU of the product."""
        if not self._packed:
            return F.silu(F.linear(x, self._weight))
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, None, "swish", [], "")
        return y

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """The product times `other`, number by number."""
        if not self._packed:
            return F.linear(x, self._weight) * other
        y: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, other, self._weight, None, "mul")
        return y

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """The product plus `other`."""
        if not self._packed:
            return F.linear(x, self._weight) + other
        y: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, other, self._weight, None, "add")
        return y


def _has_kernels(dtype: torch.dtype) -> bool:
    """Whether oneDNN is there, and for bfloat16 the processor's instructions."""
    if dtype == torch.bfloat16:
        return torch._C._has_mkldnn and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch._C._has_mkldnn and dtype == torch.float32


class Network:
    """A model's weights, arranged for generation. Its projections are copies on a CPU; the embedding is the model's."""

    def __init__(self, model: Transformer, size: int) -> None:
        """`size`: entries of the tokenizer, beyond which the rows of the output projection are padding."""
        self.config = model.config
        self.dtype, self.device = model.head.dtype, model.head.device
        self._embedding = model.model.embed_tokens.weight.detach()
        self._layers = [_Layer(block) for block in model.model.layers]  # type: ignore[arg-type]
        self._norm = model.model.norm.weight.detach()
        self._head = Linear(model.head[:size])

    def __call__(self, tokens: Tensor, places: Places) -> Tensor:
        """The hidden states [R, T, hidden] of tokens [R, T] that go on in the first R rows of `places`."""
        rows, time = tokens.shape
        position = places.lengths[:rows, None] + torch.arange(time, device=tokens.device)
        x = F.embedding(tokens, self._embedding)
        cos, sin = (part.to(x.dtype) for part in rotation(self.config, position))
        turn = (torch.cat((cos, cos), -1), sin)
        seen = places.seen(position)
        for number, layer in enumerate(self._layers):
            x = layer(x, turn, places, number, position, seen)
        places.lengths[:rows] += time
        return F.rms_norm(x, x.shape[-1:], self._norm, self.config.norm_epsilon)

    def logits(self, hidden: Tensor) -> Tensor:
        """[R, entries of the tokenizer] for hidden states [R, hidden]."""
        return self._head(hidden)


class _Layer:
    def __init__(self, block: Block) -> None:
        attention, mlp = block.self_attn, block.mlp
        self._before, self._between = block.input_layernorm, block.post_attention_layernorm
        self._width = attention.width
        self._kv = attention.k_proj.out_features // attention.width
        self._groups = attention.q_proj.out_features // attention.k_proj.out_features
        weights = (attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight)
        self._qkv, self._out = Linear(torch.cat(weights)), Linear(attention.o_proj.weight)
        self._gate, self._up = Linear(mlp.gate_proj.weight), Linear(mlp.up_proj.weight)
        self._down = Linear(mlp.down_proj.weight)

    def __call__(
        self, x: Tensor, turn: tuple[Tensor, Tensor], places: Places, number: int, position: Tensor, seen: Tensor
    ) -> Tensor:
        rows, time, _ = x.shape
        qkv = self._qkv(_normed(self._before, x)).view(rows, time, -1, self._width)
        turned = _turned(qkv[:, :, : -self._kv], *turn)
        q, k, v = turned[:, :, : -self._kv], turned[:, :, -self._kv :], qkv[:, :, -self._kv :]
        keys, values = places.remember(number, position, k, v, seen.shape[-1])
        if time == 1:
            y = self._attend(q, keys, values, seen)
        else:
            q, keys = q.transpose(1, 2), keys.transpose(2, 3).contiguous()
            y = F.scaled_dot_product_attention(q, keys, values, attn_mask=seen, enable_gqa=self._groups > 1)
            y = y.transpose(1, 2)
        x = self._out.plus(y.reshape(rows, time, -1), x)
        normed = _normed(self._between, x)
        return self._down.plus(self._up.times(normed, self._gate.silu(normed)), x)

    def _attend(self, q: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> Tensor:
        """One query a head on many keys, the heads that share keys as so many queries of one.

        Plain products: the fused kernel spends its time on calls, one for each row and head, 2.3 ms where these take
        0.6 (64 rows of 192 keys, three heads on one, bfloat16, a Zen 5 core; 0.9 in float32).
        """
        q = q.reshape(-1, self._groups, self._width)
        bias = seen.expand(-1, self._kv, -1, -1).reshape(len(q), 1, -1)
        scores = torch.baddbmm(bias, q, keys.flatten(0, 1), alpha=self._width**-0.5)
        return torch.bmm(scores.softmax(-1), values.flatten(0, 1))


def _normed(norm: torch.nn.Module, x: Tensor) -> Tensor:
    weight: Tensor = norm.weight  # type: ignore[assignment]
    return F.rms_norm(x, x.shape[-1:], weight, norm.epsilon)  # type: ignore[arg-type]


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """RoPE in three kernels: the model's `_rotate` without copies. x [R, T, H, D], cos [.., D], sin [.., D / 2]."""
    y = x * cos
    left, right = x.chunk(2, dim=-1)
    of_left, of_right = y.chunk(2, dim=-1)
    of_left.addcmul_(right, sin, value=-1)
    of_right.addcmul_(left, sin)
    return y
