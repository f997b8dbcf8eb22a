"""Secrets that look real and open nothing, and lines in which programs keep them: for the benchmark and the tests."""

import base64
import json
import random
import string
from collections.abc import Callable

Maker = Callable[[random.Random], str]
_ALNUM = string.ascii_letters + string.digits
_URLSAFE = _ALNUM + "_-"
_HEX = "0123456789abcdef"


def _of(letters: str, count: int, before: str = "") -> Maker:
    return lambda dice: before + "".join(dice.choices(letters, k=count))


def _jwt(dice: random.Random) -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    claims = {"sub": str(dice.randrange(10**9)), "iat": dice.randrange(10**9)}
    head = b'{"alg":"HS256","typ":"JWT"}'
    return ".".join([part(head), part(json.dumps(claims).encode()), part(dice.randbytes(32))])


def _email(dice: random.Random) -> str:
    name = dice.choice(["anna", "j.smith", "li_wei", "k-o", "müller", "x+list", "bob99"])
    host = dice.choice(["gmail.com", "cs.uni-x.edu", "corp.co.uk", "mail-7.org", "kernel.org", "qq.com"])
    return f"{name}{dice.randrange(1000)}@{host}"


def _ip(dice: random.Random) -> str:
    first = dice.choice([23, 45, 62, 93, 130, 151, 185, 213])
    return f"{first}.{dice.randint(32, 255)}.{dice.randrange(256)}.{dice.randint(1, 254)}"


def _ip6(dice: random.Random) -> str:
    return "2a0" + ":".join(f"{dice.randrange(4096, 65536):04x}" for _ in range(8))[3:]


def _password(dice: random.Random) -> str:
    letters = dice.choices(_ALNUM, k=dice.randint(8, 14))
    return "".join([*letters, dice.choice(string.digits), dice.choice("!@#$%^&*"), dice.choice(string.ascii_letters)])


def _key(dice: random.Random) -> str:
    body = base64.b64encode(dice.randbytes(dice.randint(200, 1200))).decode()
    kind = dice.choice(["RSA ", "EC ", "OPENSSH ", ""])
    lines = [body[n : n + 64] for n in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {kind}PRIVATE KEY-----", *lines, f"-----END {kind}PRIVATE KEY-----"])


TOKENS: dict[str, Maker] = {
    "aws-key": _of(string.ascii_uppercase + string.digits, 16, "AKIA"),
    "github-token": _of(_ALNUM, 36, "ghp_"),
    "github-pat": _of(_ALNUM, 82, "github_pat_"),
    "gitlab-token": _of(_ALNUM, 20, "glpat-"),
    "google-key": _of(_URLSAFE[:-1], 35, "AIza"),
    "slack-token": lambda dice: (
        f"xoxb-{dice.randrange(10**11, 10**12)}-{dice.randrange(10**12)}-{_of(_ALNUM, 24)(dice)}"
    ),
    "stripe-key": _of(_ALNUM, 24, "sk_live_"),
    "npm-token": _of(_ALNUM, 36, "npm_"),
    "pypi-token": _of(_ALNUM, 150, "pypi-AgEIcHlwaS5vcmc"),
    "sendgrid-key": lambda dice: f"SG.{_of(_ALNUM, 22)(dice)}.{_of(_ALNUM, 43)(dice)}",
    "openai-key": _of(_ALNUM, 48, "sk-"),
    "anthropic-key": _of(_ALNUM, 80, "sk-ant-api03-"),
    "huggingface-token": _of(_ALNUM, 34, "hf_"),
    "twilio-key": _of(_HEX, 32, "SK"),
    "telegram-token": lambda dice: f"{dice.randrange(10**8, 10**10)}:{_of(_ALNUM, 35)(dice)}",
    "vault-token": _of(_ALNUM, 24, "hvs."),
    "jwt": _jwt,
}
"""Known by their form, wherever they stand."""
ADDRESSES: dict[str, Maker] = {"email": _email, "ip": _ip, "ip6": _ip6}
NAMED: dict[str, Maker] = {
    "password": _password,
    "hex token": _of(_HEX, 40),
    "base64 secret": lambda dice: base64.b64encode(dice.randbytes(30)).decode(),
    "aws secret": _of(_ALNUM + "+/", 40),
}
"""Known by the name they are given alone."""
KEYS: dict[str, Maker] = {"private-key": _key}

ANYWHERE = (
    'x = "{}"', "x = '{}'", "// was {} before", "# {}", '  "value": "{}",', "x: {}", "call({!r}, 1)", "<b>{}</b>",
    "EXPORT={}", "* @see {} *", "curl -H 'X: {}' $URL", "`{}`",
)  # fmt: skip
NAMES = ("password", "db_password", "client_secret", "AUTH_TOKEN", "apiKey", "api-key", "accessToken", "SECRET_KEY")
ASSIGNED = (
    '{name} = "{}"', "{name} = '{}';", '"{name}": "{}",', "const char *{name} = \"{}\";", "{name} => '{}',",
    "String {name} = \"{}\";", "let {name}: string = `{}`;", "<{name}>{}</{name}>", "{name}: {}", "export {name}={}",
    "self.{name} = '{}'", 'config["{name}"] = "{}"', "{name} := \"{}\"", "#define {name} = \"{}\"",
)  # fmt: skip
WRAPPED = (
    '"""{}"""', "{}", '"{}"', "  {}",
)  # fmt: skip
"""For keys of several lines; `"..."` is written with `\\n`, one literal a line."""


def planted(dice: random.Random) -> tuple[str, str, str]:
    """A kind, a secret of it (of a key: a line of its body), and lines that hold it."""
    kind = dice.choice([*TOKENS, *ADDRESSES, *NAMED, *KEYS])
    if kind in KEYS:
        secret = KEYS[kind](dice)
        text = dice.choice(WRAPPED).replace("{}", secret)
        if text.startswith('"-'):
            text = dice.choice(["\n", "+\n", "\n    "]).join(f'"{line}\\n"' for line in secret.splitlines())
        return kind, secret.splitlines()[1], text
    if kind in NAMED:
        secret = NAMED[kind](dice)
        name = dice.choice(NAMES[:2] if kind == "password" else NAMES[2:])
        return kind, secret, dice.choice(ASSIGNED).replace("{name}", name).replace("{}", secret)
    secret = (TOKENS | ADDRESSES)[kind](dice)
    return kind, secret, dice.choice(ANYWHERE).format(secret)
