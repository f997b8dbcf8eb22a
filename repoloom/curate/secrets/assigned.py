"""Values known by their name: `password = "..."`, `"api_key": "..."`, `TOKEN=...`, `https://user:...@host`."""

import re

from repoloom.curate.secrets.detectors import Detector, before
from repoloom.curate.secrets.likeness import entropy, is_hex, is_stopgap, is_uuid, is_words

_PASSWORDS = r"passw|passphrase|pwd"
_NAMED = (
    r"passw|passphrase|pwd|secret|token|credential"
    r"|(?:api|access|auth|private|account|encryption|signing|master|storage)[_\-]?key"
)
_NAME = rf"(?i:{_NAMED})[\w.\-]{{0,40}}"
_HINT = rf"(?i:{_NAMED})[\w.\-]*[\"'\]]*[ \t]*[=:>?]"
_NEEDS = (b"pass", b"pwd", b"secret", b"token", b"credential", b"key")

_IS_PASSWORD = re.compile(_PASSWORDS.encode(), re.IGNORECASE)
_HARMLESS = re.compile(
    rb"public|primary|foreign|hash|sha\d|md5|digest|checksum|integrity|fingerprint|csrf|next|page|_id\b|uri|path",
    re.IGNORECASE,
)
"""Names that say that a value opens nothing."""
_COMMON = frozenset(
    b"""
    password passwd passw passwort pass pw pwd p secret test testing admin root user username guest demo default welcome
    letmein qwerty asdf foo bar foobar baz my mypassword mypass mysecret testpass testpassword secretpassword super
    supersecret token key strong weak new old correct wrong invalid bad good some hunter postgres mysql abc secure hello
    word s rd
    """.split()
)
"""What people write where no one is to be kept out, whatever digits and signs stand around it."""
_OPAQUE = re.compile(rb"(?!.*//)[A-Za-z0-9+/=_.~:\-]+")
_EXPRESSION = re.compile(rb"[()\[\]{}<>|\\;,\"'` ]|://|^[$%&#@./:]|[./:]$|^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$|^[\w\-]+/")


def _is_value(match: re.Match[bytes]) -> bool:
    """Whether what is assigned would open something."""
    secret = match["secret"]
    if is_stopgap(secret) or is_uuid(secret):
        return False
    if _HARMLESS.search(before(match, 20) + match[0].partition(secret)[0]):
        return False
    return _is_password(secret) if _IS_PASSWORD.search(match[0][: -len(secret)]) else _is_token(secret)


def _is_bare(match: re.Match[bytes]) -> bool:
    """The same without quotes, where it could be a name or a number."""
    secret = match["secret"]
    plain = re.fullmatch(rb"[A-Z]?\d+(?:[.\-]\d+)*", secret) or not re.search(rb"[0-9]", secret)
    return not plain and not is_words(secret) and _is_value(match)


def _is_login(match: re.Match[bytes]) -> bool:
    """A password in an address."""
    return not is_stopgap(match["secret"]) and _is_password(match["secret"])


def _is_bearer(match: re.Match[bytes]) -> bool:
    return not is_stopgap(match["secret"]) and _is_token(match["secret"])


def _is_password(secret: bytes) -> bool:
    words = re.findall(rb"[a-z]+", secret.lower())
    return (
        len(secret) >= 6
        and bool(words)
        and re.search(rb"[0-9!@#$%^&*+=?~]", secret) is not None
        and not all(word in _COMMON for word in words)
        and _EXPRESSION.search(secret) is None
        # A name such as step2 or utf8_text has one number; a word with signs in it may be a password.
        and (not is_words(secret) or re.search(rb"[!@#$%^&*+=?~]|\d{2}|\d\D+\d", secret) is not None)
    )


def _is_token(secret: bytes) -> bool:
    return (
        len(secret) >= 16
        and _OPAQUE.fullmatch(secret) is not None
        and re.search(rb"[0-9]", secret) is not None
        and re.search(rb"[A-Za-z]", secret) is not None
        and entropy(secret) >= (3.0 if is_hex(secret) else 3.5)
        and not is_words(secret)
    )


_ASSIGNED = r"[\"'\]]{0,2}(?:[ \t]?:[ \t]?[\w.<>&]{1,30})?[ \t]{0,20}(?:[=:]{1,3}>?|\?\?=)[ \t]{0,8}"
_OPENED = r"(?<![^\n\s])(?:(?i:export|set|env)[ ]|- )?[\w.\-]{0,40}?"
_BEARER = r"(?i:authorization)[\"']?[ \t]*[:=,][ \t]*[\"'`]?(?i:bearer|basic|token)[ \t]"

DETECTORS = tuple(
    Detector(kind, hint, re.compile(pattern.encode()), needs, accepts)
    for kind, hint, pattern, needs, accepts in (
        (
            "password",
            r"://[^\s/:@?#\"'<>]+:[^\s/:@\"'<>]+@",
            r"://[^\s/:@?#\"'<>]{1,64}:(?P<secret>[^\s/:@\"'<>]{3,128})@",
            (b"://",),
            _is_login,
        ),
        (
            "secret",
            _HINT,
            rf"{_NAME}{_ASSIGNED}[bru]?(?P<quote>[\"'`])(?P<secret>[^\"'`\s]{{6,200}}+)(?P=quote)",
            _NEEDS,
            _is_value,
        ),
        ("secret", _HINT, rf"<[\w.:\-]{{0,40}}?{_NAME}>(?P<secret>[^<>\s]{{6,200}}+)</", _NEEDS, _is_value),
        (
            "secret",
            _HINT,
            rf"{_OPENED}{_NAME}[\"']?[ \t]{{0,4}}[=:][ \t]{{0,4}}(?P<secret>[\w!@#$%^&*+=~/.\-]{{8,200}}+)(?=\s|\Z)",
            _NEEDS,
            _is_bare,
        ),
        (
            "secret",
            _BEARER,
            _BEARER.replace("*", "{0,4}") + r"{1,4}(?P<secret>[A-Za-z0-9+/=_.~\-]{16,2000}+)",
            (b"authorization",),
            _is_bearer,
        ),
    )
)
