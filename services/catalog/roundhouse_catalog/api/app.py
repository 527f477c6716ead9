"""The REST application, and its OpenAPI document."""

import importlib.metadata
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI

from roundhouse_catalog.api import (
    audit,
    deployments,
    keys,
    limits,
    litellm_import,
    login_admin,
    me,
    members,
    models,
    oidc_login,
    oidc_providers,
    own_models,
    ownership,
    platform,
    previews,
    projects,
    providers,
    request_log,
    roles,
    router_sight,
    routes,
    service_accounts,
    sessions,
    templates,
    tenants,
    tokens,
    uploads,
    users,
    versions,
)
from roundhouse_catalog.api.admission import admission
from roundhouse_catalog.api.context import Catalog
from roundhouse_common.auth.tokens import TokenVerifier, generate_keypair
from roundhouse_common.bus.api import Consumer
from roundhouse_common.client_address import Proxies
from roundhouse_common.http import create_app
from roundhouse_common.http.audit import Audit
from roundhouse_common.http.dead_letters import dead_letter_routes
from roundhouse_common.runtime import Clock, Ids, SystemClock, SystemIds

__all__ = ["UNAUDITED", "build_app", "openapi_document"]

UNAUDITED = frozenset(
    (
        "check_oidc_provider",  # asks it for what it publishes
        "check_provider",  # a question to others
        "exchange_token",  # as above
        "redeem_login_code",  # the session is entered
        "take_provider_logout",  # each session is entered
        "preview_route",  # a question
        "refresh_session",  # every few minutes of every login
        "send_file",  # a piece of an upload, which is entered as a whole
        "validate_deployment",  # a dry run
    )
)
"""Operations by POST or PUT that change nothing that the audit is about."""

_ROUTERS = (
    models.router,
    own_models.router,
    deployments.router,
    versions.router,
    templates.router,
    uploads.router,
    keys.router,
    routes.router,
    litellm_import.router,
    previews.router,
    limits.router,
    providers.router,
    tenants.router,
    projects.router,
    users.router,
    members.router,
    ownership.router,
    service_accounts.router,
    roles.router,
    me.router,
    audit.router,
    request_log.router,
    router_sight.router,
    platform.router,
    sessions.router,
    tokens.router,
    login_admin.router,
    oidc_providers.router,
    oidc_login.router,
)


def build_app(
    catalog: Catalog, verifier: TokenVerifier, *, consumers: Sequence[Consumer] = (), proxies: Proxies = Proxies()
) -> FastAPI:
    """Return the application that answers with this catalog, and with the dead letters of its consumers."""
    app = _bare_app(verifier, catalog.ids, consumers, catalog.audit, proxies)
    app.state.catalog = catalog
    app.state.admission = admission(catalog.db)
    return app


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document. It depends on the code alone, and needs neither settings nor a database."""
    _, public_keys = generate_keypair()
    clock: Clock = SystemClock()
    return _bare_app(TokenVerifier(public_keys, clock=clock), SystemIds(), ()).openapi()


def _bare_app(
    verifier: TokenVerifier,
    ids: Ids,
    consumers: Sequence[Consumer],
    auditing: Audit | None = None,
    proxies: Proxies = Proxies(),
) -> FastAPI:
    version = importlib.metadata.version("roundhouse-catalog")
    app = create_app(
        "Roundhouse catalog",
        version,
        verifier,
        ids=ids,
        is_streamed=uploads.is_streamed,
        audit=auditing,
        unaudited=UNAUDITED,
        proxies=proxies,
    )
    for router in _ROUTERS:
        app.include_router(router, generate_unique_id_function=lambda route: route.name)
    app.include_router(dead_letter_routes(consumers), generate_unique_id_function=lambda route: route.name)
    return app
