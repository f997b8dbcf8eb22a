"""The candidate's side: runs the program under test and answers calls. Nothing it does or says is believed.

It starts as a fork of the judge before the judge has read anything, so its memory holds no test and no secret.
"""

import os
import sys
import types
from typing import Any

from repoloom.sandbox.guest import landlock, wire


def serve(requests: int, replies: int, unsafe: bool) -> None:
    """Load the program that comes first, then answer requests for ever."""
    if not unsafe:
        landlock.lock("/work")
    silence = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(silence, standard)
    sys.set_int_max_str_digits(0)
    module = types.ModuleType("candidate")
    sys.modules["candidate"] = module
    sys.path.append("/site")
    source = wire.receive(requests)
    try:
        exec(compile(source, "candidate.py", "exec"), vars(module))  # noqa: S102  # what the sandbox is for
    except Exception as error:
        wire.send(replies, ["error", type(error).__name__, _says(error)])
        return
    wire.send(replies, ["loaded"])
    objects: list[Any] = []
    while True:
        request = wire.receive(requests)
        try:
            reply = _answer(request, module, objects)
        except Exception as error:
            reply = ["error", type(error).__name__, _says(error)]
        wire.send(replies, reply)


def _answer(request: list[Any], module: types.ModuleType, objects: list[Any]) -> list[Any]:
    def handle(value: Any) -> list[Any]:
        objects.append(value)
        return ["handle", len(objects) - 1]

    action, target, *rest = request
    place = getattr(module, target) if isinstance(target, str) else objects[target]
    if action == "call":
        arguments, keywords = (wire.decode(part, objects.__getitem__) for part in rest)
        value = place(*arguments, **keywords)
        # The caller sees what a call does to its own lists, as it would without a wire between.
        changed = [wire.encode(a, handle) if isinstance(a, (list, dict, set)) else None for a in arguments]
        return ["value", wire.encode(value, handle), changed]
    if action == "get":
        return ["value", wire.encode(getattr(place, rest[0]), handle), []]
    setattr(place, rest[0], wire.decode(rest[1], objects.__getitem__))
    return ["value", None, []]


def _says(error: BaseException) -> str:
    try:
        return str(error)[:500]
    except Exception:
        return ""
