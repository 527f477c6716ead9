"""Authentication and permission as a FastAPI dependency."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from roundhouse_common.auth import Action, Subject, allowed
from roundhouse_common.auth.tokens import TokenVerifier
from roundhouse_common.errors import Forbidden, Unauthenticated
from roundhouse_common.http.trail import mark_subject

__all__ = ["requires"]

_bearer = HTTPBearer(auto_error=False, scheme_name="Access token", bearerFormat="JWT")
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def requires(action: Action) -> Callable[..., Awaitable[Subject]]:
    """Return a dependency that gives the caller's Subject, or answers 401 or 403.

    `subject: Annotated[Subject, Depends(requires("deployments:write"))]`. It decides for the caller's own tenant;
    a handler finds only what is in `subject.tenant_id`, and answers 404 for the rest.
    """

    async def dependency(request: Request, credentials: _Credentials) -> Subject:
        if credentials is None:
            raise Unauthenticated("Send an access token: `Authorization: Bearer <token>`.")
        verifier: TokenVerifier = request.app.state.verifier
        subject = verifier.verify(credentials.credentials)
        mark_subject(subject)
        if not allowed(subject, action, subject.tenant_id):
            raise Forbidden(f"{subject.actor} may not do {action}: none of its roles permits it.")
        return subject

    return dependency
