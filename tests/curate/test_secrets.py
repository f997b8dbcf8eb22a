import ast
import json
import random
import re
import sys
from pathlib import Path
from unittest import mock

import pytest
from curated import SITE

from repoloom.curate import secrets
from repoloom.curate.secrets import redact, redact_batch
from repoloom.curate.secrets.placeholder import placeholder
from repoloom.curate.secrets.prefilter import Line, candidates

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from planted_secrets import planted

GITHUB = "ghp_a8Kd93jfLsP02mZqXc7VbN5tRyUwEi4oHg1T"
KEY = "MIIEpAIBAAKCAQEA75Fy8D0XjUL6CMBiVNGE0zX5Mq8cbCkqkX5E0zkBCkwD3Hcz"


def every_line(texts):
    for number, text in enumerate(texts):
        place = 0
        for line in text.split(b"\n"):
            yield Line(number, place, place + len(line))
            place += len(line) + 1


def sources(megabytes, suffix=".py"):
    found, size = [], 0
    for path in sorted((SITE / "sympy").rglob(f"*{suffix}")):
        text = path.read_text("utf-8", "replace")
        found.append(text)
        size += len(text)
        if size > megabytes * 1e6:
            break
    return found


def test_the_prefilter_loses_nothing():
    dice = random.Random(7)
    lines = [line for text in sources(0.5) for line in text.splitlines()]
    texts = []
    for _ in range(300):
        parts = [dice.choice(lines) for _ in range(9)] + [planted(dice)[2] for _ in range(5)]
        dice.shuffle(parts)
        texts.append("\n".join(parts))
    found = redact_batch(texts)
    with mock.patch.object(secrets, "candidates", every_line):
        assert redact_batch(texts) == found
    assert sum(sum(one.counts.values()) for one in found) > 1000


def test_what_is_planted_goes():
    dice = random.Random(3)
    missed = []
    cases = [planted(dice) for _ in range(4000)]
    for (kind, secret, text), one in zip(cases, redact_batch([text for *_, text in cases]), strict=True):
        if secret in one.text:
            missed.append((kind, text))
    assert len(missed) < 0.02 * len(cases), missed[:20]
    assert not [text for kind, text in missed if kind in {"aws-key", "github-token", "private-key", "email", "jwt"}]


def test_twice_is_once():
    dice = random.Random(5)
    texts = [planted(dice)[2] for _ in range(2000)]
    once = [one.text for one in redact_batch(texts)]
    assert [one.text for one in redact_batch(once)] == once


def test_a_batch_is_its_texts():
    dice = random.Random(6)
    texts = ["", "\n", *(planted(dice)[2] for _ in range(60)), "", "x" * 100, "\n\n", "a@b.org"]
    assert redact_batch(texts) == [redact(text) for text in texts]
    assert redact_batch([]) == []


@pytest.mark.parametrize(
    "text",
    [
        "mail me@example.com, x@test.example.org, git@github.com:owner/name", "@app.route('/x')", "this@Main.run()",
        "icon@2x.png", "npm i react@18.2.0 @types/node@20.1.1", "call foo@GLIBC_2.2.5 bar@PLT",
        "127.0.0.1 10.1.2.3 192.168.77.1 172.16.5.4 0.0.0.0 255.255.255.0 224.0.0.251 198.51.100.7 203.0.113.9",
        "8.8.8.8 1.1.1.1 9.9.9.9 208.67.222.222 2001:4860:4860::8888", "version 91.0.44.124", "v1.2.3.4 1.2.3.4",
        "Chrome/91.0.172.124", "1.3.6.1.4.1.311.2", "2001:db8::1 fe80::1 ::1", "93.184.216.0/24", "999.1.2.3",
        "2024:01:02 11:22:33:44:55:66", 'sha = "da39a3ee5e6b4b0d3255bfef95601890afd80709"',
        'integrity "sha512-9Qq+a8Kd93jfLsP02mZqXc7VbN5tRyUwEi4oHg1TzzzA8Kd93jfLsP02mZqXc7V=="',
        "id = '123e4567-e89b-12d3-a456-426614174000'", "AKIAIOSFODNN7EXAMPLE", 'password = "password123"',
        'password = "changeme"', 'password = "${DB_PASSWORD}"', "password = os.environ['DB_PASSWORD_1']",
        'token = "next_page_token_1"', "api_key = config.get_api_key_v2()", 'label = "Enter your password:"',
        "PublicKeyToken=b77a5c561934e089", 'password: "{{ vault_password_1 }}"', "postgres://user:password@localhost/x",
        "https://host.com:8080/a@b", '"secret_key": "your-secret-key-123456"', "if '-----BEGIN PRIVATE KEY-----' in x:",
        "-----BEGIN PUBLIC KEY-----\n" + KEY + "\n-----END PUBLIC KEY-----",
        "ghp_your_token_here_xxxxxxxxxxxxxxxxxxxxxx",
        "sk-learn-compatible-estimators-are-great-for-everyone-and-more", "tokens: int = tokenizer.max_length",
    ],
)  # fmt: skip
def test_what_only_looks_like_one_stays(text):
    assert redact(text).text == text
    assert redact(text).counts == {}


def test_real_code_that_holds_no_secret_stays():
    """pip's own sources: addresses of people in comments, and no key."""
    counts = [one.counts for one in redact_batch(sources(10))]
    assert {kind for each in counts for kind in each} <= {"email", "ip", "password"}
    assert sum(each.get("password", 0) + each.get("ip", 0) for each in counts) < 10


def test_programs_still_parse():
    python = f"a = \"{GITHUB}\"\nb = '''-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----'''\n"
    python += f'c = ("-----BEGIN EC PRIVATE KEY-----\\n"\n  "{KEY}\\n"\n  "{KEY}\\n"\n  "ab==\\n"\n  "-----END EC")\n'
    python += 'd = b"anna@gmail.com" # 93.184.216.34\ne = {"password": "k9!fTzq2Lw"}\n'
    found = redact(python)
    assert found.counts == {"email": 1, "github-token": 1, "ip": 1, "private-key": 2, "secret": 1}
    assert KEY not in found.text and GITHUB not in found.text
    values = {}
    exec(compile(ast.parse(found.text), "", "exec"), values)
    assert values["b"].count("\n") == 2 and values["c"].count("\n") == 2
    assert re.fullmatch(rb"user-[0-9a-f]{8}@example\.com", values["d"])
    as_json = json.dumps(
        {"key": f"-----BEGIN RSA PRIVATE KEY-----\n{KEY}\n{KEY}\nA==\n-----END RSA PRIVATE KEY-----\n"}
    )
    key = json.loads(redact(as_json).text)["key"]
    assert re.fullmatch(
        r"-----BEGIN RSA PRIVATE KEY-----\nREDACTED_PRIVATE_KEY_\w{8}\n-----END RSA PRIVATE KEY-----\n", key
    )


def test_placeholders_are_stable_and_keyed():
    text = f"{GITHUB} Anna@gmail.com anna@gmail.com bob@gmail.com"
    first, second, third, fourth = redact(text).text.split()
    assert second == third != fourth
    assert redact(text).text.split() == [first, second, third, fourth]
    assert redact(text, b"salt").text.split()[0] != first
    many = {placeholder("email", f"user{n}@gmail.com".encode()) for n in range(20_000)}
    assert len(many) >= 19_999


@pytest.mark.parametrize(
    "text",
    [
        "@" * 10_000_000, "a@" * 2_000_000, "a" * 5_000_000 + "@b.com", "a.b-" * 1_000_000 + "@x",
        "a@" + "b." * 1_000_000,
        "deadbeef" * 600_000, "-----BEGIN PRIVATE KEY-----" * 100_000, "-----BEGIN PRIVATE KEY-----\n" + KEY * 30_000,
        "-----BEGIN PRIVATE KEY-----" + "\\n" * 1_000_000, "eyJ" * 1_000_000, "eyJhbGciOiJIUzI1NiJ9.eyJ" * 100_000,
        "password" * 300_000, "password = '" * 200_000, "password=" + "x" * 2_000_000, "token:" * 300_000 + "'",
        "://" * 500_000, "://a:" * 300_000, "1.2.3.4." * 300_000, "93.184.216.34 " * 100_000, "2001:" * 400_000,
        "sk-" * 700_000, "xoxb-1-" * 300_000, "AC" + "a" * 2_000_000, "Authorization: Bearer " * 100_000,
        "PRIVATE KEY-----" + " Aaa: x" * 300_000, "aws_key" * 300_000, "\x00" * 2_000_000, "é" * 1_000_000 + "@é.com",
        "<password>" * 200_000, "glpat-" * 400_000, "0" * 2_000_000 + ":", "- password" * 200_000,
        "_" * 2_000_000 + "token",
    ],
    ids=lambda text: f"{text[:24]!a}"[1:-1],
)  # fmt: skip
@pytest.mark.timeout(120)  # a quadratic one would take hours
def test_hostile_text_is_linear(text):
    redact(text)


def test_unicode():
    text = "# Jürgen <jürgen@gmail.com> 日本語 user@正.com \ud800 a@b.org\u2028x"
    found = redact(text)
    assert "jürgen@" not in found.text and "a@b.org" not in found.text
    assert "日本語" in found.text and "\ud800" in found.text and "\u2028x" in found.text


def test_lines_are_where_they_are_said_to_be():
    texts = [b"a@b.org", b"", b"x\n\nc@d.org\r\n", b"\n", b"e@f.org"]
    found = [(line.text, texts[line.text][line.start : line.end]) for line in candidates(texts)]
    assert found == [(0, b"a@b.org"), (2, b"c@d.org\r"), (4, b"e@f.org")]
