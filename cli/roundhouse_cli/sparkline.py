"""A curve in one line of text."""

from collections.abc import Mapping

__all__ = ["sparkline"]

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(points: Mapping[int, float], *, since: int, until: int, step_s: int, top: float) -> str:
    """Draw one character for each step; a step without a point is a space. `top` is what fills a whole character."""
    begin, end = since // step_s * step_s, until
    return "".join(_bar(points.get(at), top) for at in range(begin, end, step_s))


def _bar(value: float | None, top: float) -> str:
    if value is None:
        return " "
    share = min(max(value / top, 0.0), 1.0) if top > 0 else 0.0
    return _BARS[min(int(share * len(_BARS)), len(_BARS) - 1)]
