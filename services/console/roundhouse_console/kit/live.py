"""Values that follow the truth while a page is open."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from nicegui import ui

from roundhouse_console.domain.errors import ConsoleError, SignedOut
from roundhouse_console.kit.here import here
from roundhouse_console.kit.panels import error_note

__all__ = ["follow", "once"]

T = TypeVar("T")
_UNSEEN: Final = object()


async def follow(
    ask: Callable[[], Awaitable[T]], build: Callable[[], Callable[[T], None]], *, every_s: float | None = None
) -> Callable[[], Awaitable[None]]:
    """Ask now and again and again, and show each answer that differs from the last.

    `build` makes the elements, once, and returns what puts an answer into them. An answer that does not come shows as a
    note above what was shown last; the rest of the page goes on. Returns what asks at once, e.g. after a change.
    """
    interval = every_s or here().settings.live_every_s
    with ui.element("div").classes("rh-live"):
        trouble = ui.element("div")
        holder = ui.element("div").classes("rh-live")
    shown: object = _UNSEEN
    put: Callable[[T], None] | None = None
    said = ""
    asking = asyncio.Lock()

    async def look() -> None:
        nonlocal shown, put, said
        if asking.locked() or _is_gone(holder):
            return
        async with asking:
            try:
                answer = await ask()
            except SignedOut:
                ui.navigate.to("/login")
                return
            except ConsoleError as error:
                if str(error) != said and not trouble.is_deleted:
                    said = str(error)
                    trouble.clear()
                    with trouble:
                        error_note(error, look)
                return
            if _is_gone(holder):
                return
            if said:
                said = ""
                trouble.clear()
            if answer == shown:
                return
            shown = answer
            with holder:
                if put is None:
                    put = build()
                put(answer)

    await look()
    if not holder.is_deleted:
        with holder:
            ui.timer(interval, look, immediate=False)
    return look


async def once(ask: Callable[[], Awaitable[T]], build: Callable[[T], object]) -> T | None:
    """Ask and show the answer; what does not come shows as a note with a way to try again."""
    holder = ui.element("div").classes("rh-live")

    async def look() -> T | None:
        try:
            answer = await ask()
        except SignedOut:
            ui.navigate.to("/login")
            return None
        except ConsoleError as error:
            if not holder.is_deleted:
                holder.clear()
                with holder:
                    error_note(error, look)
            return None
        if not holder.is_deleted:
            holder.clear()
            with holder:
                made = build(answer)
                if asyncio.iscoroutine(made):
                    await made
        return answer

    return await look()


def _is_gone(element: ui.element) -> bool:
    """Say whether the page went on while an answer was awaited."""
    return element.is_deleted
