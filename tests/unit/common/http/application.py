"""A small REST application for the tests of the HTTP kit."""

from typing import Annotated, Final

import httpx
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from pydantic import BaseModel, Field

from roundhouse_common.auth import Role, Subject
from roundhouse_common.auth.tokens import TokenSigner, TokenVerifier, generate_keypair
from roundhouse_common.errors import Conflict, FieldError, InvalidInput, NotFound, Unavailable
from roundhouse_common.http import (
    Page,
    PageRequest,
    Timestamp,
    create_app,
    etag,
    page_of,
    page_request,
    require_if_match,
    requires,
)
from roundhouse_common.runtime import SystemClock

__all__ = ["application", "bearer", "client"]

_PRIVATE, _PUBLIC = generate_keypair()
_CLOCK: Final = SystemClock()
NAMES: Final = [f"thing-{number:02}" for number in range(7)]


class Size(BaseModel):
    memory_bytes: int = Field(gt=0)


class Thing(BaseModel):
    name: str = Field(min_length=1)
    size: Size | None = None
    created_at: Timestamp = 0.0


def application() -> FastAPI:
    """Return the application; every path shows one thing."""
    app = create_app("Example", "1.2.3", TokenVerifier(_PUBLIC, clock=_CLOCK))
    _add_listings(app)
    _add_failures(app)
    return app


def _add_listings(app: FastAPI) -> None:
    @app.get("/api/v1/others")
    @app.get("/api/v1/things")
    async def listing(
        page: Annotated[PageRequest, Depends(page_request)],
        subject: Annotated[Subject, Depends(requires("models:read"))],
    ) -> Page[Thing]:
        rows = [name for name in NAMES if page.after is None or name > page.after][: page.fetch]
        return page_of(rows, page, key=str, item=lambda name: Thing(name=name, created_at=1_800_000_000.1234))

    @app.post("/api/v1/things", status_code=201)
    async def create(thing: Thing, subject: Annotated[Subject, Depends(requires("models:write"))]) -> Thing:
        return thing

    @app.patch("/api/v1/things/{thing_id}")
    async def change(
        thing_id: str, thing: Thing, response: Response, if_match: Annotated[str | None, Header()] = None
    ) -> Thing:
        require_if_match(if_match, 7)
        response.headers["etag"] = etag(8)
        return thing


def _add_failures(app: FastAPI) -> None:
    errors: dict[str, Exception] = {
        "not-found": NotFound("There is no thing dep_1."),
        "conflict": Conflict("It is in use."),
        "unavailable": Unavailable("The bus is away."),
        "invalid": InvalidInput("name: It is taken.", FieldError("name", "It is taken.")),
        "unexpected": ZeroDivisionError("password=hunter2"),
        "http": HTTPException(418, "short and stout", headers={"x-pot": "tea"}),
    }

    @app.get("/api/v1/failures/{name}")
    async def fail(name: str) -> None:
        raise errors[name]


def bearer(*roles: Role, ttl_s: float = 60) -> dict[str, str]:
    """Return the headers of a caller with these roles."""
    subject = Subject(id="usr_1", tenant_id="ten_1", roles=frozenset(roles), platform_roles=frozenset(roles))
    return {"authorization": f"Bearer {TokenSigner(_PRIVATE, clock=_CLOCK).sign(subject, ttl_s)}"}


def client(app: FastAPI | None = None, *roles: Role) -> httpx.AsyncClient:
    """Return a client of the application, by default one who may do everything."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app or application(), raise_app_exceptions=False),
        base_url="http://service",
        headers=bearer(*(roles or (Role.ADMINISTRATOR,))),
    )
