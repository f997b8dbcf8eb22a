"""How values cross between judge and candidate: plain data only, as JSON, so that no object brings its own behaviour.

A number, a text or a container of them arrives as an exact copy of the built-in type: a subclass whose `__eq__` always
agrees arrives as what it claims to be a subclass of. Anything else arrives as a handle: an object that equals nothing.
"""

import importlib
import itertools
import json
import os
import struct
from collections.abc import Callable
from typing import Any

LARGEST_MESSAGE = 64 << 20
_LONGEST_ITERATOR = 100_000
_SAFE_INTEGER = 1 << 53
_CONTAINERS: dict[str, Callable[[Any], Any]] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
_NUMBERS = {"Decimal": "decimal", "Fraction": "fractions"}


def send(pipe: int, message: Any) -> None:
    """Write one message."""
    data = json.dumps(message).encode("ascii")
    unsent = memoryview(struct.pack("<I", len(data)) + data)
    while unsent:
        unsent = unsent[os.write(pipe, unsent) :]


def receive(pipe: int) -> Any:
    """Read one message. Raises EOFError where the other end is gone, ValueError for what is no message."""
    (size,) = struct.unpack("<I", _read(pipe, 4))
    if size > LARGEST_MESSAGE:
        raise ValueError("message too large")
    return json.loads(_read(pipe, size))


def encode(value: Any, handle: Callable[[Any], Any]) -> Any:
    """`value` as JSON; `handle(object)` gives the message that stands for an object that is no plain data."""
    if value is None or isinstance(value, (bool, str)):
        return value if value is None or isinstance(value, bool) else str.__str__(value)
    if isinstance(value, int):
        number = int.__index__(value)
        return number if -_SAFE_INTEGER < number < _SAFE_INTEGER else ["int", hex(number)]
    if isinstance(value, float):
        return ["float", float.hex(value)]
    if isinstance(value, complex):
        return ["complex", float.hex(value.real), float.hex(value.imag)]
    if isinstance(value, (bytes, bytearray)):
        return ["bytes", bytes(value).hex()]
    if isinstance(value, dict):
        return ["dict", [[encode(key, handle), encode(item, handle)] for key, item in dict.items(value)]]
    for name, kind in _CONTAINERS.items():
        if isinstance(value, kind):  # type: ignore[arg-type]  # the values of the table are types
            return [name, [encode(item, handle) for item in value]]
    if isinstance(value, range):
        return ["range", value.start, value.stop, value.step]
    if type(value).__name__ in _NUMBERS and type(value).__module__ in _NUMBERS.values():
        return [type(value).__name__, str(value)]
    if hasattr(value, "__next__"):
        return ["iterator", [encode(item, handle) for item in itertools.islice(value, _LONGEST_ITERATOR)]]
    return handle(value)


def decode(message: Any, handle: Callable[[Any], Any]) -> Any:
    """The value that `message` stands for. Raises ValueError, TypeError or RecursionError for what stands for none."""
    if not isinstance(message, list):
        if isinstance(message, dict):
            raise ValueError("not a value")
        return message
    kind, *rest = message
    if kind in _CONTAINERS:
        return _CONTAINERS[kind](decode(item, handle) for item in rest[0])
    if kind == "dict":
        return {decode(key, handle): decode(item, handle) for key, item in rest[0]}
    if kind == "int":
        return int(rest[0], 16)
    if kind == "float":
        return float.fromhex(rest[0])
    if kind == "complex":
        return complex(float.fromhex(rest[0]), float.fromhex(rest[1]))
    if kind == "bytes":
        return bytes.fromhex(rest[0])
    if kind == "range":
        return range(*rest)
    if kind in _NUMBERS:
        return getattr(importlib.import_module(_NUMBERS[kind]), kind)(rest[0])
    if kind == "iterator":
        return iter([decode(item, handle) for item in rest[0]])
    if kind == "handle":
        return handle(rest[0])
    raise ValueError("not a value")


def _read(pipe: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(pipe, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
