"""Requests as a hostile caller sends them to a whole platform, and what must never come of them."""

import copy
import json
import re
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import MetaData, select

from roundhouse_catalog.store.tables import metadata as catalog_tables
from roundhouse_common.auth import Role, Subject
from roundhouse_common.nats_auth.keys import KeyKind, new_seed, public_key
from roundhouse_metering.store.tables import metadata as metering_tables
from roundhouse_scheduler.store import tables as scheduler_tables
from roundhouse_scheduler.store.rows import add
from tests.component.access.neighbours import MARK, OURS, everybody, neighbour
from tests.component.access.worlds import Platform
from tests.support.asgi_call import Answer, asgi_call
from tests.support.openapi_calls import Call, calls_of, without
from tests.support.scheduler import a_node

__all__ = ["Range", "canaries", "opened", "rows_of"]

_TABLES: Final[dict[str, MetaData]] = {
    "catalog": catalog_tables,
    "scheduler": scheduler_tables.metadata,
    "metering": metering_tables,
}
_VALUES: Final[dict[str, Any]] = {  # Any: JSON
    "node_id": "nod_badger", "nodes": ["nod_badger"], "device_uuid": "GPU-badger", "book": "standard", "version": "1",
    "templates/name": "badger-template", "uri": "/models/x.gguf", "path": "badger.gguf", "sha256": "0" * 64, "size": 3,
    "email": "ann@example.org", "emails": ["ann@example.org"], "webhook_url": "http://127.0.0.1:9/x", "number": 1,
    "roles": ["viewer"], "project_roles": {}, "own_role_ids": [], "platform_roles": [], "is_published": True,
    "user_ids": [], "key_ids": [], "route_ids": [], "tenant_ids": [], "alias_of": "", "provider_id": "",
    "scope": "tenant", "usage/kind": "completions", "route": "badger-chat", "engine": "llama.cpp", "tail": 3,
    "since": "2026-11-01T00:00:00Z", "start_time": "1795219200", "new_password": "correct horse battery 7 staple",
    "text/csv": "model,input_per_million\nbadger,1\n", "oidc-providers/provider_id": "idp_x",
}  # fmt: skip
"""What fits a member or parameter of the name, where a schema alone does not tell."""
_TOLD_OF_REFUSALS: Final = frozenset(("audit", "login_attempts", "outbox", "idempotency"))
_OF_THE_PLATFORM: Final = ("/api/v1/price-books", "/api/v1/usage:reprice")
"""What a role in a tenant is let through to and then refused."""
_TALKS_OF_THE_DATABASE: Final = re.compile(
    r"sqlite|asyncpg|psycopg|sqlalchemy|syntax error at|traceback \(most|\bselect .+ from\b|unique constraint"
    r"|operationalerror|dataerror|no such column|invalid input syntax|null byte",
    re.IGNORECASE,
)
_DOCUMENTS: Final = Path(__file__).parents[3] / "docs/reference"
"""What the applications say of themselves, kept equal to it by tests of each: making it takes a third of the time."""
_AWAY: Final = frozenset((502, 503, 504))
"""Nodes and providers are, here: that is no defect if it is said in a problem."""


class Range:
    """Fires, and notes what is wrong with the answers."""

    def __init__(self, platform: Platform, theirs: dict[str, str], ours: dict[str, Any]) -> None:
        self.platform = platform
        self.us = everybody(ours["tenant_id"], ours["user_id"])
        self.calls = [
            call
            for name in platform.services
            for call in calls_of(name, json.loads((_DOCUMENTS / f"openapi-{name}.json").read_bytes()), ours)
        ]
        self.wrong: list[str] = []
        self.fired = 0
        self.taken_writes = 0
        """How many operations with a body were done with one that we made."""
        self._theirs = [value for value in theirs.values() if "_" in value]
        self._endpoints = {one.key.replace(":path}", "}"): one for one in platform.endpoints()}
        self._number = 0

    async def taken(self, call: Call) -> Call:
        """Return the request with what is refused left out of it, so that what is put in instead gets further."""
        if not isinstance(call.body, dict):
            return call
        for _ in range(6):
            got = await self.fire(self.numbered(call))
            if got is None or got.status != 422:
                self.taken_writes += got is not None and got.status < 400
                break
            faults = [fault["field"] for fault in json.loads(got.body)["errors"]]
            kept = without(copy.deepcopy(call.body), faults)
            if kept == call.body:
                break
            call = replace(call, body=kept)
        return call

    def numbered(self, call: Call) -> Call:
        """Return it with a name that nothing has yet: what conflicts is not written."""
        if not isinstance(call.body, dict) or not isinstance(call.body.get("name"), str):
            return call
        self._number += 1
        return replace(call, body={**call.body, "name": f"n{self._number}"})

    async def fire(self, call: Call) -> Answer | None:
        """Ask as everybody in our tenant, or as the platform's administrator for what only that one may do.

        Returns None if the application raised.
        """
        is_ours = self._endpoints[call.key].permits(self.us) and not call.path.startswith(_OF_THE_PLATFORM)
        subject = self.us if is_ours else _platform_administrator()
        served = self.platform.services[call.service]
        credentials = (b"authorization", f"Bearer {served.signer.sign(subject, 3600)}".encode())
        self.fired += 1
        try:
            got = await asgi_call(
                served.app,
                call.method,
                call.raw_path,
                query=call.raw_query,
                headers=[*call.raw_headers, credentials],
                body=call.raw_body,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            self.wrong.append(f"raised {error!r}: {_shown(call)}")
            return None
        self.wrong += [
            f"{fault}: {got.status} {got.text[:300]} to {_shown(call)}" for fault in self._faults(call, got, is_ours)
        ]
        return got

    def _faults(self, call: Call, got: Answer, is_ours: bool) -> list[str]:
        sent = str(call)
        is_problem = b"application/problem+json" in dict(got.headers).get(b"content-type", b"")
        faults = {
            "failed": got.status >= 500 and not (got.status in _AWAY and is_problem),
            "split": bool(got.splits),
            "talks of the database": got.status >= 400
            and _TALKS_OF_THE_DATABASE.search(got.text)
            and not _TALKS_OF_THE_DATABASE.search(sent),
            "tells of others": is_ours and any(one in got.text and one not in sent for one in self._theirs),
        }
        return [fault for fault, is_there in faults.items() if is_there]


async def opened(platform: Platform) -> Range:
    """Fill the other tenant and ours, with a node and prices that both have."""
    theirs, ours = await neighbour(platform), await neighbour(platform, "badger")
    async with platform.services["scheduler"].db.write() as session:
        await add(session, scheduler_tables.nodes, a_node("nod_badger"))
    lines = [{"rates": {"input_per_million": 1}}]
    price = {"currency": "USD", "valid_from": "2026-01-01T00:00:00Z", "lines": lines}
    await _made(platform, "metering", "/api/v1/price-books/standard/versions", price)
    values = {
        **ours,
        **_VALUES,
        "model": ours["model_id"],
        "providers/provider_id": ours["provider_id"],
        "scope_id": ours["tenant_id"],
        "token": (await _made(platform, "scheduler", "/api/v1/join-tokens", {}))["token"],
        "public_key": public_key(new_seed(KeyKind.USER, secrets.token_bytes)),
    }
    return Range(platform, theirs, values)


async def rows_of(platform: Platform, service: str, *, but: frozenset[str] = _TOLD_OF_REFUSALS) -> dict[str, list[str]]:
    """Return every row of a service by its table, but of what is written about refusals too."""
    async with platform.services[service].db.read() as session:
        return {
            name: sorted(str(tuple(row)) for row in await session.execute(select(table)))
            for name, table in _TABLES[service].tables.items()
            if table.name not in but
        }


async def canaries(platform: Platform) -> dict[str, list[str]]:
    """Return every row of the other tenant, of all services."""
    return {
        f"{service}.{table}": [row for row in rows if MARK in row]
        for service in _TABLES
        for table, rows in (await rows_of(platform, service, but=frozenset())).items()
    }


async def _made(platform: Platform, service: str, path: str, body: Any) -> Any:  # Any: JSON
    served = platform.services[service]
    headers = {"authorization": f"Bearer {served.signer.sign(_platform_administrator(), 3600)}"}
    answer = await served.http.post(path, json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


def _platform_administrator() -> Subject:
    return Subject(id="usr_admin", tenant_id=OURS, roles=frozenset(Role), platform_roles=frozenset(Role))


def _shown(call: Call) -> str:
    path, query = call.raw_path.decode(), call.raw_query.decode()
    return f"{call.method} {path}?{query} {call.headers} {call.content_type} {call.raw_body[:600]!r}"
