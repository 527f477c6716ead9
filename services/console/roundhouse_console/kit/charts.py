"""Curves and bars: hover shows values, a click in the legend hides a series."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import nicegui
from nicegui import ui

from roundhouse_console.domain.times import zone_offset_s
from roundhouse_console.kit.data import put_data
from roundhouse_console.kit.here import here

__all__ = ["Format", "Series", "chart"]

Point = tuple[float, float | None]
"""Seconds since 1970, and a value or None where there is none."""
Format = Literal["", "count", "bytes", "percent", "ms", "money"]
"""How values are written: as they are with their unit, or by `FORMATS` in `chart.js` (a share of 1, nano-units)."""
_COLOURS: Final = ("#0f9d8a", "#e08a1e", "#5b7bd5", "#c2498f", "#7a9a2b", "#a05a2c", "#6f5bd0", "#3a8fb7")
_TEXT: Final = "#8592a0"
_LINE: Final = "rgba(133,146,160,0.25)"
_ECHARTS: Final = str(Path(nicegui.__file__).parent / "elements" / "echart" / "dist")


@dataclass(frozen=True, slots=True)
class Series:
    """One curve."""

    name: str
    points: Sequence[Point]


class _Chart(ui.element, component="chart.js", esm={"nicegui-echart": _ECHARTS}):
    """Draws `series` with `options`; both are data."""


def chart(
    label: str,
    *,
    kind: Literal["line", "bar", "area"] = "line",
    form: Format = "",
    unit: str = "",
    height_px: int = 220,
    is_stacked: bool = False,
    most: float | None = None,
) -> Callable[[Sequence[Series]], None]:
    """Make a chart over time and return what puts series into it. `label` names it for screen readers.

    `most` is the end of the axis where it is known, e.g. all cores.
    """
    made = _Chart().classes("rh-chart").style(f"height:{height_px}px").props("role=img")
    made.props["aria-label"] = label
    made.props["format"] = form
    made.props["unit"] = unit
    made.props["series"] = []
    made.props["options"] = _options(most, has_legend=False, is_count=form == "count")
    tz = here().preferences.tz

    def put(found: Sequence[Series]) -> None:
        made.props["options"] = _options(most, has_legend=len(found) > 1, is_count=form == "count")
        series = [
            {
                **_style(kind, is_stacked=is_stacked),
                "name": one.name,
                "showSymbol": sum(value is not None for _, value in one.points) < 2,
                # ECharts knows the browser's zone and UTC only: what it takes for UTC is the person's own time.
                "data": [[(at + zone_offset_s(at, tz)) * 1000, value] for at, value in one.points],
            }
            for one in found
        ]
        put_data(made, series=series)

    return put


def _style(kind: str, *, is_stacked: bool) -> dict[str, Any]:
    style: dict[str, Any] = {"type": "bar" if kind == "bar" else "line", "connectNulls": False, "barMaxWidth": 26}
    style["lineStyle"] = {"width": 1.8}
    if kind == "area":
        style["areaStyle"] = {"opacity": 0.18}
    if is_stacked:
        style["stack"] = "all"
    return style


def _options(most: float | None, *, has_legend: bool, is_count: bool) -> dict[str, Any]:
    text, line = {"color": _TEXT}, {"lineStyle": {"color": _LINE}}
    axis: dict[str, Any] = {"axisLabel": {**text, "hideOverlap": True}, "axisLine": line}
    return {
        "color": list(_COLOURS),
        "animation": False,
        "useUTC": True,
        "grid": {"left": 8, "right": 16, "top": 34 if has_legend else 14, "bottom": 4, "containLabel": True},
        "legend": {"type": "scroll", "top": 0, "show": has_legend, "textStyle": text, "pageTextStyle": text},
        "tooltip": {"trigger": "axis", "confine": True, "renderMode": "richText"},
        "xAxis": {"type": "time", **axis},
        "yAxis": {"type": "value", **axis, "splitLine": line, "max": most, "minInterval": 1 if is_count else 0},
        "series": [],
    }
