"""Cards that each lead to a page."""

from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui

from roundhouse_console.kit.data import put_data

__all__ = ["Card", "cards"]

Card = dict[str, Any]
"""`id, href, title, sub, icon`; `facts` of `name, value`; `badges` of `text, tone, why`; `links` of `text, href`."""


class _Cards(ui.element, component="cards.js"):
    """Draws `cards`."""


def cards() -> Callable[[Sequence[Card]], None]:
    """Make a grid of cards and return what puts cards into it."""
    made = _Cards()
    made.props["cards"] = []

    def put(found: Sequence[Card]) -> None:
        put_data(made, cards=list(found))

    return put
