"""What stands in a secret's place: the same for the same secret, and in order for the syntax around it.

A placeholder holds letters, digits and underscores alone, so that it is a word in every language: in a string, in YAML,
unquoted in a shell script. Addresses stay addresses, of the ranges that are reserved for no one: code that takes them
apart still reads well, and what is redacted is not found again.
"""

from hashlib import blake2b


def placeholder(kind: str, secret: bytes, salt: bytes = b"") -> bytes:
    """`REDACTED_GITHUB_TOKEN_1f3a5b7c`, `user-1f3a5b7c@example.com`, `10.31.58.91`, `2001:db8::1f3a:5b7c`.

    The digits are 32 bits (24 of an IPv4 address) of BLAKE2b keyed by `salt`. Whoever knows the salt can check a guess,
    and an address space is small enough to guess all of it: who publishes a corpus keeps the salt to himself.
    """
    if kind == "email":
        secret = secret.lower()
    digest = blake2b(kind.encode() + b"\0" + secret, key=salt, digest_size=4).hexdigest()
    if kind == "email":
        return f"user-{digest}@example.com".encode()
    if kind == "ip":
        if b":" in secret:
            return f"2001:db8::{digest[:4]}:{digest[4:]}".encode()
        return "10.{}.{}.{}".format(*bytes.fromhex(digest[:6])).encode()
    return f"REDACTED_{kind.replace('-', '_').upper()}_{digest}".encode()
