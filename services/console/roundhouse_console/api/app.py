"""The console's HTTP application: the gate, the login, the pages."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from nicegui import ui
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from roundhouse_common.runtime import Clock
from roundhouse_common.service.ops import ASGIApp
from roundhouse_console.api.assets import Assets
from roundhouse_console.api.downloads import download_routes
from roundhouse_console.api.framework import ASSETS, CHANGING, close_pages, first_assets, install, own, owns_page
from roundhouse_console.api.gate import Gate
from roundhouse_console.api.login import login_routes
from roundhouse_console.api.uploads import upload_routes
from roundhouse_console.clients.sessions import Sessions
from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.domain.errors import ConsoleError, SignedOut
from roundhouse_console.domain.preferences import preferences_of
from roundhouse_console.kit.here import Here, place
from roundhouse_console.kit.refusals import told_in
from roundhouse_console.kit.shell import frame
from roundhouse_console.pages.every import PAGES
from roundhouse_console.settings import ConsoleSettings

__all__ = ["build_app"]


def build_app(
    sessions: Sessions, settings: ConsoleSettings, *, clock: Clock, token_hex: Callable[[int], str]
) -> tuple[ASGIApp, AbstractAsyncContextManager[Any]]:
    """Return the application, and what must be open while it serves. One per process: NiceGUI's state is global."""
    web = FastAPI(title="Roundhouse console", openapi_url=None, docs_url=None, redoc_url=None)
    web.include_router(login_routes(sessions, settings, token_hex))
    web.include_router(download_routes())
    web.include_router(upload_routes(settings.upload_most_bytes))

    async def root(request: Request) -> Response | None:
        person: SignedIn = request.state.person
        page = ui.context.client
        preferences = preferences_of(request.cookies, request.headers.get("accept-language", ""))
        own(page, person.digest)
        page.page.dark = preferences.is_dark
        page.page.language = "zh-CN" if preferences.language == "zh" else "en-US"
        try:
            me = await person.me()
        except SignedOut:
            await sessions.end(request.state.cookie)
            return RedirectResponse("/login", 303)
        except ConsoleError as error:
            ui.label(told_in(preferences.language, error)).classes("rh-note rh-bad rh-pre").props("role=alert")
            return None
        place(page, Here(person=person, me=me, preferences=preferences, clock=clock, settings=settings))
        frame(PAGES)
        return None

    opened = install(web, root, settings)
    sessions.on_end.append(close_pages)
    assets = Assets(web, ASSETS, but_not=CHANGING)
    gate = Gate(web, sessions, assets, public_url=settings.public_url, token_hex=token_hex, owns_page=owns_page)
    return gate, _warmed(opened, assets)


@asynccontextmanager
async def _warmed(opened: AbstractAsyncContextManager[Any], assets: Assets) -> AsyncIterator[None]:
    """Pack what every first page needs while nobody waits for it."""
    async with opened:
        warming = asyncio.create_task(assets.warm(first_assets()), name="pack the first page's assets")
        try:
            yield
        finally:
            warming.cancel()
