"""`/api/v1/login`: how people can log in, and the way through identity providers. For browsers and their clients."""

from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Query, Request, Response

from roundhouse_catalog.api.context import CatalogHere
from roundhouse_catalog.api.oidc_schemas import CodeToRedeem, LoginOptionsView
from roundhouse_catalog.api.responses import MISSING, PROVIDER_AWAY
from roundhouse_catalog.api.session_schemas import TokensView
from roundhouse_catalog.api.sessions import NO_STORE, client_here, tokens
from roundhouse_catalog.domain.sessions import Client
from roundhouse_catalog.store.oidc import all_providers
from roundhouse_common.http import documented

__all__ = ["router"]

Responses = dict[int | str, dict[str, Any]]
"""Any: what FastAPI takes as `responses`."""

_COOKIE = "roundhouse_login"
_COOKIE_PATH = "/api/v1/login"
_COOKIE_S = 600
_REDIRECT: Responses = {302: {"description": "To the identity provider, or back to the client", "content": {}}}
_NO_PROVIDER: Responses = {404: documented("There is no identity provider of this name"), **PROVIDER_AWAY}

router = APIRouter(prefix="/api/v1", tags=["logins"])
Text = Annotated[str, Query(max_length=512)]


@router.get("/login")
async def show_login_options(catalog: CatalogHere) -> LoginOptionsView:
    """Show how people can log in here. Needs no token."""
    async with catalog.db.read() as session:
        providers = await all_providers(session)
    return LoginOptionsView(oidc=[one.name for one in providers if one.is_enabled])


@router.get("/login/oidc/{name}", status_code=302, response_class=Response, responses={**_REDIRECT, **_NO_PROVIDER})
async def begin_oidc_login(
    name: str,
    catalog: CatalogHere,
    redirect_uri: Annotated[
        str, Query(max_length=512, description="http://127.0.0.1:PORT/..., or an address of the settings.")
    ],
    code_challenge: Annotated[str, Query(max_length=128, description="PKCE, S256.")],
    state: Text = "",
) -> Response:
    """Send the browser to log in at an identity provider. It comes back to `redirect_uri` with a `code`."""
    begun = await catalog.logins.oidc.begin(name, redirect_uri=redirect_uri, state=state, code_challenge=code_challenge)
    answer = Response(status_code=302, headers={"location": begun.location, **NO_STORE})
    answer.set_cookie(
        _COOKIE,
        begun.cookie,
        max_age=_COOKIE_S,
        path=_COOKIE_PATH,
        httponly=True,
        samesite="lax",
        secure=catalog.uploads.public_url().startswith("https://"),
    )
    return answer


@router.get(
    "/login/oidc/{name}/callback", status_code=302, response_class=Response, responses={**_REDIRECT, **_NO_PROVIDER}
)
async def finish_oidc_login(
    name: str,
    request: Request,
    catalog: CatalogHere,
    state: Text = "",
    code: Annotated[str, Query()] = "",
    error: Text = "",
) -> Response:
    """Take the browser back from the identity provider, and send it on to the client."""
    location = await catalog.logins.oidc.answer(
        name, state=state, cookie=request.cookies.get(_COOKIE, ""), code=code, error=error
    )
    answer = Response(status_code=302, headers={"location": location, **NO_STORE})
    answer.delete_cookie(_COOKIE, path=_COOKIE_PATH)
    return answer


@router.get(
    "/login/oidc/{name}/logout", status_code=302, response_class=Response, responses={**_REDIRECT, **_NO_PROVIDER}
)
async def log_out_at_provider(name: str, catalog: CatalogHere, redirect_uri: Text = "") -> Response:
    """Send the browser to log out at the identity provider too. End the session here first."""
    location = await catalog.logins.oidc.logout_url(name, redirect_uri)
    return Response(status_code=302, headers={"location": location, **NO_STORE})


@router.post("/login/oidc/{name}/backchannel-logout", status_code=204, responses={**MISSING, **PROVIDER_AWAY})
async def take_provider_logout(name: str, request: Request, catalog: CatalogHere) -> None:
    """End the sessions of somebody who has logged out at the identity provider, which calls this (a form)."""
    form = parse_qs((await request.body()).decode("utf-8", errors="replace"))
    await catalog.logins.oidc.logged_out(name, (form.get("logout_token") or [""])[0])


@router.post("/sessions:redeem", status_code=201, response_model=TokensView)
async def redeem_login_code(
    body: CodeToRedeem, client: Annotated[Client, Depends(client_here)], catalog: CatalogHere
) -> Response:
    """Get the tokens of a login at an identity provider, for the code that came with the redirect. Good for one use."""
    issued = await catalog.logins.oidc.redeem(
        body.code.get_secret_value(), body.code_verifier.get_secret_value(), tenant=body.tenant, client=client
    )
    return tokens(issued, 201)
