"""The fleet as a map."""

from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui

from roundhouse_console.kit.data import put_data

__all__ = ["fleet"]


class _Fleet(ui.element, component="fleet.js"):
    """Draws `regions`; see `domain.nodes.regions_of`."""


def fleet() -> Callable[[Sequence[dict[str, Any]]], None]:
    """Make a map and return what puts regions into it. Any: rows of data for the browser."""
    made = _Fleet()
    made.props["regions"] = []

    def put(regions: Sequence[dict[str, Any]]) -> None:
        put_data(made, regions=list(regions))

    return put
