"""Pages by path, each with what somebody must be permitted to see it."""

import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from roundhouse_common.service.logging import get_logger
from roundhouse_console.domain.errors import ConsoleError, SignedOut
from roundhouse_console.kit.here import Here, here, t
from roundhouse_console.kit.panels import empty, error_note, note, page_head

__all__ = ["Page", "allowed_pages", "guarded"]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page. `build` gets the parameters of its path by name, and those of the query it asks for."""

    path: str
    """As NiceGUI's sub pages have it, e.g. `/deployments/{deployment_id}`."""
    title: str
    build: Callable[..., Awaitable[None]]
    icon: str = ""
    """Of its entry in the navigation; empty: it has none."""
    needs: str = ""
    """The action that must be permitted, in the tenant or in any project; empty: everybody's."""
    is_for_operators: bool = False
    """Whether standard users do not get it, whatever they may read by API."""


def allowed_pages(pages: Sequence[Page], found: Here) -> list[Page]:
    """Return the pages that the person may see, in their order."""
    return [page for page in pages if _is_allowed(page, found)]


def guarded(page: Page) -> Callable[..., Awaitable[None]]:
    """Return the page's builder, refusing whom it is not for and saying what goes wrong."""

    @functools.wraps(page.build)
    async def shown(**parameters: Any) -> None:  # Any: what the path says
        ui.page_title(f"{t(page.title)} · Roundhouse")
        _mark_current(page)
        if not _is_allowed(page, here()):
            with page_head(t(page.title)):
                pass
            empty(
                t(
                    "Your role does not include this page. Ask an administrator of {tenant}.",
                    tenant=here().me.tenant_name,
                ),
                icon="lock",
            )
            return
        try:
            await page.build(**parameters)
        except SignedOut:
            ui.navigate.to("/login")
        except ConsoleError as error:
            if not ui.context.slot.children:  # nothing was asked for yet: a page without a heading has no name
                with page_head(t(page.title)):
                    pass
            error_note(error, ui.context.client.sub_pages_router.refresh)
        except Exception as error:  # noqa: BLE001 - a page with a defect says so; the frame and the other pages go on
            _log.error("page_failed", page=page.path, error=repr(error), exc_info=error)
            note(t("This page has a defect; the console's log says more."), "bad", icon="bug_report")

    shown.__signature__ = inspect.signature(page.build)  # type: ignore[attr-defined]  # how NiceGUI sees parameters
    return shown


def _is_allowed(page: Page, found: Here) -> bool:
    if page.is_for_operators and not found.me.is_operator:
        return False
    return not page.needs or found.me.may_anywhere(page.needs)


def _mark_current(page: Page) -> None:
    base = "/" + page.path.strip("/").partition("/")[0]
    ui.run_javascript(f"roundhouseCurrent({base!r})")
