"""The network against transformers' LlamaForCausalLM at the same weights, and against itself with a cache."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from repoloom.model.config import Config
from repoloom.model.transformer import Transformer, run_block

SHAPES = {
    "grouped": {"heads": 4, "kv_heads": 2},
    "multi-head": {"heads": 4, "kv_heads": 4},
    "multi-query, tied": {"heads": 4, "kv_heads": 1, "tied": True},
    "scaled": {"heads": 4, "kv_heads": 2, "rope_base": 100_000.0, "rope_scaling": 4.0},
}


def pair(dtype=torch.float32, **changes):
    """Our network and theirs, the same weights."""
    settings = {"vocabulary": 192, "hidden": 64, "mlp": 160, "layers": 2, "context": 1100}
    settings |= {"init_std": 0.1, "norm_epsilon": 1e-5}
    config = Config(**(settings | changes))
    ours = Transformer(config).initialise(0)
    rope = {"rope_type": "default"} if config.rope_scaling == 1 else {"rope_type": "linear"}
    theirs = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocabulary, hidden_size=config.hidden, intermediate_size=config.mlp,
            num_hidden_layers=config.layers, num_attention_heads=config.heads, num_key_value_heads=config.kv_heads,
            max_position_embeddings=config.context, rms_norm_eps=config.norm_epsilon,
            rope_parameters=rope | {"rope_theta": config.rope_base, "factor": config.rope_scaling},
            tie_word_embeddings=config.tied,
        )
    )  # fmt: skip
    theirs.load_state_dict(ours.state_dict(), strict=not config.tied)
    theirs.tie_weights()
    if dtype == torch.float64:
        # Theirs is at most in float32; PyTorch's own computes in what it is given.
        for name, module in [*theirs.named_modules()]:
            if isinstance(module, LlamaRMSNorm):
                norm = torch.nn.RMSNorm(config.hidden, config.norm_epsilon)
                norm.weight = module.weight
                theirs.set_submodule(name, norm)
    return ours.to(dtype), theirs.to(dtype)


def tokens(rows, time, vocabulary=192):
    return torch.randint(0, vocabulary, (rows, time), generator=torch.Generator().manual_seed(rows * time))


def their_loss(theirs, x, y):
    return F.cross_entropy(theirs(x).logits.flatten(0, 1), y.flatten())


def assert_same_gradients(ours, theirs, **tolerance):
    expected = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    assert set(expected) == {name for name, _ in ours.named_parameters()}
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], **tolerance, msg=lambda m, n=name: n + m)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("time", [1, 63, 130, 1001, 1100])  # within a block of attention, across, and beyond
def test_logits_are_transformers(shape, time):
    ours, theirs = pair(**SHAPES[shape])
    x = tokens(2, time)
    wanted = theirs(x).logits
    torch.testing.assert_close(ours(x), wanted, atol=2e-5, rtol=1e-4)  # with gradients: attention in blocks
    with torch.no_grad():
        torch.testing.assert_close(ours(x), wanted, atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(ours(x, last_only=True), wanted[:, -1:], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_loss_and_gradients_are_transformers(shape):
    ours, theirs = pair(**SHAPES[shape])
    x, y = tokens(3, 401), tokens(3, 402)[:, :401].clone()
    y[0, :300] = y[2, 7] = -100
    loss, wanted = ours.loss(x, y), their_loss(theirs, x, y)
    torch.testing.assert_close(loss, wanted)
    (loss * 3).backward()
    (wanted * 3).backward()
    assert_same_gradients(ours, theirs, atol=2e-6, rtol=1e-3)
    with torch.no_grad():
        torch.testing.assert_close(ours.loss(x, y), wanted)


@pytest.mark.parametrize("shape", SHAPES)
def test_in_float64_loss_and_gradients_are_transformers_to_eleven_digits(shape):
    ours, theirs = pair(torch.float64, **SHAPES[shape])
    x, y = tokens(2, 601), tokens(2, 602)[:, :601].clone()
    y[1, 500:] = -100
    loss, wanted = ours.loss(x, y), their_loss(theirs, x, y)
    assert loss.dtype == torch.float64
    torch.testing.assert_close(loss, wanted, rtol=1e-12, atol=0)
    loss.backward()
    wanted.backward()
    assert_same_gradients(ours, theirs, atol=1e-12, rtol=1e-11)


@pytest.mark.parametrize("shape", SHAPES)
def test_documents_in_a_row_are_as_rows_of_their_own(shape):
    """Loss and gradients of two masked rows, against transformers on every document by itself."""
    ours, theirs = pair(torch.float64, **SHAPES[shape])
    x, y = tokens(2, 300), tokens(2, 302)[:, :300].clone()
    y[0, 40:60] = -100
    lengths = [1, 130, 70, 99, 200, 1, 1, 98]
    documents = torch.arange(8).repeat_interleave(torch.tensor(lengths)).view(2, 300)
    loss = ours.loss(x, y, documents.int())
    loss.backward()
    alone = [*zip(x.flatten().split(lengths), y.flatten().split(lengths), strict=True)]
    count = sum(int((targets != -100).sum()) for _, targets in alone)
    sums = [F.cross_entropy(theirs(ids[None]).logits[0], targets, reduction="sum") for ids, targets in alone]
    wanted = torch.stack(sums).sum() / count
    wanted.backward()
    torch.testing.assert_close(loss, wanted, rtol=1e-12, atol=0)
    assert_same_gradients(ours, theirs, atol=1e-12, rtol=1e-11)
    with torch.no_grad():
        torch.testing.assert_close(ours.loss(x, y, documents), wanted, rtol=1e-12, atol=0)
        logits = torch.cat([theirs(ids[None]).logits[0] for ids, _ in alone]).view(2, 300, -1)
        torch.testing.assert_close(ours(x, documents=documents), logits, rtol=0, atol=1e-10)


def test_documents_change_what_a_token_sees():
    ours, _ = pair(**SHAPES["grouped"])
    x = tokens(1, 50)
    documents = (torch.arange(50) >= 20).int()[None]
    with torch.no_grad():
        masked, plain, tail = ours(x, documents=documents), ours(x), ours(x[:, 20:])
    torch.testing.assert_close(masked[:, :20], plain[:, :20])
    torch.testing.assert_close(masked[:, 20:], tail)
    assert (masked[:, 20:] - plain[:, 20:]).abs().max() > 0.1


@pytest.mark.parametrize("wrapped", ["eager", pytest.param("compiled", marks=pytest.mark.slow)])
@pytest.mark.parametrize("masked", [False, True])
def test_layers_can_be_checkpointed_from_outside(wrapped, masked):
    """The same loss and gradients, to the bit where nothing is compiled, and far less kept for the backward pass."""
    ours, _ = pair(**SHAPES["grouped"], layers=4)
    x, y = tokens(2, 256), tokens(2, 257)[:, 1:]
    documents = (torch.arange(256) // 100).expand(2, -1) if masked else None
    kept = {}

    def gradients(name, loss):
        sizes = {}

        def keep(tensor):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        ours.zero_grad()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            value = loss(x, y, documents)
        value.backward()
        kept[name] = sum(sizes.values())
        return [value, *(parameter.grad for parameter in ours.parameters())]

    wanted = gradients("plain", ours.loss)
    run = partial(checkpoint, run_block, use_reentrant=False)
    if wrapped == "compiled":
        got = gradients("checkpointed", ours.compiled_loss(run, backend="aot_eager", dynamic=False))
        for one, other in zip(got, wanted, strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)
    else:
        got = gradients("checkpointed", partial(ours.loss, run=run))
        assert all(torch.equal(one, other) for one, other in zip(got, wanted, strict=True))
    assert kept["checkpointed"] < 0.5 * kept["plain"]


def test_loss_without_targets_is_zero_and_harmless():
    ours, _ = pair(**SHAPES["grouped"])
    loss = ours.loss(tokens(1, 5), torch.full((1, 5), -100))
    loss.backward()
    assert loss.item() == 0
    assert all(parameter.grad.abs().max() == 0 for parameter in ours.parameters())


def test_bfloat16_autocast_keeps_weights_and_gradients_in_float32():
    ours, _ = pair(**SHAPES["grouped"])
    x, y = tokens(2, 200), tokens(2, 201)[:, 1:]
    exact = ours.loss(x, y)
    with torch.autocast("cpu", torch.bfloat16):
        loss = ours.loss(x, y)
    loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=2e-2, atol=0)
    rounded = {name: parameter.grad for name, parameter in ours.named_parameters()}
    assert all(gradient.dtype == torch.float32 for gradient in rounded.values())
    ours.zero_grad()
    exact.backward()
    for name, parameter in ours.named_parameters():
        error = (rounded[name] - parameter.grad).norm() / parameter.grad.norm()
        assert error < 0.1, (name, error)


@pytest.mark.slow
@pytest.mark.parametrize(("time", "documents"), [(128, None), (128, 50), (1088, 300)])
def test_compiled_loss_is_the_loss(time, documents):
    """`compiled_loss` runs the same arithmetic through the compiler, and compiles once, wherever documents end."""
    torch.compiler.reset()
    ours, _ = pair(**SHAPES["grouped"])
    x, y = tokens(2, time), tokens(2, time + 1)[:, 1:]
    compiled = ours.compiled_loss(backend="aot_eager", dynamic=False)
    for shift in (0, 7, 20):
        numbers = None if documents is None else ((torch.arange(time) + shift) // documents).expand(2, -1)
        ours.zero_grad()
        wanted = ours.loss(x, y, numbers)
        wanted.backward()
        gradients = {name: parameter.grad for name, parameter in ours.named_parameters()}
        ours.zero_grad()
        with torch.compiler.set_stance("default" if shift == 0 else "fail_on_recompile"):
            loss = compiled(x, y, numbers)
        loss.backward()
        torch.testing.assert_close(loss, wanted)
        for name, parameter in ours.named_parameters():
            torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-6, rtol=1e-4)


def test_weights_are_keyed_by_seed_and_name():
    small, _ = pair(**SHAPES["grouped"])
    deep, _ = pair(**SHAPES["grouped"], layers=4)
    other, _ = pair(**SHAPES["grouped"])
    other.initialise(1)
    name = "model.layers.1.mlp.up_proj.weight"
    assert torch.equal(small.state_dict()[name], deep.state_dict()[name])
    assert not torch.equal(small.state_dict()[name], other.state_dict()[name])


def test_weights_are_drawn_as_published():
    """Every matrix from normal(0, 0.006), the two ends included; every norm is 1."""
    config = Config(vocabulary=512, hidden=256, mlp=704, layers=2, heads=4, kv_heads=1, context=64)
    for name, parameter in Transformer(config).initialise(3).named_parameters():
        if parameter.dim() == 1:
            assert torch.equal(parameter, torch.ones_like(parameter))
            continue
        values = parameter.detach().flatten().double()
        error = 0.006 / len(values) ** 0.5
        assert abs(values.mean()) < 5 * error, name
        assert abs(values.std() - 0.006) < 5 * error, name
        assert abs(((values / 0.006) ** 4).mean() - 3) < 0.2, name  # a normal distribution's kurtosis


def test_parameters_are_counted_as_they_are():
    for shape in SHAPES.values():
        ours, _ = pair(**shape)
        assert ours.config.parameters == sum(parameter.numel() for parameter in ours.parameters())


def test_flops_are_those_that_torch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    ours, _ = pair(**SHAPES["multi-head"])
    x = tokens(2, 512)
    with FlopCounterMode(display=False) as counter:
        ours.loss(x, x).backward()
    # Blocks of 64 queries do 9/16 of the square where the formula counts the causal half.
    blocks = 6 * ours.config.layers * ours.config.hidden * 512 / 8
    assert counter.get_total_flops() == pytest.approx((ours.config.flops_per_token(512) + blocks) * x.numel(), rel=0.01)
