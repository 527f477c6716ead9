"""`create_app`: a FastAPI application as every REST service of Roundhouse has it."""

from collections.abc import Callable

from fastapi import FastAPI

from roundhouse_common.auth.tokens import TokenVerifier
from roundhouse_common.client_address import Proxies
from roundhouse_common.http.middleware import RequestMiddleware
from roundhouse_common.http.permissions import admit_all
from roundhouse_common.http.problems import PROBLEM_RESPONSES, install_problems, with_problem_schema
from roundhouse_common.http.trail import TrailEnd
from roundhouse_common.runtime import Ids, SystemIds

__all__ = ["create_app"]


def create_app(
    title: str,
    version: str,
    verifier: TokenVerifier,
    *,
    ids: Ids | None = None,
    is_streamed: Callable[[str, str], bool] | None = None,
    audit: TrailEnd | None = None,
    unaudited: frozenset[str] = frozenset(),
    proxies: Proxies = Proxies(),
) -> FastAPI:
    """Return an application with problems, request ids, tracing and the OpenAPI document at /api/v1/openapi.json.

    There are no documentation pages: FastAPI's load scripts from the internet, and we work without it. `Service` does
    not send lifespan events: what must be opened is a resource of the service. `is_streamed` says of a method and a
    path that its handler takes a body of any size, piece by piece. `unaudited` names operations by a method that
    writes which change nothing: checks, dry runs, and pieces of what is entered as a whole.
    """
    app = FastAPI(
        title=title,
        version=version,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=PROBLEM_RESPONSES,
        # RequestMiddleware traces; FastAPI's own spans would be second ones for the same request, outside its trace.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.verifier = verifier
    app.state.admission = admit_all
    generate = app.openapi
    app.openapi = lambda: with_problem_schema(generate())  # type: ignore[method-assign]  # FastAPI's documented way
    install_problems(app)
    app.add_middleware(
        RequestMiddleware,
        ids=ids or SystemIds(),
        is_streamed=is_streamed,
        audit=audit,
        unaudited=unaudited,
        proxies=proxies,
    )
    return app
