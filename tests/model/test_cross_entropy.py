"""The chunked loss against the plain formula, and what it holds while it computes."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from repoloom.model import cross_entropy

TOKENS, WIDTH, VOCABULARY = 1300, 24, 500


class Largest(TorchDispatchMode):
    """Remembers the size of the largest tensor that any operation gave."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return out


def inputs(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(TOKENS, WIDTH, generator=generator, dtype=dtype)
    head = torch.randn(VOCABULARY, WIDTH, generator=generator, dtype=dtype)
    targets = torch.randint(0, VOCABULARY, (TOKENS,), generator=generator)
    targets[::7] = -100
    return hidden.requires_grad_(), head.requires_grad_(), targets


def plain(hidden, head, targets, z_loss):
    logits = hidden @ head.T
    normaliser = logits.logsumexp(-1)[targets != -100]
    return F.cross_entropy(logits, targets) + z_loss * normaliser.square().mean()


@pytest.mark.parametrize("entries", [VOCABULARY, 96], ids=["one product", "several"])
@pytest.mark.parametrize("z_loss", [0.0, 1e-4, 0.3])
def test_value_and_gradients_are_those_of_the_formula(z_loss, entries, monkeypatch):
    monkeypatch.setattr(cross_entropy, "ENTRIES", entries)
    hidden, head, targets = inputs()
    loss = cross_entropy.mean(hidden, head, targets, cross_entropy.of_chunk, z_loss)
    wanted = plain(hidden, head, targets, z_loss)
    torch.testing.assert_close(loss, wanted, rtol=1e-13, atol=0)
    got = torch.autograd.grad(2 * loss, [hidden, head])
    for one, other in zip(got, torch.autograd.grad(2 * wanted, [hidden, head]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-15)


def test_in_bfloat16_gradients_are_as_good_as_logits_and_the_heads_is_kept_in_float32():
    """With most targets nearly sure: there softmax minus one is little, and logits of 20 are off by 0.05."""
    hidden, head, targets = inputs(torch.float32)
    hidden = (hidden + 2.2 * head[targets.clamp(min=0)]).detach().bfloat16().requires_grad_()
    with torch.no_grad():
        head.copy_(head.bfloat16())
    loss = cross_entropy.mean(hidden, head, targets, cross_entropy.of_chunk)
    wide = [x.detach().double().requires_grad_() for x in (hidden, head)]
    exact = plain(*wide, targets, 0.0)
    assert 0.001 < exact < 0.3
    torch.testing.assert_close(loss.double(), exact, rtol=0.01, atol=0)
    got = torch.autograd.grad(loss, [hidden, head])
    assert [x.dtype for x in got] == [torch.bfloat16, torch.float32]
    for one, other in zip(got, torch.autograd.grad(exact, wide), strict=True):
        assert (one.double() - other).norm() < 0.03 * other.norm()


def test_it_holds_the_logits_of_one_chunk_and_no_more():
    hidden, head, targets = inputs(torch.float32)
    with Largest() as ours:
        cross_entropy.mean(hidden, head, targets, cross_entropy.of_chunk).backward()
    with Largest() as whole:
        plain(hidden, head, targets, 0.0).backward()
    assert whole.elements == TOKENS * VOCABULARY
    assert ours.elements == cross_entropy.TOKENS * VOCABULARY
