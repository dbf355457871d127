"""How numbers are written: no more digits than the standard error supports, p never 0, a true minus sign."""

import math
from collections.abc import Sequence

from reports.stats import Interval

MINUS = "\u2212"
FIGURE_SPACE = "\u2007"
"""As wide as a digit: pads columns so that decimal points stand under each other."""
POINT_SPACE = "\u2008"
"""As wide as a full stop."""
NONE = "\u2013"
"""What a table cell shows when there is no number."""


def decimals(se: float, most: int = 6) -> int:
    """Decimals that leave two significant digits of a standard error."""
    if not math.isfinite(se) or se <= 0:
        return min(2, most)
    return min(most, max(0, 1 - math.floor(math.log10(se))))


def fixed(x: float, places: int, *, plus: bool = False) -> str:
    """A number with that many decimals, thousands grouped; a dash when it is no number."""
    if not math.isfinite(x):
        return NONE if math.isnan(x) else (MINUS if x < 0 else "") + "\u221e"
    text = f"{abs(x):,.{places}f}"
    if float(text.replace(",", "")) == 0:
        return text
    return (MINUS if x < 0 else "+" if plus else "") + text


def interval(ends: Interval, places: int, factor: float = 1.0) -> str:
    """``[low, high]``, each end times ``factor``."""
    return f"[{fixed(factor * ends.low, places)}, {fixed(factor * ends.high, places)}]"


def p_value(p: float) -> str:
    """``.004``, or ``< .001``; never 0 and never 1.000."""
    if math.isnan(p):
        return NONE
    if p < 0.001:
        return "< .001"
    return "1" if p > 0.9995 else f"{p:.3f}".lstrip("0")


def p_equation(name: str, p: float) -> str:
    """``name = .004`` or ``name < .001``."""
    text = p_value(p)
    return f"{name} {text}" if text.startswith("<") else f"{name} = {text}"


def compact(x: float) -> str:
    """Three significant digits with k, M, G or T: ``1.54k``, ``6.00M``; whole numbers below a thousand stay whole."""
    if not math.isfinite(x):
        return NONE
    size = abs(x)
    for scale, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= scale * 0.9995:
            return fixed(x / scale, max(0, 2 - math.floor(math.log10(size / scale) + 1e-3)), plus=False) + suffix
    if x == round(x):
        return fixed(x, 0)
    return fixed(x, decimals(size / 10)) if size < 1 else fixed(x, max(0, 2 - math.floor(math.log10(size))))


def duration(seconds: float) -> str:
    """Seconds as ``45 s``, ``12 min`` or ``3.4 h``."""
    if not math.isfinite(seconds):
        return NONE
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if seconds < 600:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def plural(count: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def align(column: Sequence[str]) -> list[str]:
    """Pad on the right with spaces as wide as digits, so that right-aligned decimal points stand under each other."""
    tails = [len(text.rpartition(".")[2]) if "." in text else -1 for text in column]
    longest = max(tails, default=-1)
    return [
        text + (POINT_SPACE if tail < 0 <= longest else "") + FIGURE_SPACE * (longest - max(tail, 0))
        if text not in ("", NONE) and longest >= 0
        else text
        for text, tail in zip(column, tails, strict=True)
    ]
