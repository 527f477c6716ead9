"""The errors of the directory.

RoundhouseError
├── NotFound
│   ├── TenantNotFound         404  tenant_not_found
│   ├── ProjectNotFound        404  project_not_found
│   ├── UserNotFound           404  user_not_found
│   ├── MemberNotFound         404  member_not_found
│   ├── RoleNotFound           404  role_not_found
│   └── ServiceAccountNotFound 404  service_account_not_found
├── Conflict
│   ├── TenantInUse            409  tenant_in_use
│   ├── ProjectInUse           409  project_in_use
│   ├── RoleInUse              409  role_in_use
│   ├── AlreadyMember          409  already_member
│   ├── LastAdministrator      409  last_administrator
│   └── QuotaExceeded          409  quota_exceeded
└── Forbidden
    └── MoreThanHeld           403  more_than_held
"""

from collections.abc import Collection

from roundhouse_common.errors import Conflict, Forbidden, NotFound
from roundhouse_common.words import quoted

__all__ = [
    "AlreadyMember",
    "LastAdministrator",
    "MemberNotFound",
    "MoreThanHeld",
    "ProjectInUse",
    "ProjectNotFound",
    "QuotaExceeded",
    "RoleInUse",
    "RoleNotFound",
    "ServiceAccountNotFound",
    "TenantInUse",
    "TenantNotFound",
    "UserNotFound",
]


class TenantNotFound(NotFound):
    code = "tenant_not_found"

    def __init__(self, tenant_id: str) -> None:
        super().__init__(
            f"There is no tenant with the id {quoted(tenant_id)}. GET /api/v1/tenants lists those there are."
        )


class ProjectNotFound(NotFound):
    code = "project_not_found"

    def __init__(self, project_id: str) -> None:
        super().__init__(
            f"There is no project with the id {quoted(project_id)}. GET /api/v1/projects lists those there are."
        )


class UserNotFound(NotFound):
    code = "user_not_found"

    def __init__(self, user_id: str) -> None:
        super().__init__(f"There is no user with the id {quoted(user_id)}. GET /api/v1/users lists those there are.")


class MemberNotFound(NotFound):
    code = "member_not_found"

    def __init__(self, user_id: str) -> None:
        super().__init__(
            f"There is no member with the user id {quoted(user_id)}. GET /api/v1/members lists those there are."
        )


class RoleNotFound(NotFound):
    code = "role_not_found"

    def __init__(self, role_id: str) -> None:
        super().__init__(
            f"There is no own role with the id {quoted(role_id)}. GET /api/v1/roles lists those there are."
        )


class ServiceAccountNotFound(NotFound):
    code = "service_account_not_found"

    def __init__(self, account_id: str) -> None:
        super().__init__(
            f"There is no service account with the id {quoted(account_id)}. "
            "GET /api/v1/service-accounts lists those there are."
        )


class TenantInUse(Conflict):
    code = "tenant_in_use"

    def __init__(self, name: str, deployments: int, uploads: int) -> None:
        super().__init__(
            f"The tenant {quoted(name)} has {deployments} deployments and {uploads} uploads. Delete these first; "
            "a suspended tenant costs nothing and can come back."
        )


class ProjectInUse(Conflict):
    code = "project_in_use"

    def __init__(self, name: str, deployments: int, uploads: int) -> None:
        super().__init__(
            f"The project {quoted(name)} has {deployments} deployments and {uploads} uploads. Delete these first."
        )


class RoleInUse(Conflict):
    code = "role_in_use"

    def __init__(self, name: str, members: Collection[str]) -> None:
        super().__init__(f"The role {quoted(name)} is held by {', '.join(members)}. Take it from them first.")


class AlreadyMember(Conflict):
    code = "already_member"

    def __init__(self, name: str) -> None:
        super().__init__(f"{quoted(name)} is a member already. PATCH /api/v1/members/{{user_id}} changes the roles.")


class LastAdministrator(Conflict):
    code = "last_administrator"

    def __init__(self, place: str) -> None:
        super().__init__(f"Nobody would be left to administer {place}. Make somebody else an administrator first.")


class QuotaExceeded(Conflict):
    """More than a tenant or a project may hold."""

    code = "quota_exceeded"

    def __init__(self, place: str, resource: str, *, used: int, wanted: int, allowed: int) -> None:
        super().__init__(
            f"{place} may hold {allowed} {resource}; {used} are taken and {wanted} more were wanted. "
            "Give something back, or ask for a larger quota."
        )
        self.resource = resource
        self.used = used
        self.wanted = wanted
        self.allowed = allowed


class MoreThanHeld(Forbidden):
    """Somebody grants, or takes away, what they do not hold themselves."""

    code = "more_than_held"

    def __init__(self, actor: str, place: str, actions: Collection[str]) -> None:
        super().__init__(
            f"{actor} does not hold {', '.join(sorted(actions))} in {place}, so it can neither give nor take that."
        )
