"""Whose keys, deployments, projects and service accounts are, and what becomes of them when somebody leaves.

What somebody made is theirs until it is given to another. Who made it first, the audit says.
"""

from dataclasses import dataclass

from roundhouse_catalog.domain.findings import quoted
from roundhouse_common.errors import Conflict, FieldError, InvalidInput

__all__ = ["KINDS", "Belonging", "StillOwns", "no_successor"]

KINDS = ("api-key", "deployment", "project", "service-account")
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Belonging:
    """One thing that is somebody's."""

    kind: str
    """One of KINDS."""
    object_id: str
    name: str
    tenant_id: str
    project_id: str = ""


class StillOwns(Conflict):
    """Somebody cannot leave before it is said what becomes of what is theirs."""

    code = "still_owns"

    def __init__(self, name: str, owned: list[Belonging]) -> None:
        shown = ", ".join(f"{one.kind} {quoted(one.name)}" for one in owned[:_SHOWN])
        more = f" and {len(owned) - _SHOWN} more" if len(owned) > _SHOWN else ""
        super().__init__(
            f"{quoted(name)} owns {shown}{more}. Name who takes it over with ?successor=<user id>, or send "
            "?abandon=true: their API keys are refused then, and the rest goes on without an owner."
        )


def no_successor(user_id: str) -> InvalidInput:
    """Return what says that nobody can take things over by this id."""
    fault = f"{quoted(user_id)} is no member of the tenant who may come in; GET /api/v1/members lists them"
    return InvalidInput(f"The new owner: {fault}.", FieldError("user_id", fault))
