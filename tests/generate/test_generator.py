"""Batches, streams and samples against the plainest way to generate: the whole text anew for every token."""

from collections import Counter
from itertools import chain

import pytest
import torch

from repoloom.errors import UserError
from repoloom.generate import Completion, Generator, Sampling
from repoloom.generate.network import Network
from repoloom.generate.sampling import choose
from repoloom.progress import bar


def plainly(generator, prompt, count):
    """Greedy tokens after a prompt, without cache or batch; and whether the model ended the text."""
    ids = torch.tensor([prompt])
    tokenizer = generator.tokenizer
    with torch.no_grad():
        for _ in range(count):
            best = generator.model(ids)[0, -1, : tokenizer.size].argmax()
            if best in (tokenizer.eos, tokenizer.eot):
                return ids[0, len(prompt) :].tolist(), True
            ids = torch.cat((ids, best[None, None]), 1)
    return ids[0, len(prompt) :].tolist(), False


def consumed(stream):
    """The pieces of a stream, and what it returns."""
    pieces = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            return pieces, end.value


def test_batches_write_what_each_prompt_alone_would(generator, prompts):
    sampling = Sampling(max_tokens=9)
    completions = generator.complete(prompts, sampling)
    assert completions == [generator.complete([prompt], sampling)[0] for prompt in prompts]
    ended = 0
    for prompt, completion in zip(prompts, completions, strict=True):
        tokens, end = plainly(generator, prompt, 9)
        assert completion.tokens == tokens
        assert completion.finish == ("stop" if end else "length")
        assert completion.text == generator.tokenizer.decode(tokens).rstrip("\ufffd")
        ended += end
    assert 0 < ended < len(prompts)  # rows that leave the batch early are among them


def test_never_past_the_context(generator, prompts):
    context = generator.model.config.context
    for prompt in (prompts[0], max(prompts, key=len)):
        completion = generator.complete([prompt], Sampling(max_tokens=10_000, stop=()))[0]
        assert (
            completion.finish == "stop" or len(prompt) + len(completion.tokens) == context or len(prompt) > context // 2
        )
        assert len(completion.tokens) <= context - min(len(prompt), context // 2)


def test_a_long_prompt_is_cut_on_its_left(generator, prompts):
    context = generator.model.config.context
    long = [generator.tokenizer.bos, *chain.from_iterable(prompts)]
    completion = generator.complete([long], Sampling(max_tokens=20))[0]
    kept = [long[0], *long[-(context - 21) :]]
    assert completion.tokens == plainly(generator, kept, 20)[0]


def test_nothing_asked_nothing_written(generator, prompts):
    assert generator.complete([], Sampling()) == []
    assert generator.complete(prompts[:2], Sampling(max_tokens=0)) == [Completion(), Completion()]
    assert consumed(generator.stream(prompts[0], Sampling(max_tokens=0))) == ([], Completion())


def test_an_empty_prompt_begins_a_text(generator):
    sampling = Sampling(max_tokens=5)
    assert generator.complete([[]], sampling) == generator.complete([[generator.tokenizer.bos]], sampling)


def test_an_empty_prompt_needs_a_beginning(generator, monkeypatch):
    monkeypatch.setattr(generator.tokenizer, "bos", None)
    with pytest.raises(UserError, match="empty"):
        generator.complete([[]], Sampling())


def test_streams_write_what_completions_do(generator, prompts):
    for settings in ({}, {"temperature": 0.9, "seed": 4}):
        sampling = Sampling(max_tokens=30, **settings)
        for prompt in prompts[:6]:
            pieces, completion = consumed(generator.stream(prompt, sampling))
            assert completion == generator.complete([prompt], sampling)[0]
            assert "".join(pieces) == completion.text
            assert all(pieces)


def test_a_stop_text_ends_and_is_cut(generator, prompts):
    sampling = Sampling(max_tokens=40)
    for prompt in prompts[20:26]:
        whole = generator.complete([prompt], sampling)[0].text
        stop = whole[len(whole) // 2 :][:3]
        assert stop
        cut = Sampling(max_tokens=40, stop=("never this", stop))
        completion = generator.complete([prompt], cut)[0]
        assert completion.text == whole[: whole.index(stop)]
        assert completion.finish == "stop"
        assert len(completion.tokens) <= 40
        pieces, streamed = consumed(generator.stream(prompt, cut))
        assert streamed == completion
        assert "".join(pieces) == completion.text


def test_samples_do_not_depend_on_their_company(generator, prompts):
    sampling = Sampling(max_tokens=12, temperature=1.0, top_p=0.95, seed=7)
    together = generator.complete(prompts, sampling)
    assert generator.complete(prompts[:5], sampling) == together[:5]
    assert generator.complete(prompts, sampling) == together
    assert generator.complete(prompts, Sampling(max_tokens=12, temperature=1.0, top_p=0.95, seed=8)) != together
    same = generator.complete([prompts[1]] * 6, sampling)
    assert len({completion.text for completion in same}) > 1  # each prompt draws for itself


def test_draws_follow_the_distribution():
    """20,000 draws over five tokens: within five standard deviations of what softmax says."""
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0, -3.0]])
    count = 20_000
    for temperature, top_p, kept in ((1.0, 1.0, 5), (0.5, 1.0, 5), (1.0, 0.8, 2), (2.0, 0.75, 3), (1.0, 0.0, 1)):
        chances = torch.softmax(logits[0] / temperature, -1)
        chances[kept:] = 0
        chances /= chances.sum()
        sampling = Sampling(temperature=temperature, top_p=top_p, seed=1)
        drawn = choose(logits.expand(count, -1), sampling, [(number, 3) for number in range(count)])
        found = Counter(drawn.tolist())
        for token, chance in enumerate(chances.tolist()):
            assert abs(found[token] - count * chance) <= 5 * (count * chance * (1 - chance)) ** 0.5 + 1e-9


def test_padding_rows_are_never_written(generator, prompts, monkeypatch):
    model, size = generator.model, generator.tokenizer.size
    assert model.config.vocabulary > size
    with torch.no_grad():
        padding = model.lm_head.weight[size:].clone()
        model.lm_head.weight[size:] = 50 * model.lm_head.weight[:1]
    try:
        for temperature in (0.0, 1.0):
            sampling = Sampling(max_tokens=20, temperature=temperature)
            written = generator.complete(prompts[:8], sampling)
            assert max(max(completion.tokens, default=0) for completion in written) < size
    finally:
        with torch.no_grad():
            model.lm_head.weight[size:] = padding


def passes(generator, monkeypatch):
    """Every pass of the network that follows: its rows and tokens."""
    seen = []
    network = Network.__call__
    monkeypatch.setattr(
        Network, "__call__", lambda self, ids, places: seen.append(tuple(ids.shape)) or network(self, ids, places)
    )
    return seen


def test_what_prompts_share_is_read_once(generator, prompts, monkeypatch):
    monkeypatch.setattr("repoloom.generate.batch.PIECE", 16)
    seen = passes(generator, monkeypatch)
    base = max(prompts, key=len)[:70]
    alike = [base, base, [*base[:50], *prompts[5][-20:]], base]
    completions = generator.complete(alike, Sampling(max_tokens=1))
    assert sum(tokens for _, tokens in seen) == 70 + 22  # the other one shares three pieces of 16
    for prompt, completion in zip(alike, completions, strict=True):
        assert completion.tokens == plainly(generator, prompt, 1)[0]


def test_no_token_is_computed_that_the_rules_do_not_allow(generator, prompts, monkeypatch):
    """One pass reads a prompt and gives its first token; each further one is a row of a step."""
    text = "".join(completion.text for completion in generator.complete(prompts, Sampling(max_tokens=30)))
    stop = Counter(text).most_common(1)[0][0]
    monkeypatch.setattr("repoloom.generate.generator.ROWS", 8)
    seen = passes(generator, monkeypatch)
    chosen = prompts[:40]
    completions = generator.complete(chosen, Sampling(max_tokens=30, stop=(stop,)))
    assert any(completion.finish == "stop" for completion in completions)
    ended = [
        completion.finish == "stop" and stop not in generator.tokenizer.decode(completion.tokens)
        for completion in completions
    ]
    drawn = sum(len(completion.tokens) + end for completion, end in zip(completions, ended, strict=True))
    steps = [rows for rows, tokens in seen if rows > 1]
    read = sum(tokens for rows, tokens in seen if rows == 1)
    assert read <= sum(map(len, chosen))
    assert 0 <= sum(steps) - (drawn - len(chosen)) <= steps.count(2)  # a last row has company for its bits' sake
    assert max(steps) == 8


def test_progress_counts_prompts(generator, prompts, capsys):
    class Counted:
        done = 0.0

        def advance(self, by: float = 1, note: str = "") -> None:
            self.done += by

    counted = Counted()
    generator.complete(prompts, Sampling(max_tokens=3), progress=counted)
    assert counted.done == len(prompts)
    with bar("tests", 2) as real:
        generator.complete(prompts[:2], Sampling(max_tokens=3), progress=real)


def test_loads_a_saved_model(generator, prompts, tokenizer_folder, tmp_path):
    from repoloom.model import huggingface

    huggingface.save(generator.model, tokenizer_folder, tmp_path)
    sampling = Sampling(max_tokens=6)
    assert Generator.load(tmp_path).complete(prompts[:9], sampling) == generator.complete(prompts[:9], sampling)
