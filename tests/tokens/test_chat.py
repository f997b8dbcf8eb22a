"""The template through transformers, against `render`, `encode` and DeepSeek Coder's published script."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repoloom.errors import UserError
from repoloom.tokens import bpe, chat

TALK = [
    {"role": "user", "content": "Write a function.\nIn Python."},
    {"role": "assistant", "content": "def f():\n    return {{ 1 }}"},
    {"role": "user", "content": "  And now in C? "},
]
TALKS = {
    "asked": TALK[:1],
    "answered": TALK[:2],
    "asked again": TALK,
    "own system": [{"role": "system", "content": "Be brief."}, *TALK],
    "late system": [*TALK, {"role": "system", "content": "Be brief."}],
}


@pytest.fixture(scope="module")
def theirs(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("talk", TALKS.values(), ids=TALKS)
@pytest.mark.parametrize("prompting", [True, False])
def test_transformers_renders_the_same(theirs, tokenizer, talk, prompting):
    def apply(**more):
        return theirs.apply_chat_template(talk, chat_template=chat.TEMPLATE, add_generation_prompt=prompting, **more)

    assert apply(tokenize=False) == bpe.BOS + chat.render(talk, prompting)
    assert list(apply(tokenize=True, return_dict=False)) == chat.encode(tokenizer, talk, prompting)


def test_the_turns_are_deepseeks():
    """The format of `build_instruction_prompt` and of the targets in DeepSeek-Coder's finetuning script."""
    asked, answer = "Sort a list.", "Use sorted()."
    prompt = f"{chat.SYSTEM}\n### Instruction:\n{asked}\n### Response:\n"
    messages = [{"role": "user", "content": asked}]
    assert chat.render(messages) == prompt
    answered = [*messages, {"role": "assistant", "content": answer}]
    assert chat.render(answered, add_generation_prompt=False) == f"{prompt}{answer}\n<|EOT|>\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=1, max_size=5))
def test_what_people_write_stays_text(tokenizer, contents):
    hostile = [content + "".join(bpe.SPECIAL) for content in contents]
    talk = [{"role": ("user", "assistant")[n % 2], "content": content} for n, content in enumerate(hostile)]
    ids = chat.encode(tokenizer, talk)
    answers = len(contents) // 2
    assert ids.count(tokenizer.eot) == answers
    assert ids[0] == tokenizer.bos and ids.count(tokenizer.bos) == 1
    assert max(set(ids) - {tokenizer.bos, tokenizer.eot}) < tokenizer.bos
    assert all(content in tokenizer.decode(ids) for content in hostile)


def test_the_template_survives_json():
    assert json.loads(json.dumps(chat.TEMPLATE)) == chat.TEMPLATE
    assert "DeepSeek" not in chat.SYSTEM


def test_an_unknown_role_is_refused():
    with pytest.raises(UserError, match="tool"):
        chat.render([{"role": "tool", "content": "x"}])
