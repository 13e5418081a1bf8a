"""Numbers and sizes as the window writes them."""

from __future__ import annotations

_THIN = "\u202f"
"""A narrow space that does not break, between groups of three digits."""


def number(value: int) -> str:
    """`1 187 840`."""
    return f"{value:,}".replace(",", _THIN)


def size(count: float) -> str:
    """Bytes in the unit that leaves one to three digits before the point: `4.6 MB`, `0.54 GB` from half a GB on."""
    if count >= 0.1e9:
        return f"{count / 1e9:.2f} GB" if count < 99e9 else f"{count / 1e9:.0f} GB"
    if count >= 0.1e6:
        return f"{count / 1e6:.1f} MB"
    return f"{count / 1e3:.1f} kB" if count else "0"


def short(value: float) -> str:
    """A count in a few characters: `135 M`, `7.2 B`, `49 k`."""
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            scaled = value / unit
            return f"{scaled:.1f} {name}" if scaled < 10 else f"{scaled:.0f} {name}"
    return f"{value:g}"


def plural(value: int, one: str, many: str = "") -> str:
    """`1 matrix`, `56 matrices`."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def share(part: float, whole: float) -> str:
    """`0.88 %`; more digits where there is less."""
    value = 100 * part / whole if whole else 0.0
    return f"{value:.0f} %" if value >= 10 else f"{value:.2f} %" if value >= 0.01 or not value else f"{value:.4f} %"


def clock(seconds: float) -> str:
    """`0:41`, `12:07`, `3:05:00`."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
