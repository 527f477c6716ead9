"""Templates in SQL: a row for the name, and one for each number. A deleted template frees its name, not its numbers."""

from typing import Any

from sqlalchemy import Row, Select, func, insert, select, update

from roundhouse_catalog.domain.templates import Recipe, Template, TemplateName
from roundhouse_catalog.store import tables
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import UnixTime

__all__ = [
    "append_template",
    "delete_template",
    "find_template",
    "insert_template",
    "list_template_versions",
    "list_templates",
    "template_names",
]

_T = tables.templates.c
_V = tables.template_versions.c


async def list_templates(session: ReadSession, tenant_id: str, *, limit: int, after: str = "") -> list[Template]:
    """Return the newest number of each template in the order of their names, beginning after the name `after`."""
    newest = _living(tenant_id).where(_V.number == _T.last_number, _T.name > after)
    return [_template(row) for row in await session.execute(newest.order_by(_T.name).limit(limit))]


async def template_names(session: ReadSession, tenant_id: str) -> list[str]:
    """Return what the templates are called."""
    query = select(_T.name).where(_T.tenant_id == tenant_id, _T.deleted_at.is_(None))
    return list(await session.scalars(query.order_by(_T.name).limit(1000)))


async def find_template(session: ReadSession, tenant_id: str, wanted: TemplateName) -> Template | None:
    """Return the number that is wanted, or the newest."""
    number = wanted.number or _T.last_number
    row = (await session.execute(_living(tenant_id).where(_T.name == wanted.name, _V.number == number))).one_or_none()
    return None if row is None else _template(row)


async def list_template_versions(
    session: ReadSession, tenant_id: str, name: str, *, limit: int, after: int = 0
) -> list[Template]:
    """Return the numbers of a template in their order, beginning after `after`."""
    query = _living(tenant_id).where(_T.name == name, _V.number > after).order_by(_V.number).limit(limit)
    return [_template(row) for row in await session.execute(query)]


async def _next_number(session: ReadSession, tenant_id: str, name: str) -> int:
    """Return a number that no template of this name ever had, so that `name@number` means one thing for ever."""
    last = await session.scalar(select(func.max(_T.last_number)).where(_T.tenant_id == tenant_id, _T.name == name))
    return (last or 0) + 1


async def insert_template(
    session: WriteSession, *, template_id: str, tenant_id: str, name: str, recipe: Recipe, at: UnixTime, by: str
) -> Template:
    """Add a template whose name is free."""
    template = Template(
        template_id=template_id,
        tenant_id=tenant_id,
        name=name,
        number=await _next_number(session, tenant_id, name),
        recipe=recipe,
        created_at=at,
        created_by=by,
    )
    await session.execute(
        insert(tables.templates).values(
            id=template_id, tenant_id=tenant_id, name=name, last_number=template.number, created_at=at
        )
    )
    await _insert_version(session, template)
    return template


async def append_template(
    session: WriteSession, before: Template, *, recipe: Recipe, at: UnixTime, by: str
) -> Template:
    """Add the next number to a template, of which `before` is the newest."""
    template = Template(
        template_id=before.template_id,
        tenant_id=before.tenant_id,
        name=before.name,
        number=before.number + 1,
        recipe=recipe,
        created_at=at,
        created_by=by,
    )
    mine = _T.id == before.template_id
    await session.execute(update(tables.templates).where(mine).values(last_number=template.number))
    await _insert_version(session, template)
    return template


async def delete_template(session: WriteSession, template: Template, *, now: UnixTime) -> None:
    """Delete a template with all its numbers. Deployments keep what they were made with."""
    await session.execute(update(tables.templates).where(_T.id == template.template_id).values(deleted_at=now))


async def _insert_version(session: WriteSession, template: Template) -> None:
    await session.execute(
        insert(tables.template_versions).values(
            template_id=template.template_id,
            number=template.number,
            recipe=template.recipe,
            created_at=template.created_at,
            created_by=template.created_by,
        )
    )


def _living(tenant_id: str) -> Select[Any]:  # Any: rows of templates with one of their numbers
    both = tables.templates.join(tables.template_versions, _V.template_id == _T.id)
    columns = (_T.id, _T.tenant_id, _T.name, _V.number, _V.recipe, _V.created_at, _V.created_by)
    return select(*columns).select_from(both).where(_T.tenant_id == tenant_id, _T.deleted_at.is_(None))


def _template(row: Row[Any]) -> Template:
    return Template(
        template_id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        number=row.number,
        recipe=row.recipe,
        created_at=UnixTime(row.created_at),
        created_by=row.created_by,
    )
