"""Keys, tokens, passwords, private keys, e-mail and public IP addresses, replaced by stable placeholders.

One pass of RE2 over all lines (`prefilter`) finds the few in a thousand that may hold something; the detectors see only
those. A detector is a row of data: a pattern in plain regular syntax, which is also what the prefilter looks for, and a
check that tells a secret from what merely looks like one. docs/privacy.md says what is kept and why, and how often
either goes wrong.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from repoloom.curate.secrets import keys
from repoloom.curate.secrets.detectors import detectors
from repoloom.curate.secrets.placeholder import placeholder
from repoloom.curate.secrets.prefilter import Line, candidates


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without its secrets, and how many of each kind (`email`, `ip`, `github-token`, ...) it held."""

    text: str
    counts: dict[str, int]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One secret: `data[start:end]`. Of two that overlap the earlier holds, then the detector of lower rank."""

    start: int
    end: int
    rank: int
    kind: str


def redact(text: str, salt: bytes = b"") -> Redacted:
    """`redact_batch` of one text; a text alone costs about 0.1 ms more than its share of a batch."""
    return redact_batch([text], salt)[0]


def redact_batch(texts: Sequence[str], salt: bytes = b"") -> list[Redacted]:
    """Each text with its secrets replaced. `salt` (at most 64 bytes) keys the placeholders, see `placeholder`.

    Linear in the text, whatever it holds. What was redacted once stays as it is.
    """
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    found: dict[int, list[Finding]] = {}
    for line in candidates(encoded):
        found.setdefault(line.text, []).extend(_findings(encoded[line.text], line))
    return [
        _replaced(encoded[n], found[n], salt) if found.get(n) else Redacted(text, {}) for n, text in enumerate(texts)
    ]


def _findings(data: bytes, line: Line) -> list[Finding]:
    found = [Finding(start, end, -1, "private-key") for start, end in keys.blocks(data, line.start, line.end)]
    lower = data[line.start : line.end].lower()
    for rank, detector in enumerate(detectors()):
        if any(word in lower for word in detector.needs):
            found += [
                Finding(*match.span("secret"), rank, detector.kind)
                for match in detector.pattern.finditer(data, line.start, line.end)
                if b"REDACTED_" not in match["secret"] and detector.accepts(match)
            ]
    return found


def _replaced(data: bytes, found: list[Finding], salt: bytes) -> Redacted:
    pieces: list[bytes] = []
    counts: Counter[str] = Counter()
    place = 0
    for finding in sorted(found, key=lambda f: (f.start, f.rank, -f.end)):
        if finding.start >= place:
            pieces += [data[place : finding.start], placeholder(finding.kind, data[finding.start : finding.end], salt)]
            counts[finding.kind] += 1
            place = finding.end
    pieces.append(data[place:])
    return Redacted(b"".join(pieces).decode("utf-8", "surrogatepass"), dict(sorted(counts.items())))
