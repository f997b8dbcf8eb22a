"""The network against transformers' LlamaForCausalLM at the same weights, and against itself with a cache."""

import pytest
import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from repoloom import recipe
from repoloom.model.config import Config
from repoloom.model.transformer import Cache, Transformer

SHAPES = {
    "grouped": {"heads": 4, "kv_heads": 2},
    "multi-head": {"heads": 4, "kv_heads": 4},
    "multi-query, tied": {"heads": 4, "kv_heads": 1, "tied": True},
}


def pair(**changes):
    """Our network and theirs, the same weights."""
    settings = {"vocabulary": 192, "hidden": 64, "mlp": 160, "layers": 2, "context": 1100}
    settings |= {"init_std": 0.1, "norm_epsilon": 1e-5}
    config = Config(**(settings | changes))
    ours = Transformer(config).initialise(0)
    theirs = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocabulary, hidden_size=config.hidden, intermediate_size=config.mlp,
            num_hidden_layers=config.layers, num_attention_heads=config.heads, num_key_value_heads=config.kv_heads,
            max_position_embeddings=config.context, rms_norm_eps=config.norm_epsilon,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_base},
            tie_word_embeddings=config.tied,
        )
    )  # fmt: skip
    theirs.load_state_dict(ours.state_dict(), strict=not config.tied)
    theirs.tie_weights()
    return ours, theirs


def tokens(rows, time, vocabulary=192):
    return torch.randint(0, vocabulary, (rows, time), generator=torch.Generator().manual_seed(rows * time))


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
    loss = ours.loss(x, y)
    wanted = F.cross_entropy(theirs(x).logits.flatten(0, 1), y.flatten())
    torch.testing.assert_close(loss, wanted)
    (loss * 3).backward()
    (wanted * 3).backward()
    expected = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    assert set(expected) == {name for name, _ in ours.named_parameters()}
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], atol=2e-6, rtol=1e-3, msg=lambda m, n=name: n + m)
    with torch.no_grad():
        torch.testing.assert_close(ours.loss(x, y), wanted)


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
def test_compiled_loss_is_the_loss():
    """`compiled_loss` runs the same arithmetic through the compiler."""
    ours, _ = pair(**SHAPES["grouped"])
    x, y = tokens(2, 128), tokens(2, 129)[:, 1:]
    wanted = ours.loss(x, y)
    wanted.backward()
    gradients = {name: parameter.grad for name, parameter in ours.named_parameters()}
    ours.zero_grad()
    loss = ours.compiled_loss(backend="aot_eager", dynamic=False)(x, y)
    loss.backward()
    torch.testing.assert_close(loss, wanted)
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-6, rtol=1e-4)


def test_cache_gives_what_the_whole_text_gives():
    """Rows of unequal length, one token at a time, several at a time, and rows that end in between."""
    ours, theirs = pair(**SHAPES["grouped"])
    x = tokens(4, 60)
    wanted = theirs(x).logits
    lengths = torch.tensor([5, 9, 3, 9])
    rows = [0, 1, 2, 3]
    with torch.inference_mode():
        cache = Cache(ours.config, 4, 60, torch.device("cpu"), torch.float32)
        ours(x[:, :9], cache)
        cache.set_lengths(lengths)
        done = lengths.tolist()
        for step in range(20):
            if step in (4, 11):
                cache.drop(1)
                rows[1] = rows[-1]
                rows.pop()
            time = 3 if step == 7 else 1
            new = torch.stack([x[row, done[row] : done[row] + time] for row in rows])
            logits = ours(new, cache)
            for place, row in enumerate(rows):
                expected = wanted[row, done[row] : done[row] + time]
                torch.testing.assert_close(logits[place], expected, atol=2e-5, rtol=1e-4)
                done[row] += time
    assert rows == [0, 2]
    assert cache.lengths.tolist() == [done[0], done[2]]


def test_weights_are_keyed_by_seed_and_name():
    small, _ = pair(**SHAPES["grouped"])
    deep, _ = pair(**SHAPES["grouped"], layers=4)
    other, _ = pair(**SHAPES["grouped"])
    other.initialise(1)
    name = "model.layers.1.mlp.up_proj.weight"
    assert torch.equal(small.state_dict()[name], deep.state_dict()[name])
    assert not torch.equal(small.state_dict()[name], other.state_dict()[name])
    assert abs(small.state_dict()[name].std().item() - small.config.init_std) < 0.01
    assert torch.equal(small.model.norm.weight, torch.ones(64))


@pytest.mark.parametrize(
    ("settings", "billions"),
    [
        ({}, 1.346),
        ({"hidden": 4096, "mlp": 11008, "layers": 32, "heads": 32, "kv_heads": 32}, 6.740),
        ({"hidden": 4096, "mlp": 11008, "layers": 32, "heads": 32, "kv_heads": 1}, 5.700),
        ({"hidden": 7168, "mlp": 19200, "layers": 62, "heads": 56, "kv_heads": 8}, 33.34),
    ],
)
def test_published_sizes(settings, billions):
    """DeepSeek Coder's four sizes [arXiv 2401.14196, Table 2; released models]: 32,022 entries, 32,256 rows."""
    config = Config.from_recipe(recipe.Model(**settings), 32_256 - 3)
    assert config.vocabulary == 32_256
    assert config.parameters / 1e9 == pytest.approx(billions, rel=1e-3)


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
