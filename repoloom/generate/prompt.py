"""How a prompt that is too long is cut: what stands next to the gap is kept."""

from collections.abc import Sequence

from repoloom.tokens.tokenizer import Tokenizer

_SUFFIX_SHARE = 4
"""A suffix keeps at least a quarter of the room: the prefix says more about what comes next, but the suffix where to
stop."""


def fit(prompt: Sequence[int], room: int, tokenizer: Tokenizer) -> list[int]:
    """At most `room` tokens of the prompt: from the left, but for its BOS and the fill-in sentinels.

    A fill-in prompt (BOS, begin, prefix, hole, suffix, end) loses the left of its prefix and the right of its suffix.
    """
    tokens = list(prompt)
    if len(tokens) <= room:
        return tokens
    opening = tokens[:1] if tokens[0] == tokenizer.bos else []
    sentinels = (tokenizer.fim_begin, tokenizer.fim_hole, tokenizer.fim_end)
    begin, hole, end = (tokens.index(token) if token in tokens else -1 for token in sentinels)
    if not (begin == len(opening) and begin < hole < end == len(tokens) - 1):
        keep = room - len(opening)
        return opening + tokens[len(tokens) - keep :]
    room -= len(opening) + 3
    prefix, suffix = tokens[begin + 1 : hole], tokens[hole + 1 : end]
    of_suffix = min(len(suffix), max(room // _SUFFIX_SHARE, room - len(prefix)))
    of_prefix = min(len(prefix), room - of_suffix)
    prefix = prefix[len(prefix) - of_prefix :]
    return [*opening, tokens[begin], *prefix, tokens[hole], *suffix[:of_suffix], tokens[end]]
