"""What somebody may do with things of a project: their roles in the tenant hold, and those in the project."""

from collections.abc import Collection

from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_catalog.store.projects import find_project
from roundhouse_common.auth import Action, Subject, allowed
from roundhouse_common.database import ReadSession
from roundhouse_common.errors import Forbidden

__all__ = ["require_in_project", "require_project_there", "seen_projects"]


def seen_projects(subject: Subject, action: Action) -> Collection[str] | None:
    """Return the projects whose things somebody may do this with; None: with everything of the tenant."""
    if allowed(subject, action, subject.tenant_id):
        return None
    return [one for one in subject.project_roles if allowed(subject, action, subject.tenant_id, one)]


def require_in_project(subject: Subject, action: Action, project_id: str) -> None:
    """Raise Forbidden unless their roles permit it there."""
    if not allowed(subject, action, subject.tenant_id, project_id):
        place = f"in the project {quoted(project_id)}" if project_id else "outside of projects; state project_id"
        raise Forbidden(f"{subject.actor} may not do {action} {place}.")


async def require_project_there(session: ReadSession, subject: Subject, project_id: str) -> None:
    """Raise InvalidInput unless it is a project of the tenant; empty is fine."""
    if project_id and await find_project(session, subject.tenant_id, project_id) is None:
        findings = Findings()
        message = f"there is no project with the id {quoted(project_id)}; GET /api/v1/projects lists them"
        findings.add("project_id", message)
        findings.refuse()
