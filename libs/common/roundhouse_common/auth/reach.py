"""Of which part of a tenant somebody may read or change things: all of it, or some of its projects."""

from dataclasses import dataclass

from roundhouse_common.auth.permissions import Action, Subject, allowed

__all__ = ["Reach", "reach_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What one action is permitted on. Lists are cut to it; what is outside of it is not found."""

    tenant_id: str
    project_ids: frozenset[str] | None = None
    """None: everything of the tenant, also what is in no project."""

    def covers(self, project_id: str) -> bool:
        """Say whether something of the project, or of none, is within."""
        return self.project_ids is None or project_id in self.project_ids

    def within(self, other: "Reach") -> "Reach":
        """Return what is within both. They are of one tenant."""
        if other.project_ids is None:
            return self
        mine = other.project_ids if self.project_ids is None else self.project_ids & other.project_ids
        return Reach(tenant_id=self.tenant_id, project_ids=mine)


def reach_of(subject: Subject, action: Action) -> Reach:
    """Return where the subject's roles permit the action, in the tenant of its token."""
    tenant_id = subject.tenant_id
    if allowed(subject, action, tenant_id):
        return Reach(tenant_id=tenant_id)
    permitted = (one for one in subject.project_roles if allowed(subject, action, tenant_id, one))
    return Reach(tenant_id=tenant_id, project_ids=frozenset(permitted))
