"""How a page reports: what went wrong, what was done."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from nicegui import ui

from roundhouse_console.domain.errors import ConsoleError, SignedOut, Unfit
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.refusals import told_in

__all__ = ["attempt", "done", "explain", "failed", "reason"]

T = TypeVar("T")


def done(text: str) -> None:
    """Say that something worked. The text is translated already."""
    ui.notify(text, type="positive", position="bottom", timeout=4000)


def failed(error: ConsoleError) -> None:
    """Say why something did not work; somebody who is signed out is led to the login."""
    if isinstance(error, SignedOut):
        ui.navigate.to("/login")
        return
    ui.notify(explain(error), type="negative", position="bottom", timeout=0, close_button=t("Close"), multi_line=True)


def explain(error: ConsoleError) -> str:
    """Return the whole reason in the page's language, as far as it speaks it: `kit.refusals.told_in`."""
    return told_in(here().preferences.language, error)


def reason(error: ValueError) -> str:
    """Return why what somebody typed does not do, in the page's language."""
    return t(error.text, **error.values) if isinstance(error, Unfit) else str(error)


async def attempt(work: Callable[[], Awaitable[T]], told: str = "") -> T | None:
    """Do what a person asked for. Return its result, or None after saying why it did not work.

    `told`, translated already, is said when it did.
    """
    try:
        result = await work()
    except ConsoleError as error:
        failed(error)
        return None
    if told:
        done(told)
    return result
