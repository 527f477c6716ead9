"""The session's cookie, and what the others say of the browser."""

from starlette.requests import Request
from starlette.responses import Response

from roundhouse_console.domain.preferences import preferences_of
from roundhouse_console.domain.security import COOKIE

__all__ = ["clear_cookie", "language_of", "set_cookie"]


def set_cookie(answer: Response, request: Request, value: str) -> None:
    """Let the browser keep the session: no script reads it, no other site sends it with what changes something."""
    answer.set_cookie(COOKIE, value, httponly=True, samesite="lax", secure=request.state.is_https, path="/")


def clear_cookie(answer: Response) -> None:
    answer.delete_cookie(COOKIE, path="/")


def language_of(request: Request) -> str:
    """Return the language to answer a browser in."""
    return preferences_of(request.cookies, request.headers.get("accept-language", "")).language
