"""Every way of attending inside documents, against PyTorch's attention under a mask written out pair by pair."""

import pytest
import torch
import torch.nn.functional as F

from repoloom.model import attention, in_blocks
from repoloom.model.config import Config
from repoloom.model.transformer import Transformer, run_block


def without_keeping(*inputs):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_blocks, "KEPT", 0)
        return in_blocks.attend_in_blocks(*inputs)


WAYS = {
    "in blocks": in_blocks.attend_in_blocks,
    "in blocks, computed again": without_keeping,
    "by document": attention.attend,
    "by document, short ones in a long row": lambda q, k, v, start: attention.attend(
        q, k, v, attention.ByThemselves(start)
    ),
}
DOCUMENTS = {
    "one": [[150], [150]],
    "several": [[1, 63, 64, 22], [149, 1]],
    "a token each": [[1] * 150, [75, 75]],
}


def numbered(lengths):
    return torch.stack([torch.arange(len(row)).repeat_interleave(torch.tensor(row)) for row in lengths])


def seen(documents):
    """bool [B, T, T], as one would say it."""
    rows, time = documents.shape
    mask = torch.zeros(rows, time, time, dtype=torch.bool)
    for row in range(rows):
        for query in range(time):
            for key in range(query, -1, -1):
                if documents[row, key] != documents[row, query]:
                    break
                mask[row, query, key] = True
    return mask


def vectors(kv_heads, time, dtype=torch.float64):
    generator = torch.Generator().manual_seed(time)
    heads = (4, kv_heads, kv_heads)
    # As projections leave them: tokens before heads.
    return [torch.randn(2, time, count, 16, dtype=dtype, generator=generator).transpose(1, 2) for count in heads]


def reference(q, k, v, documents):
    mask = seen(documents)[:, None]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", DOCUMENTS)
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_outputs_and_gradients_are_those_of_the_mask(way, case, kv_heads):
    documents = numbered(DOCUMENTS[case])
    inputs = [x.requires_grad_() for x in vectors(kv_heads, 150)]
    wanted = reference(*inputs, documents)
    slope = torch.randn(wanted.shape, dtype=wanted.dtype, generator=torch.Generator().manual_seed(1))
    expected = torch.autograd.grad(wanted, inputs, slope)
    got = WAYS[way](*inputs, attention.starts(documents))
    torch.testing.assert_close(got, wanted, atol=1e-12, rtol=0)
    for one, other in zip(torch.autograd.grad(got, inputs, slope), expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize("case", DOCUMENTS)
@pytest.mark.parametrize("kv_heads", [1, 4])
def test_flex_attention_sees_the_same_pairs(case, kv_heads):
    """Forward only: it has no backward on a CPU."""
    documents = numbered(DOCUMENTS[case])
    q, k, v = vectors(kv_heads, 150, torch.float32)
    with torch.no_grad():
        mask = attention.block_mask(attention.starts(documents))
        got = attention.attend(q, k, v, mask)
    torch.testing.assert_close(got, reference(q, k, v, documents), atol=1e-5, rtol=0)


def test_flex_attention_skips_blocks_of_foreign_pairs():
    documents = (torch.arange(1024) // 128)[None]
    assert attention.block_mask(attention.starts(documents)).sparsity() == 100 * (1 - 8 / 64)
    whole = attention.block_mask(attention.starts(torch.zeros_like(documents)))
    assert whole.sparsity() == 100 * (1 - 36 / 64)


@pytest.mark.slow
def test_flex_attention_compiles_once_inside_a_layer(monkeypatch):
    """As it runs on a GPU, but forward only: wherever documents end, the compiled layer serves."""
    torch.compiler.reset()
    shape = Config(vocabulary=64, hidden=32, mlp=64, layers=2, heads=4, kv_heads=2, context=300, init_std=0.1)
    model = Transformer(shape).initialise(0)
    tokens = torch.randint(0, 64, (2, 300), generator=torch.Generator().manual_seed(0))
    documents = [((torch.arange(300) + shift) // 100).expand(2, -1) for shift in (0, 7, 20)]
    run = torch.compile(run_block, backend="aot_eager", dynamic=False)
    with torch.no_grad():
        wanted = [model.model(tokens, documents=numbers) for numbers in documents]
        monkeypatch.setattr(attention, "prepare", attention.block_mask)
        for turn, numbers in enumerate(documents):
            with torch.compiler.set_stance("fail_on_recompile" if turn else "default"):
                got = model.model(tokens, documents=numbers, run=run)
            torch.testing.assert_close(got, wanted[turn], atol=2e-5, rtol=0)


def test_short_documents_in_long_rows_attend_by_themselves():
    def prepared(time, length):
        return attention.prepare(attention.starts((torch.arange(time) // length)[None]))

    assert isinstance(prepared(2048, 64), torch.Tensor)
    assert isinstance(prepared(4096, 1024), attention.ByThemselves)
    assert isinstance(prepared(4096, 3000), torch.Tensor)
    assert isinstance(prepared(4096, 4096), torch.Tensor)


@pytest.mark.slow
def test_long_rows_are_compiled_for_long_and_for_short_documents(monkeypatch):
    """As they run in training: in bfloat16, with gradients, nothing kept of the pairs."""
    torch.compiler.reset()
    monkeypatch.setattr(in_blocks, "KEPT", 100)
    shape = Config(vocabulary=64, hidden=32, mlp=64, layers=1, heads=4, kv_heads=2, context=300, init_std=0.1)
    model = Transformer(shape).initialise(0)
    tokens = torch.randint(0, 64, (2, 300), generator=torch.Generator().manual_seed(0))
    lengths = {"long": [[300], [20, 280]], "short": [[30] * 10, [100, 100, 100]]}
    run = torch.compile(run_block, dynamic=False)
    for wanted_kind, case in zip((torch.Tensor, attention.ByThemselves), lengths.values(), strict=True):
        documents = numbered(case)
        assert isinstance(attention.prepare(attention.starts(documents)), wanted_kind)
        eager, _ = _gradients(model, tokens, documents, torch.float32, run_block)
        compiled, saved = _gradients(model, tokens, documents, torch.bfloat16, run)
        assert max(saved) < 2 * 4 * 64 * 256, "the pairs of a block were kept"
        for one, other in zip(compiled, eager, strict=True):
            assert (one - other).norm() < 0.03 * other.norm()


def _gradients(model, tokens, documents, dtype, run):
    """The parameters' gradients, and how many numbers each tensor has that was kept for them."""
    saved = []

    def pack(tensor):
        saved.append(tensor.numel())
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16),
    ):
        loss = model.loss(tokens[:, :-1], tokens[:, 1:], documents[:, :-1], run=run)
    return torch.autograd.grad(loss, list(model.parameters())), saved


def test_a_document_is_a_run_of_one_number():
    documents = torch.tensor([[5, 5, 5, 2, 2, 5, 5, 9], [0, 0, 0, 0, 0, 0, 0, 0]], dtype=torch.int32)
    assert attention.starts(documents).tolist() == [[0, 0, 0, 3, 3, 5, 5, 7], [0] * 8]
