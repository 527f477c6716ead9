"""One request to the router, as a client application would send it, with everything that comes back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

from roundhouse_console.clients.signed_in import SignedIn
from roundhouse_console.domain.errors import Unreachable
from roundhouse_console.domain.testing import Call

__all__ = ["open_call"]

_PATIENCE: Final = httpx.Timeout(None, connect=5.0)
"""An engine may think for long before it answers; the person can end it."""


@asynccontextmanager
async def open_call(person: SignedIn, call: Call, secret: str) -> AsyncIterator[httpx.Response]:
    """Send it with this API key, unless it states an authorization of its own; whatever status comes is an answer.

    Raises Unreachable.
    """
    stated = {name.lower() for name, _ in call.headers}
    headers = [*call.headers] if "authorization" in stated else [("authorization", f"Bearer {secret}"), *call.headers]
    request = person.http.build_request(
        call.method,
        f"{person.addresses.router}{call.path}",
        params=list(call.query) or None,
        headers=headers,
        **_body(call),
    )
    request.extensions["timeout"] = _PATIENCE.as_dict()
    try:
        answer = await person.http.send(request, stream=True)
    except httpx.TransportError as error:
        raise Unreachable("router", str(error) or type(error).__name__) from error
    try:
        yield answer
    except httpx.TransportError as error:
        raise Unreachable("router", str(error) or type(error).__name__) from error
    finally:
        await answer.aclose()


def _body(call: Call) -> dict[str, Any]:  # Any: of the types that httpx takes for each kind of body
    if call.fields or call.files:
        parts: list[tuple[str, Any]] = [(name, (None, value)) for name, value in call.fields]
        return {"files": parts + [(one.field, (one.name, one.content, one.content_type)) for one in call.files]}
    if call.form:
        form: dict[str, list[str]] = {}
        for name, value in call.form:
            form.setdefault(name, []).append(value)
        return {"data": form}
    return {"content": call.content} if call.content else {}
