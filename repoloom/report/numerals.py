"""Numbers as a reader wants them: three significant figures, decimal units, minutes instead of seconds."""

import math

_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB"))
_COUNTS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


def significant(value: float, figures: int = 3) -> str:
    """`value` with so many significant figures, never in exponent form: 0.0123, 1.23, 123, 12,300."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    rounded = float(f"{value:.{figures - 1}e}")
    digits = figures - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(digits, 0)}f}"


def size(count: float, figures: int = 3) -> str:
    """Bytes in decimal units: 68.3 MB."""
    for unit, name in _SIZES:
        if count >= unit * 0.9995:
            return f"{significant(count / unit, figures)} {name}"
    return f"{count:,.0f} bytes"


def compact(count: float) -> str:
    """A count in few characters: 4.12M; exact below ten thousand: 9,999."""
    if count < 10_000:
        return f"{count:,.0f}"
    for unit, name in _COUNTS:
        if count >= unit * 0.9995:
            return f"{significant(count / unit)}{name}"
    return f"{count:,.0f}"


def duration(seconds: float) -> str:
    """A time span: 0.4 s, 48 s, 11 min 20 s, 2 h 05 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def percent(share: float) -> str:
    """A share of one as a percentage: 32.8%, and <0.1% for what would read as nothing."""
    if 0 < share < 0.0005:
        return "<0.1%"
    return f"{share * 100:.1f}%" if share < 0.9995 else "100%"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 file`, `2,048 files`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
