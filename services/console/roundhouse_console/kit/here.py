"""What the code of a page knows of where it runs: who looks, in which language, in which time zone."""

from contextvars import ContextVar
from dataclasses import dataclass

from nicegui import Client, ui

from roundhouse_common.runtime import Clock
from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.domain.me import Me
from roundhouse_console.domain.preferences import Preferences
from roundhouse_console.domain.times import moment, since
from roundhouse_console.domain.words import translated
from roundhouse_console.settings import ConsoleSettings
from roundhouse_console.words import CHINESE

__all__ = ["Here", "ago", "at_time", "here", "place", "t"]

_NAME = "here"
_LAST: "ContextVar[Here]" = ContextVar("here")


@dataclass(slots=True)
class Here:
    """One open page of a browser."""

    person: SignedIn
    me: Me
    preferences: Preferences
    clock: Clock
    settings: ConsoleSettings

    def may(self, action: str, project_id: str = "") -> bool:
        return self.me.may(action, project_id)


def place(client: Client, found: Here) -> None:
    """Tie what is known to the page, before anything is built on it."""
    client.storage[_NAME] = found


def here() -> Here:
    """Return what is known of the page whose code runs. Raises LookupError outside of pages.

    NiceGUI knows the page by the task, so tasks that `asyncio.gather` makes do not: they inherit what the task that
    made them was told last.
    """
    try:
        found: Here = ui.context.client.storage[_NAME]
    except RuntimeError:
        return _LAST.get()
    _LAST.set(found)
    return found


def t(text: str, /, **values: object) -> str:
    """Return the text in the page's language, with `{name}` replaced."""
    return translated(text, here().preferences.language, CHINESE, **values)


def at_time(at: float) -> str:
    """Return a time in the person's time zone."""
    return moment(at, here().preferences.tz)


def ago(at: float) -> str:
    """Return how long ago something was, e.g. `3 min ago`."""
    return t("{span} ago", span=since(at, here().clock.now()))
