"""Whose API keys somebody may see and change, and what they may put into them."""

from collections.abc import Collection

from roundhouse_catalog.domain.deployments import Deployment
from roundhouse_catalog.domain.errors import ApiKeyNotFound
from roundhouse_catalog.domain.findings import quoted
from roundhouse_catalog.domain.keys import ApiKey
from roundhouse_catalog.store import keys as store
from roundhouse_catalog.store.deployments import named_deployments
from roundhouse_catalog.store.directory import find_subject
from roundhouse_common.auth import Subject, SubjectKind, allowed
from roundhouse_common.contracts.routing import Access
from roundhouse_common.database import ReadSession
from roundhouse_common.errors import FieldError, Forbidden, InvalidInput

__all__ = [
    "find_for_change",
    "find_for_reading",
    "nameable_deployments",
    "require_open",
    "require_owner_in_project",
    "require_project",
    "seen_user",
]


def seen_user(subject: Subject) -> str | None:
    """Return the one user whose keys somebody sees, or None for all of the tenant.

    Whoever sees what the tenant used sees by which keys.
    """
    tenant_id = subject.tenant_id
    sees_all = allowed(subject, "keys:admin", tenant_id) or allowed(subject, "usage:read", tenant_id)
    return None if sees_all else subject.id


async def find_for_reading(session: ReadSession, subject: Subject, key_id: str) -> ApiKey:
    """Return the key. Raises ApiKeyNotFound, also for what is not theirs to see."""
    key = await store.find_key(session, subject.tenant_id, key_id)
    if key is None or seen_user(subject) not in (None, key.user_id):
        raise ApiKeyNotFound(key_id)
    return key


async def find_for_change(session: ReadSession, subject: Subject, key_id: str) -> ApiKey:
    """Return the key. Raises ApiKeyNotFound, and Forbidden for one that they see but that is somebody else's."""
    key = await find_for_reading(session, subject, key_id)
    if key.user_id != subject.id and not allowed(subject, "keys:admin", subject.tenant_id):
        raise Forbidden("It is somebody else's API key: only who has keys:admin may change it.")
    return key


async def nameable_deployments(session: ReadSession, subject: Subject, ids: Collection[str]) -> set[str]:
    """Return which of the ids are deployments that the subject may use, and so may name in a key."""
    found = await named_deployments(session, subject.tenant_id, ids) if ids else []
    return {one.deployment_id for one in found if _may_use(subject, one)}


def require_project(subject: Subject, project_id: str) -> None:
    """Raise InvalidInput unless the subject is in the project: its keys may use what is private to it."""
    if not project_id or project_id in subject.project_roles:
        return
    if not allowed(subject, "keys:admin", subject.tenant_id, project_id):
        fault = f"{quoted(project_id)} found; it is no project that you have a role in"
        raise InvalidInput(f"project_id: {fault}", FieldError("project_id", fault))


async def require_owner_in_project(session: ReadSession, tenant_id: str, owner_id: str, project_id: str) -> None:
    """Raise InvalidInput for a key whose owner is a person without a role in its project: it would be refused."""
    owner = await find_subject(session, owner_id, tenant_id) if project_id else None
    if owner is None or owner.kind is not SubjectKind.USER or project_id in owner.project_roles:
        return
    if not allowed(owner, "keys:admin", tenant_id):
        fault = f"{quoted(owner_id)} has no role in the project {quoted(project_id)}; give them one first"
        raise InvalidInput(f"user_id: {fault}", FieldError("user_id", fault))


def require_open(subject: Subject, access: str | None) -> None:
    """Raise Forbidden when something is to be opened to all tenants, and that is not theirs to do.

    A public name is found by every tenant that has none of its own by this name: who makes one could read prompts that
    were meant for somebody else.
    """
    if access == Access.PUBLIC.value and not allowed(subject, "platform:admin", subject.tenant_id):
        raise Forbidden("Only who has platform:admin may open something to every tenant.")


def _may_use(subject: Subject, deployment: Deployment) -> bool:
    is_own = deployment.created_by.partition(":")[2] == subject.id
    is_open = deployment.settings.access in (Access.TENANT, Access.PUBLIC)
    is_ours = bool(deployment.project_id) and deployment.project_id in subject.project_roles
    return is_own or is_open or is_ours or allowed(subject, "keys:admin", subject.tenant_id)
