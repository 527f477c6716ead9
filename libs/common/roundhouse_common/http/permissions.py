"""Authentication and permission as a FastAPI dependency."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from roundhouse_common.auth import Action, Subject, allowed
from roundhouse_common.auth.tokens import TokenVerifier
from roundhouse_common.errors import Forbidden, Unauthenticated
from roundhouse_common.http.trail import mark_subject

__all__ = ["Admission", "Requirement", "admit_all", "requires"]

_bearer = HTTPBearer(auto_error=False, scheme_name="Access token", bearerFormat="JWT")
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]

Admission = Callable[[Subject], Awaitable[None]]
"""Raises Unauthenticated or Forbidden for a token that is true and may not be used here (any more)."""


async def admit_all(_subject: Subject) -> None:
    """The admission of a service that knows nobody's tenants."""


class Requirement:
    """What an endpoint declares that it needs. Tests read it off the routes."""

    def __init__(self, action: Action, *, in_projects: bool) -> None:
        self.action = action
        self.in_projects = in_projects

    async def __call__(self, request: Request, credentials: _Credentials) -> Subject:
        if credentials is None:
            raise Unauthenticated("Send an access token: `Authorization: Bearer <token>`.")
        verifier: TokenVerifier = request.app.state.verifier
        subject = verifier.verify(credentials.credentials)
        mark_subject(subject)
        admit: Admission = request.app.state.admission
        await admit(subject)
        if not self.met_by(subject):
            raise Forbidden(f"{subject.actor} may not do {self.action}: none of its roles permits it.")
        return subject

    def met_by(self, subject: Subject) -> bool:
        """Whether the subject may do it in its tenant or, where projects count, in any of its projects."""
        if allowed(subject, self.action, subject.tenant_id):
            return True
        return self.in_projects and any(
            allowed(subject, self.action, subject.tenant_id, project_id) for project_id in subject.project_roles
        )


def requires(action: Action, *, in_projects: bool = False) -> Callable[..., Awaitable[Subject]]:
    """Return a dependency that gives the caller's Subject, or answers 401 or 403.

    `subject: Annotated[Subject, Depends(requires("deployments:write"))]`. It decides for the caller's own tenant;
    a handler finds only what is in `subject.tenant_id`, and answers 404 for the rest. With `in_projects` a role in any
    project passes, and the handler asks `allowed` again with the project of what it found.
    """
    return Requirement(action, in_projects=in_projects)
