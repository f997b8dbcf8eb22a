"""The instruct format: DeepSeek Coder's turns [P 3.7, R], with a system sentence of our own.

    A system sentence
    ### Instruction:
    what is asked
    ### Response:
    what is answered
    <|EOT|>

DeepSeek's sentence names DeepSeek as the maker and refuses topics; a model of ours is not theirs and refuses nothing.
Their Jinja template puts no line break after a system message that the user gives; here one stands, as after the
default sentence. Everything else is theirs to the byte.

[P] is arXiv 2401.14196 v2, [R] the DeepSeek-Coder repository.
"""

from collections.abc import Iterator, Mapping, Sequence

from repoloom.errors import UserError
from repoloom.tokens import bpe
from repoloom.tokens.tokenizer import Tokenizer

SYSTEM = "You are an AI programming assistant. You write code and answer questions about it."

TEMPLATE = (
    "{%- set ns = namespace(found=false) -%}"
    "{%- for message in messages -%}{%- if message['role'] == 'system' -%}{%- set ns.found = true -%}{%- endif -%}"
    "{%- endfor -%}"
    "{{ bos_token }}{%- if not ns.found -%}{{ '" + SYSTEM + "\\n' }}{%- endif -%}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'system' -%}{{ message['content'] + '\\n' }}"
    "{%- elif message['role'] == 'user' -%}{{ '### Instruction:\\n' + message['content'] + '\\n' }}"
    "{%- elif message['role'] == 'assistant' -%}"
    "{{ '### Response:\\n' + message['content'] + '\\n" + bpe.EOT + "\\n' }}"
    "{%- else -%}{{ raise_exception('a role is system, user or assistant') }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '### Response:\\n' }}{%- endif -%}"
)
"""Jinja `chat_template`: BOS and then what `render` gives."""

Messages = Sequence[Mapping[str, str]]
"""A conversation: `role` (system, user, assistant) and `content` each."""


def render(messages: Messages, add_generation_prompt: bool = True) -> str:
    """The text of a conversation, without BOS. Raises UserError for an unknown role."""
    return "".join(
        text + (bpe.EOT + "\n" if answered else "") for text, answered in _turns(messages, add_generation_prompt)
    )


def encode(tokenizer: Tokenizer, messages: Messages, add_generation_prompt: bool = True) -> list[int]:
    """The ids of a conversation: BOS first, and after every answer the token that ends a turn.

    What people wrote stays text, also where it spells a special token.
    """
    end = tokenizer.eos if tokenizer.eot is None else tokenizer.eot
    ids = [] if tokenizer.bos is None else [tokenizer.bos]
    for text, answered in _turns(messages, add_generation_prompt):
        ids += tokenizer.encode(text)
        if answered:
            ids += [*([] if end is None else [end]), *tokenizer.encode("\n")]
    return ids


def _turns(messages: Messages, add_generation_prompt: bool) -> Iterator[tuple[str, bool]]:
    """Each turn's text, and whether it is an answer, which the end of turn follows."""
    if not any(message["role"] == "system" for message in messages):
        yield f"{SYSTEM}\n", False
    for message in messages:
        content = message["content"]
        match message["role"]:
            case "system":
                yield f"{content}\n", False
            case "user":
                yield f"### Instruction:\n{content}\n", False
            case "assistant":
                yield f"### Response:\n{content}\n", True
            case role:
                raise UserError(f"a message's role is system, user or assistant, not {role!r}")
    if add_generation_prompt:
        yield "### Response:\n", False
