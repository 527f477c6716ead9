"""Models in SQL. A deleted model keeps its row, because versions refer to it, and frees its name."""

from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, insert, select, update

from roundhouse_catalog.domain.errors import NameTaken
from roundhouse_catalog.domain.models import Model
from roundhouse_catalog.domain.versions import ModelChoice, UnknownModel
from roundhouse_catalog.store import tables
from roundhouse_common.contracts.catalog import DeploymentDesired, ModelKind, ModelSource, SourceKind
from roundhouse_common.contracts.routing import Access
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import ModelId, UnixTime

__all__ = [
    "choose_model",
    "delete_model",
    "find_model",
    "insert_model",
    "list_models",
    "update_model",
    "users_of_model",
]

_T, _D, _V = tables.models.c, tables.deployments.c, tables.versions.c
_TRIAL = tables.deployments.join(tables.versions, (_V.deployment_id == _D.id) & (_V.number == _D.active_number))
"""Deployments with the versions that are wanted of them."""
_MOST_SUGGESTIONS = 5000


async def list_models(
    session: ReadSession,
    tenant_id: str,
    *,
    limit: int,
    after: str = "",
    name: str | None = None,
    kind: str | None = None,
    is_published: bool | None = None,
) -> list[Model]:
    """Return models in the order of their creation, beginning after the id `after`."""
    query = _living(tenant_id).where(_T.id > after).order_by(_T.id).limit(limit)
    if name is not None:
        query = query.where(_T.name == name)
    if kind is not None:
        query = query.where(_T.kind == kind)
    if is_published is not None:
        query = query.where(_T.is_published == is_published)
    return [_model(row) for row in await session.execute(query)]


async def find_model(session: ReadSession, tenant_id: str, model_id: str) -> Model | None:
    row = (await session.execute(_living(tenant_id).where(_T.id == model_id))).one_or_none()
    return None if row is None else _model(row)


async def choose_model(session: ReadSession, tenant_id: str, wanted: str, *, published_only: bool) -> ModelChoice:
    """Return the model with this id or name, or what there is instead."""
    query = _living(tenant_id)
    if published_only:
        query = query.where(_T.is_published)
    row = (await session.execute(query.where((_T.id == wanted) | (_T.name == wanted)))).one_or_none()
    if row is not None:
        return _model(row)
    names = await session.scalars(query.with_only_columns(_T.name).order_by(_T.name).limit(_MOST_SUGGESTIONS))
    return UnknownModel(wanted=wanted, known_names=tuple(names))


async def insert_model(session: WriteSession, model: Model) -> None:
    """Add the model. Raises NameTaken."""
    await _refuse_taken_name(session, model)
    await session.execute(insert(tables.models).values(id=model.model_id, **_columns(model)))


async def update_model(session: WriteSession, model: Model) -> None:
    """Overwrite the model, which was read in the same transaction. Raises NameTaken."""
    await _refuse_taken_name(session, model)
    await session.execute(update(tables.models).where(_T.id == model.model_id).values(**_columns(model)))


async def delete_model(session: WriteSession, model_id: ModelId, *, now: UnixTime) -> None:
    await session.execute(update(tables.models).where(_T.id == model_id).values(deleted_at=now))


async def users_of_model(session: ReadSession, model_id: ModelId, *, limit: int = 10) -> list[str]:
    """Return the names of deployments, not deleted, that have a version of this model."""
    query = (
        select(tables.deployments.c.name)
        .join(tables.versions, tables.versions.c.deployment_id == tables.deployments.c.id)
        .where(tables.versions.c.model_id == model_id, tables.deployments.c.deleted_at.is_(None))
        .distinct()
        .order_by(tables.deployments.c.name)
        .limit(limit)
    )
    return list(await session.scalars(query))


async def _refuse_taken_name(session: WriteSession, model: Model) -> None:
    """Writers are serial, so what is not taken now stays free until this transaction ends."""
    others = _living(model.tenant_id).where(_T.name == model.name, _T.id != model.model_id)
    if (await session.execute(others)).first() is not None:
        raise NameTaken("model", model.name)


def _living(tenant_id: str) -> Select[Any]:  # Any: rows of the whole table, with the name of the trial
    return (
        select(tables.models, _D.name.label("trial_name"))
        .select_from(tables.models.outerjoin(_TRIAL, _may_be_tried()))
        .where(_T.tenant_id == tenant_id, _T.deleted_at.is_(None))
    )


def _may_be_tried() -> ColumnElement[bool]:
    return and_(
        _D.id == _T.trial_deployment_id,
        _D.tenant_id == _T.tenant_id,
        _V.model_id == _T.id,
        _D.deleted_at.is_(None),
        _D.desired == DeploymentDesired.RUN.value,
        _D.access != Access.PRIVATE.value,
    )


def _columns(model: Model) -> dict[str, object]:
    return {
        "tenant_id": model.tenant_id,
        "name": model.name,
        "kind": model.kind.value,
        "source_kind": model.source.kind.value,
        "source_uri": model.source.uri,
        "source_revision": model.source.revision,
        "source_patterns": model.source.patterns,
        "source_sha256": model.source.sha256,
        "context_length": model.context_length,
        "licence": model.licence,
        "tags": model.tags,
        "memory_bytes": model.memory_bytes,
        "is_published": model.is_published,
        "generation": model.generation,
        "created_at": model.created_at,
        "updated_at": model.updated_at,
        "facts": model.facts,
        "resolved_revision": model.resolved_revision,
        "total_bytes": model.total_bytes,
        "file_count": model.file_count,
        "defaults": model.defaults,
        "trial_deployment_id": model.trial_deployment_id or None,
    }


def _model(row: Row[Any]) -> Model:  # Any: a row of `models`
    return Model(
        model_id=ModelId(row.id),
        tenant_id=row.tenant_id,
        name=row.name,
        kind=ModelKind(row.kind),
        source=ModelSource(
            kind=SourceKind(row.source_kind),
            uri=row.source_uri,
            revision=row.source_revision,
            patterns=row.source_patterns,
            sha256=row.source_sha256,
        ),
        context_length=row.context_length,
        licence=row.licence,
        tags=row.tags,
        memory_bytes=row.memory_bytes,
        is_published=row.is_published,
        generation=row.generation,
        created_at=UnixTime(row.created_at),
        updated_at=UnixTime(row.updated_at),
        facts=row.facts,
        resolved_revision=row.resolved_revision,
        total_bytes=row.total_bytes,
        file_count=row.file_count,
        defaults=row.defaults,
        trial_deployment_id=row.trial_deployment_id or "",
        trial_name=row.trial_name or "",
    )
