"""How a page reports: what went wrong, what was done."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from nicegui import ui

from roundhouse_console.domain.errors import ConsoleError, Refused, SignedOut, Unfit, Unreachable
from roundhouse_console.kit.here import t

__all__ = ["attempt", "done", "explain", "failed", "reason"]

T = TypeVar("T")
_CHANGED_SINCE: Final = 412


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
    """Return the whole reason as text, with the fields at fault and what support is asked for."""
    if isinstance(error, Unreachable):
        return t("The {service} does not answer. What it shows is missing until it is back.", service=error.service)
    if not isinstance(error, Refused):
        return t(str(error))
    if error.status == _CHANGED_SINCE:
        return t(
            "Somebody else changed this since you opened it. Nothing was saved: load the page again, then change it."
        )
    lines = [str(error), *(f"{one.field}: {one.message}" for one in error.faults if one.message not in str(error))]
    if error.status >= 500 and error.request_id:
        lines.append(t("Request {id}", id=error.request_id))
    return "\n".join(lines)


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
