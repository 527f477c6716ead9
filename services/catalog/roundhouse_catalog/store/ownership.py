"""What is whose, over the tables of all kinds of things; and giving it to somebody else."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, literal, or_, select, update

from roundhouse_catalog.domain.ownership import KINDS, Belonging
from roundhouse_catalog.store import tables
from roundhouse_common.auth import SubjectKind
from roundhouse_common.database import ReadSession, WriteSession

__all__ = ["belongings_of", "give"]

_K, _D, _P, _U = tables.api_keys.c, tables.deployments.c, tables.projects.c, tables.users.c
_TABLES: dict[str, Table] = {
    "api-key": tables.api_keys,
    "deployment": tables.deployments,
    "project": tables.projects,
    "service-account": tables.users,
}


async def belongings_of(session: ReadSession, tenant_id: str, user_id: str) -> list[Belonging]:
    """Return what is the user's in a tenant: keys that are not revoked, and whatever else is not deleted."""
    found = []
    for query in _queries(tenant_id, user_id):
        found += [Belonging(tenant_id=tenant_id, **row._mapping) for row in await session.execute(query)]
    return sorted(found, key=lambda one: (KINDS.index(one.kind), one.object_id))


async def give(session: WriteSession, thing: Belonging, *, owner: str, owner_id: str) -> None:
    """Make the thing somebody else's. `owner` is how its history names them, e.g. `user:usr_ann`."""
    table = _TABLES[thing.kind]
    values: dict[str, Any] = {"created_by": owner}  # Any: values of columns
    if thing.kind == "api-key":
        values = {"user_id": owner_id, "generation": _K.generation + 1}
    elif thing.kind == "deployment":
        own = tables.routes.c
        await session.execute(
            update(tables.routes)
            .where(own.deployment_id == thing.object_id)
            .values(created_by=owner, generation=own.generation + 1)
        )
    await session.execute(update(table).where(table.c.id == thing.object_id).values(values))


def _queries(tenant_id: str, user_id: str) -> Iterator[Select[Any]]:  # Any: the fields of Belonging
    def of(kind: str, table: Table, project: ColumnElement[str], *conditions: ColumnElement[bool]) -> Select[Any]:
        there = table.c
        shown = (literal(kind).label("kind"), there.id.label("object_id"), there.name, project.label("project_id"))
        return select(*shown).where(there.tenant_id == tenant_id, *conditions)

    def is_theirs(table: Table) -> ColumnElement[bool]:
        return or_(*(table.c.created_by == f"{kind.value}:{user_id}" for kind in SubjectKind))

    none = literal("")
    yield of("api-key", tables.api_keys, _K.project_id, _K.user_id == user_id, _K.revoked_at == 0)
    yield of("deployment", tables.deployments, _D.project_id, is_theirs(tables.deployments), _D.deleted_at.is_(None))
    yield of("project", tables.projects, _P.id, is_theirs(tables.projects), _P.deleted_at.is_(None))
    accounts = (_U.kind == SubjectKind.SERVICE_ACCOUNT.value, _U.deleted_at.is_(None))
    yield of("service-account", tables.users, none, is_theirs(tables.users), *accounts)
