"""The network as generation runs it, against the model itself; and the bits of a row, whoever stands beside it."""

from itertools import pairwise

import pytest
import torch

from repoloom.generate import Sampling
from repoloom.generate.batch import Batch
from repoloom.generate.network import Linear, Network
from repoloom.generate.places import Places
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer

SHAPE = {"vocabulary": 512, "hidden": 192, "mlp": 1536, "layers": 3, "context": 640, "init_std": 0.08}


@pytest.fixture(scope="module", params=[(3, 1, 1.0), (6, 2, 4.0), (3, 3, 1.0)], ids=str)
def model(request):
    heads, kv_heads, scaling = request.param
    return Transformer(Config(heads=heads, kv_heads=kv_heads, rope_scaling=scaling, **SHAPE)).initialise(7).eval()


@torch.inference_mode()
def test_computes_what_the_model_does(model):
    """Read in pieces, then token by token."""
    network = Network(model, 500)
    places = Places(model.config, 2, 640, network.device, network.dtype)
    ids = torch.arange(2 * 600).reshape(2, 600) * 7919 % 500
    cuts = [0, 256, 512, 590, *range(591, 601)]
    hidden = torch.cat([network(ids[:, a:b], places) for a, b in pairwise(cuts)], 1)
    torch.testing.assert_close(hidden, model.model(ids), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(network.logits(hidden[0]), model(ids)[0, :, :500], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_row_has_the_same_bits_in_any_company(model, dtype):
    """Alone, among 40 shorter and longer ones, and in another place, after others have left: the hidden states."""
    network = Network(model.to(dtype), 500)
    seen = {}
    logits = network.logits

    def watched(hidden):
        found = logits(hidden)
        seen.setdefault(watched.run, []).append((hidden, found))
        return found

    network.logits = watched
    prompt = [(place * 31) % 500 for place in range(130)]
    others = [[(place * 17 + row) % 500 for place in range(20 + 13 * row)] for row in range(40)]
    finals = {}
    for run, company in {"alone": [], "many": others, "few": others[-3:]}.items():
        watched.run = run
        batch = Batch(network, len(company) + 1, 640, Sampling())
        for row, tokens in enumerate([*company, prompt]):
            batch.put(row, tokens, row)
        states = []
        for turn in range(12):
            batch.step()
            row = len(batch.tokens) - 1 if turn < 6 or not company else 0
            states.append(seen[run][-1][0][row if company else 0].clone())
            if turn == 5 and company:
                batch.drop(0)  # the last row, which is the prompt's, takes its place
        finals[run] = torch.stack(states)
    model.to(torch.float32)
    assert torch.equal(finals["many"], finals["alone"])
    assert torch.equal(finals["few"], finals["alone"])


@torch.inference_mode()
def test_what_is_done_to_a_product_is_right():
    x, weight, other = torch.randn(3, 5, 64), torch.randn(48, 64), torch.randn(3, 5, 48)
    linear, product = Linear(weight), x @ weight.T
    torch.testing.assert_close(linear(x), product, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(linear.silu(x), torch.nn.functional.silu(product), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(linear.times(x, other), product * other, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(linear.plus(x, other), product + other, rtol=1e-4, atol=1e-4)
