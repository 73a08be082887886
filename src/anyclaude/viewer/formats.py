"""Numbers, times and words as the pages show them: short, and the same everywhere."""

from datetime import datetime
from typing import Final

NONE: Final = "\N{EN DASH}"
"""In place of what a record does not say."""

_UNITS: Final = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


def count(number: float | None) -> str:
    """18204 as 18,204."""
    return NONE if number is None else f"{number:,.0f}"


def short(number: float | None) -> str:
    """18204 as 18.2k."""
    if number is None:
        return NONE
    for unit, name in _UNITS:
        if number >= 0.9995 * unit:
            return f"{number / unit:.3g}{name}"
    return f"{number:.0f}"


def size(number: float | None) -> str:
    """Bytes: 18204 as 18.2 kB."""
    if number is None:
        return NONE
    told = short(number)
    return f"{told[:-1]} {told[-1]}B" if told[-1] in "kMG" else f"{told} B"


def duration(ms: float | None) -> str:
    """Milliseconds as 840 ms, 3.2 s, 2 min 05 s, 1 h 03 min."""
    if ms is None:
        return NONE
    if ms < 999.5:
        return f"{ms:.0f} ms"
    if ms < 59_950:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02d} min" if hours else f"{minutes} min {seconds:02d} s"


def money(dollars: float | None) -> str:
    """US dollars, with as many digits as say something."""
    if dollars is None:
        return NONE
    return f"${dollars:.2f}" if dollars >= 1 or dollars == 0 else f"${dollars:.4f}"


def share(part: float | None, whole: float | None) -> str:
    """A part of a whole as 93%. Only the whole is 100%."""
    if part is None or not whole:
        return NONE
    percent = 100 * part / whole
    return f"{min(percent, 99) if part < whole else percent:.0f}%"


def day(at: float | None) -> str:
    """Seconds since 1970 as 23 Nov 2026, here."""
    return NONE if at is None else f"{_local(at):%d %b %Y}".lstrip("0")


def clock(at: float | None) -> str:
    """Seconds since 1970 as 21:04:11, here."""
    return NONE if at is None else f"{_local(at):%H:%M:%S}"


def when(at: float | None) -> str:
    """Day and minute."""
    return NONE if at is None else f"{day(at)}, {_local(at):%H:%M}"


def iso(at: float | None) -> str:
    """For machines."""
    return "" if at is None else _local(at).isoformat(timespec="seconds")


def plural(number: int, one: str, many: str | None = None) -> str:
    """`1 turn`, `2,048 turns`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def _local(at: float) -> datetime:
    return datetime.fromtimestamp(at).astimezone()
