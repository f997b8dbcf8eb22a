"""`repoloom chat`: a conversation on the terminal, a line a turn."""

import sys
from typing import TextIO

from repoloom.generate import Generator, Sampling
from repoloom.serve import prompts


def converse(generator: Generator, lines: TextIO, *, max_tokens: int, temperature: float) -> None:
    """Answer every line of `lines` on stdout as it is written, until they end. The turns so far stand in the prompt."""
    turns: list[dict[str, str]] = []
    ask = lines.isatty()
    while True:
        if ask:
            print("> ", end="", file=sys.stderr, flush=True)
        line = lines.readline()
        if not line:
            return
        if not line.strip():
            continue
        turns.append({"role": "user", "content": line.strip()})
        answer = ""
        drawn = Sampling(max_tokens=max_tokens, temperature=temperature, seed=len(turns))
        for piece in generator.stream(prompts.conversation(generator.tokenizer, turns), drawn):
            print(piece, end="", flush=True)
            answer += piece
        print()
        turns.append({"role": "assistant", "content": answer.rstrip("\n")})
