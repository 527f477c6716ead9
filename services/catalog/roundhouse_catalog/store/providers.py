"""Outside providers in SQL. Keys are sealed before they come here; deleted providers stay as tombstones without any."""

from typing import Any

from sqlalchemy import Row, Select, insert, select, update

from roundhouse_catalog.domain.errors import NameTaken
from roundhouse_catalog.domain.providers import Provider
from roundhouse_catalog.store import tables
from roundhouse_catalog.store.routes import living_routes
from roundhouse_common.contracts.routing import ProviderFormat
from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.routing import PLATFORM
from roundhouse_common.runtime import UnixTime

__all__ = [
    "all_providers",
    "find_provider",
    "insert_provider",
    "list_providers",
    "named_providers",
    "provider_names",
    "routes_to_provider",
    "update_provider",
]

_T = tables.providers.c


async def list_providers(
    session: ReadSession, tenant_id: str, *, limit: int, after: str = "", name: str | None = None
) -> list[Provider]:
    """Return the tenant's providers and the platform's in the order of their creation, after the id `after`."""
    query = _living(tenant_id).where(_T.id > after).order_by(_T.id).limit(limit)
    if name is not None:
        query = query.where(_T.name == name)
    return [_provider(row) for row in await session.execute(query)]


async def provider_names(session: ReadSession, tenant_id: str) -> dict[str, str]:
    """Return the names of the tenant's providers and the platform's by their ids."""
    return {row.id: row.name for row in await session.execute(_living(tenant_id))}


async def named_providers(session: ReadSession, tenant_id: str) -> dict[str, Provider]:
    """Return the tenant's own providers by name."""
    query = _living(tenant_id).where(_T.tenant_id == tenant_id)
    return {row.name: _provider(row) for row in await session.execute(query)}


async def all_providers(session: ReadSession) -> list[Provider]:
    """Return the providers of every tenant, tombstones too: what routers must know."""
    return [_provider(row) for row in await session.execute(select(tables.providers))]


async def find_provider(session: ReadSession, tenant_id: str, provider_id: str) -> Provider | None:
    """Return the provider, of the tenant or of the platform, unless it is deleted."""
    row = (await session.execute(_living(tenant_id).where(_T.id == provider_id))).one_or_none()
    return None if row is None else _provider(row)


async def routes_to_provider(session: ReadSession, provider_id: str) -> list[str]:
    """Return the names of the routes, of whichever tenant, that have the provider as a target."""
    routes = await living_routes(session)
    return sorted({one.name for one in routes if any(target.provider_id == provider_id for target in one.targets)})


async def insert_provider(session: WriteSession, provider: Provider) -> None:
    """Add the provider. Raises NameTaken."""
    taken = _living(provider.tenant_id).where(_T.tenant_id == provider.tenant_id, _T.name == provider.name)
    if (await session.execute(taken)).first() is not None:  # writers are serial: it stays free until this one ends
        raise NameTaken("provider", provider.name)
    await session.execute(insert(tables.providers).values(id=provider.provider_id, **_columns(provider)))


async def update_provider(session: WriteSession, provider: Provider) -> None:
    """Write a provider that was read in the same transaction."""
    await session.execute(update(tables.providers).where(_T.id == provider.provider_id).values(**_columns(provider)))


def _living(tenant_id: str) -> Select[Any]:  # Any: rows of providers
    return select(tables.providers).where(_T.tenant_id.in_((tenant_id, PLATFORM)), _T.deleted_at.is_(None))


def _columns(provider: Provider) -> dict[str, object]:
    return {
        "tenant_id": provider.tenant_id,
        "name": provider.name,
        "format": provider.format.value,
        "base_url": provider.base_url,
        "keys": provider.keys,
        "headers": provider.headers,
        "features": provider.features,
        "in_flight_most": provider.in_flight_most,
        "generation": provider.generation,
        "created_at": provider.created_at,
        "created_by": provider.created_by,
        "updated_at": provider.updated_at,
        "updated_by": provider.updated_by,
        "deleted_at": provider.updated_at if provider.is_deleted else None,
    }


def _provider(row: Row[Any]) -> Provider:  # Any: a row of `providers`
    return Provider(
        provider_id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        format=ProviderFormat(row.format),
        base_url=row.base_url,
        keys=row.keys,
        headers=row.headers,
        features=row.features,
        in_flight_most=row.in_flight_most,
        generation=row.generation,
        created_at=UnixTime(row.created_at),
        created_by=row.created_by,
        updated_at=UnixTime(row.updated_at),
        updated_by=row.updated_by,
        is_deleted=row.deleted_at is not None,
    )
