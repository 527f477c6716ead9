"""Signing in and out: plain forms that need no script, so that they work everywhere and at once."""

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import httpx
from fastapi import APIRouter, Form, Request
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.responses import HTMLResponse, RedirectResponse, Response

from roundhouse_console.api.cookies import clear_cookie, language_of, set_cookie
from roundhouse_console.clients.sessions import Sessions
from roundhouse_console.domain.errors import ConsoleError, Refused
from roundhouse_console.domain.preferences import preferences_of
from roundhouse_console.domain.security import safe_next
from roundhouse_console.domain.words import LANGUAGES, translated
from roundhouse_console.kit.own_files import OWN_FILES_URL
from roundhouse_console.kit.refusals import told_in
from roundhouse_console.settings import ConsoleSettings
from roundhouse_console.words import CHINESE

__all__ = ["login_routes"]

_PASSWORD_CHANGE: Final = "password_change_required"
_FLOW: Final = "roundhouse_login"
"""The cookie that ties a login at an identity provider to the browser that began it."""
_FLOW_S: Final = 600
Field = Annotated[str, Form(max_length=1024)]


class _Pages:
    """The two forms."""

    def __init__(self) -> None:
        folder = Path(__file__).parent.parent / "templates"
        self._found = Environment(loader=FileSystemLoader(folder), autoescape=select_autoescape(["html"]))

    def show(self, template: str, request: Request, status: int = 200, **values: object) -> HTMLResponse:
        preferences = preferences_of(request.cookies, request.headers.get("accept-language", ""))

        def t(text: str, **parts: object) -> str:
            return translated(text, preferences.language, CHINESE, **parts)

        html = self._found.get_template(template).render(
            t=t, preferences=preferences, languages=LANGUAGES, nonce=request.state.nonce, own=OWN_FILES_URL, **values
        )
        return HTMLResponse(html, status, {"cache-control": "no-store"})


def login_routes(sessions: Sessions, settings: ConsoleSettings, token_hex: Callable[[int], str]) -> APIRouter:
    """Return the pages of people who are not signed in, and what signs them out."""
    router = APIRouter()
    pages = _Pages()

    async def form(
        request: Request, status: int = 200, *, error: str = "", name: str = "", onward: str = "/"
    ) -> Response:
        providers: list[str] = []
        try:
            providers = (await sessions.logins.options())["oidc"]
        except ConsoleError as problem:
            error = error or _told(request, problem)
        return pages.show("login.html", request, status, error=error, name=name, onward=onward, providers=providers)

    async def enter(request: Request, kept: Any, onward: str) -> Response:  # Any: Kept
        if request.state.cookie:
            await sessions.end(request.state.cookie)  # a session from before must not go on under the new one
        answer = RedirectResponse(safe_next(onward), 303)
        set_cookie(answer, request, await sessions.begin(kept))
        return answer

    @router.get("/login")
    async def show_login(request: Request, next: str = "/") -> Response:  # noqa: A002 - the name in the URL
        if request.state.person is not None:
            return RedirectResponse(safe_next(next), 303)
        return await form(request, onward=safe_next(next))

    @router.post("/login")
    async def log_in(request: Request, name: Field = "", password: Field = "", onward: Field = "/") -> Response:
        try:
            kept = await sessions.logins.start(name, password, "", _browser(request))
        except Refused as error:
            if error.code == _PASSWORD_CHANGE:
                return pages.show("password.html", request, name=name, onward=safe_next(onward), error="")
            return await form(request, error.status, error=_told(request, error), name=name, onward=safe_next(onward))
        except ConsoleError as error:
            return await form(request, 503, error=_told(request, error), name=name, onward=safe_next(onward))
        return await enter(request, kept, onward)

    @router.post("/password")
    async def change_password(
        request: Request,
        name: Field = "",
        password: Field = "",
        new_password: Field = "",
        repeated: Field = "",
        onward: Field = "/",
    ) -> Response:
        def again(error: str, status: int) -> Response:
            return pages.show("password.html", request, status, name=name, onward=safe_next(onward), error=error)

        if new_password != repeated:
            return again("The two new passwords differ.", 422)
        try:
            await sessions.logins.change_password(name, password, new_password, _browser(request))
            kept = await sessions.logins.start(name, new_password, "", _browser(request))
        except Refused as error:
            told = "; ".join(one.message for one in error.faults)
            return again(told or _told(request, error), error.status)
        except ConsoleError as error:
            return again(_told(request, error), 503)
        return await enter(request, kept, onward)

    @router.post("/logout")
    async def log_out(request: Request) -> Response:
        await sessions.end(request.state.cookie)
        answer = RedirectResponse("/login", 303)
        clear_cookie(answer)
        return answer

    @router.get("/login/with/{provider}")
    async def begin_at_provider(request: Request, provider: str, next: str = "/") -> Response:  # noqa: A002
        verifier, state = token_hex(32), token_hex(16)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {"redirect_uri": _callback(request, settings), "state": state, "code_challenge": challenge}
        base = settings.catalog_public_url or settings.catalog_url
        path = f"/api/v1/login/oidc/{httpx.URL('/' + provider).raw_path.decode()[1:]}"
        answer = RedirectResponse(f"{base}{path}?{urlencode(query)}", 303)
        flow = f"{state}.{verifier}.{safe_next(next)}"
        answer.set_cookie(
            _FLOW, flow, max_age=_FLOW_S, httponly=True, samesite="lax", secure=request.state.is_https, path="/login"
        )
        return answer

    @router.get("/login/done")
    async def return_from_provider(request: Request, code: str = "", state: str = "", error: str = "") -> Response:
        begun, _, rest = request.cookies.get(_FLOW, "").partition(".")
        verifier, _, onward = rest.partition(".")
        if not begun or begun != state:
            return await form(
                request, 400, error="This login was begun in another browser, or too long ago. Try again."
            )
        if not code:
            return await form(
                request, 400, error=f"The identity provider refused the login: {error or 'no code came'}."
            )
        try:
            kept = await sessions.logins.redeem(code, verifier, _browser(request))
        except Refused as refused:
            return await form(request, refused.status, error=_told(request, refused))
        except ConsoleError as away:
            return await form(request, 503, error=_told(request, away))
        answer = await enter(request, kept, onward)
        answer.delete_cookie(_FLOW, path="/login")
        return answer

    return router


def _told(request: Request, error: ConsoleError) -> str:
    return told_in(language_of(request), error)


def _callback(request: Request, settings: ConsoleSettings) -> str:
    base = settings.public_url or f"{request.url.scheme}://{request.headers.get('host', '')}"
    return f"{base}/login/done"


def _browser(request: Request) -> httpx.Headers:
    """Return who the catalog is to see: the browser, not this console."""
    address = request.client.host if request.client else ""
    return httpx.Headers({"user-agent": request.headers.get("user-agent", "")[:300], "x-forwarded-for": address})
