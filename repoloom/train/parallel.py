"""Parallelism applied to the plain model from outside, in torchtitan's order: context, tensor, checkpointing, FSDP.

The model's own source knows nothing of it: submodules get hooks, parameters become DTensors. Compiling stands between
checkpointing and FSDP: it compiles what a layer computes, inside FSDP's hooks, and so may be switched later.

Tokens are spread over the context and tensor ranks outside attention and matrix products [Megatron's sequence
parallelism, arXiv 2205.05198]: each has the loss of its own tokens alone, and the whole head for them. Gradients are
summed, not averaged: the loss is divided by the targets of all ranks before.
"""

import logging
import math
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.distributed.tensor.experimental import implicit_replication
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    PrepareModuleInput,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)
from torch.utils.checkpoint import checkpoint

from repoloom import recipe
from repoloom.errors import UsageError
from repoloom.model import attention
from repoloom.model.attention import Documents
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer, run_block
from repoloom.train.ranks import Ranks
from repoloom.train.speed import Precision

checkpointed = partial(checkpoint, run_block, use_reentrant=False, preserve_rng_state=False)
"""A layer that keeps its input alone, and is computed again in the backward pass [arXiv 1604.06174]."""

_SPLIT = {
    "embed_tokens": 0, "lm_head": 0,
    "q_proj": 0, "k_proj": 0, "v_proj": 0, "o_proj": 1,
    "gate_proj": 0, "up_proj": 0, "down_proj": 1,
}  # fmt: skip
"""By layer: the dimension of its weight that tensor ranks divide; every other weight, the norms', each has whole."""


def apply(model: Transformer, ranks: Ranks, device: torch.device, precision: Precision) -> None:
    """Change `model`, which may be on the meta device, into this rank's part of it, on `device`.

    Its weights are to be set afterwards, by `reset`. Raises UsageError where the shape cannot be divided so.
    """
    divide(model, ranks, precision)
    if any(parameter.is_meta for parameter in model.parameters()):
        model.to_empty(device=device)
    model.to(device)


def divide(model: Transformer, ranks: Ranks, precision: Precision) -> None:
    """Divide `model` between the ranks, where it is."""
    if ranks.mesh is None:
        return
    check(model.config, ranks.settings)
    if ranks.context is not None:
        _share_sequences(model, ranks.context)
    if ranks.settings.tensor > 1:
        _share_matrices(model, ranks.mesh["tensor"])
    _shard(model, ranks.mesh, precision)


def check(config: Config, settings: recipe.Parallel) -> None:
    """Raise UsageError where this model cannot be divided as the settings say."""
    for name, count, width in (
        ("tensor", settings.tensor, config.mlp),
        ("tensor x context", settings.tensor * settings.context, config.kv_heads),
        ("tensor x context", settings.tensor * settings.context, config.context),
    ):
        if width % count:
            raise UsageError(
                f"parallel: {name} is {count}, which has to divide model.kv_heads ({config.kv_heads}), model.mlp"
                f" ({config.mlp}) and model.context ({config.context})"
            )


def reset(model: Transformer, ranks: Ranks, weights: Any) -> None:
    """Call `weights(model)`, which sets plain weights: of each, a rank keeps its own part."""
    if ranks.mesh is None:
        weights(model)
    else:
        with implicit_replication(), torch.no_grad():
            weights(model)


def gather(model: Transformer, ranks: Ranks) -> Transformer:
    """The whole, plain model on the CPU; but in the first process alone, elsewhere one without weights."""
    if ranks.mesh is None:
        return model.cpu()
    weights = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    with torch.device("meta"):
        plain = Transformer(model.config)
    if ranks.first:
        plain.load_state_dict(weights, assign=True)
    return plain


def layout(config: Config, settings: recipe.Parallel, count: int, precision: Precision = "float32") -> dict[str, int]:
    """Bytes that a rank of `count` holds of the model, by kind; of the ranks, that which holds most.

    `weights` (float32), `gradients`, `moments` (AdamW's two), `gathered`: the largest that FSDP puts together at one
    time, which is embedding, head and two layers (one is fetched while the other computes). Activations are not in it,
    nor is `staged`, the copy in the host's memory of weights and moments while a checkpoint is written.
    """
    shard = settings.shard or count // (settings.replicate * settings.context * settings.tensor)
    parts = shard * settings.context
    with torch.device("meta"):
        model = Transformer(config)
    own = 0
    of_layer: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        shape = list(parameter.shape)
        split = _SPLIT.get(name.split(".")[-2])
        if split is not None:
            shape[split] = -(-shape[split] // settings.tensor)
        rest = torch.Size(shape[1:]).numel()
        own += -(-shape[0] // parts) * rest
        layer = name.split(".")[2] if ".layers." in name else ""
        of_layer[layer] = of_layer.get(layer, 0) + shape[0] * rest
    gathered = 0
    if count > 1:
        a_number = 2 if precision == "bfloat16" else 4
        whole_head = 4 * config.vocabulary * config.hidden if settings.tensor > 1 else 0
        gathered = 4 * of_layer[""] + whole_head + a_number * 2 * max(of_layer[layer] for layer in of_layer if layer)
    kinds = {"weights": 4 * own, "gradients": 4 * own, "moments": 8 * own, "gathered": gathered}
    return kinds | {"staged": 12 * own}


def _share_sequences(model: Transformer, mesh: DeviceMesh) -> None:
    """Each rank embeds and works on its share of every sequence; attention sees it whole, and a share of the heads."""
    size, part = mesh.size(), mesh.get_local_rank()
    model.model.embed_tokens.register_forward_pre_hook(lambda _, args: (args[0].chunk(size, 1)[part],))

    def at_own_positions(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        x, cos, sin, past = args
        return x, cos.chunk(size, -3)[part], sin.chunk(size, -3)[part], past

    for block in model.model.layers:
        block.register_forward_pre_hook(at_own_positions)
        block.self_attn.attend = partial(_attend_by_heads, mesh)  # type: ignore[union-attr]  # torch types no children


def _attend_by_heads(mesh: DeviceMesh, q: Tensor, k: Tensor, v: Tensor, documents: Documents | None) -> Tensor:
    """Exchange tokens for heads, attend, and exchange them back [DeepSpeed-Ulysses, arXiv 2309.14509]."""
    q, k, v = (_exchange(x, mesh, 2, 1) for x in (q, k, v))
    return _exchange(attention.attend(q, k, v, documents), mesh, 1, 2)


def _exchange(x: Tensor, mesh: DeviceMesh, had: int, wanted: int) -> Tensor:
    """From a share of dimension `had` to a share of dimension `wanted`: an all-to-all."""
    return DTensor.from_local(x, mesh, [Shard(had)]).redistribute(placements=[Shard(wanted)]).to_local()


def _share_matrices(model: Transformer, mesh: DeviceMesh) -> None:
    """Each rank multiplies by a part of every matrix; between products it has a share of the tokens."""
    # It warns that norms over two dimensions of a mesh are two sums. They are, of one number each.
    logging.getLogger("torch.distributed.tensor._redistribute").setLevel(logging.ERROR)
    parallelize_module(model, mesh, _plan())
    model.model.embed_tokens.register_forward_hook(_arrived)
    model.__class__ = _WholeHead


def _arrived(_module: nn.Module, _args: tuple[Any, ...], x: Tensor) -> Tensor:
    """The embedding's sum over ranks as a plain tensor.

    It comes as one that is still on its way (AsyncCollectiveTensor). Given that, a compiled layer loses the gradient of
    its input without a word (torch 2.13).
    """
    return x.clone()


class _WholeHead(Transformer):
    """A model that keeps a part of its head, and has all of it for the loss: each rank's is of its own tokens."""

    @property
    def head(self) -> Tensor:
        """The whole output projection; its gradient is that of this rank's tokens."""
        head = super().head
        assert isinstance(head, DTensor)
        whole: Tensor = head.redistribute(placements=[Replicate()]).to_local(grad_placements=[Partial()])
        return whole


def _plan() -> dict[str, ParallelStyle]:
    """What each submodule does between tensor ranks; residual stream and norms see a share of the tokens."""
    tokens, whole = Shard(1), Replicate()
    columns, rows = ColwiseParallel(), RowwiseParallel(output_layouts=tokens)
    block = "model.layers.*."
    return {
        "model.embed_tokens": RowwiseParallel(input_layouts=whole, output_layouts=tokens),
        "model.norm": SequenceParallel(use_local_output=True),
        "lm_head": ColwiseParallel(),  # never called: it is the weight that is divided
        block + "input_layernorm": SequenceParallel(),
        block + "post_attention_layernorm": SequenceParallel(),
        block + "self_attn": PrepareModuleInput(
            input_layouts=(tokens, None, None, None), desired_input_layouts=(whole, None, None, None)
        ),
        block + "mlp": PrepareModuleInput(input_layouts=(tokens,), desired_input_layouts=(whole,)),
        **{block + f"self_attn.{name}": columns for name in ("q_proj", "k_proj", "v_proj")},
        block + "self_attn.o_proj": rows,
        **{block + f"mlp.{name}": columns for name in ("gate_proj", "up_proj")},
        block + "mlp.down_proj": rows,
    }


def _shard(model: Transformer, mesh: DeviceMesh, precision: Precision) -> None:
    """FSDP2: a layer's weights are put together for its forward and its backward, and parted again.

    In bfloat16 the layers' are sent as such (their master copies stay float32, and gradients are summed in it).
    Embedding, norm and head are not, so that the residual stream is float32 as on one process.
    """
    data = mesh["replicate", "shard"] if mesh["replicate"].size() > 1 else mesh["shard"]
    policy = MixedPrecisionPolicy(cast_forward_inputs=False)
    layers = replace(policy, param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for block in model.model.layers:
        fully_shard(block, mesh=data, mp_policy=layers if precision == "bfloat16" else policy)
    fully_shard(model, mesh=data, mp_policy=policy)
    register_fsdp_forward_method(model, "loss")
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo knows no other


def squares(gradients: Iterable[Tensor]) -> float:
    """This rank's share of the sum of these gradients' squares: all ranks' add up to it, what several have counts once.

    Of rows in their own precision, and of their norms in float64. PyTorch's norm of a whole float32 tensor is too small
    on CPUs, by 1e-3 for 25M entries, and by less for each rank's part: clipping would depend on how many there are.
    """
    rows: dict[int, list[Tensor]] = {}
    for gradient in gradients:
        part, copies = gradient, 1
        if isinstance(gradient, DTensor):
            part, sizes = gradient.to_local(), gradient.device_mesh.shape
            copies = math.prod(n for n, place in zip(sizes, gradient.placements, strict=True) if place.is_replicate())
        rows.setdefault(copies, []).append(torch.linalg.vector_norm(part, dim=-1).flatten())
    return sum(torch.cat(norms).double().square().sum().item() / copies for copies, norms in rows.items())


def sum_replicas(model: nn.Module, now: bool) -> None:
    """Say before a backward pass whether replicas add their gradients after it: once a step suffices."""
    if isinstance(model, FSDPModule):
        model.set_requires_all_reduce(now)


def part_again(model: nn.Module) -> None:
    """Part the head and the embedding, which a pass without a backward one leaves together: theirs are no gradients."""
    if isinstance(model, FSDPModule):
        model.reshard()
