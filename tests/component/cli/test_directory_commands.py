"""`roundhouse tenants`, `projects`, `users`, `roles` and `service-accounts` against a scripted catalog."""

from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

pytestmark = pytest.mark.contract("E01")

AT = "2026-11-21T09:00:00.000Z"
TENANT: dict[str, Any] = {
    "id": "ten_1", "name": "Research", "is_suspended": False, "created_at": AT,
    "quota": {"devices": 4, "replicas": None, "storage_bytes": None},
}  # fmt: skip
PROJECT = {**TENANT, "id": "prj_1", "name": "search", "description": "Finds things"}
ROLE = {"id": "rol_1", "name": "log reader", "is_template": False, "actions": ["logs:read"]}
ANN: dict[str, Any] = {
    "id": "usr_1", "name": "ann", "kind": "user", "is_disabled": False, "created_at": AT,
    "roles": ["viewer"], "own_role_ids": ["rol_1"], "project_roles": {"prj_1": ["deployer"]},
}  # fmt: skip
BOT = {**ANN, "id": "sva_1", "name": "bot", "kind": "service-account"}


@pytest.fixture
def catalog(server: Scripted) -> Scripted:
    for path, item in (
        ("tenants", TENANT),
        ("projects", PROJECT),
        ("users", ANN),
        ("members", ANN),
        ("roles", ROLE),
        ("service-accounts", BOT),
    ):
        place = f"/api/v1/{path}"
        server.items(place, item)
        server.on("POST", place, item, status=201)
        for each in (f"{place}/{item['id']}", "/api/v1/members/sva_1"):
            server.on("GET", each, item, headers={"etag": '"2"'})
            server.on("PATCH", each, item)
            server.on("DELETE", each, b"", status=204)
    return server


def test_everything_is_listed_with_what_matters_of_it(roundhouse: Command, catalog: Scripted) -> None:
    for group, words in (
        ("tenants", ("Research", "active", "4 devices")),
        ("projects", ("search", "4 devices", "Finds things")),
        ("users", ("ann", "viewer, log reader, deployer in search")),
        ("roles", ("log reader", "this tenant", "logs:read")),
        ("service-accounts", ("bot", "active")),
    ):
        [_, line] = roundhouse(group, "ls").out.splitlines()
        for word in words:
            assert word in line


@pytest.mark.parametrize(
    ("typed", "method", "path", "sent"),
    [
        (("tenants", "create", "T", "--devices", "8", "--storage", "2GiB", "--administrator", "ann"), "POST", "tenants",
         {"name": "T", "quota": {"devices": 8, "storage_bytes": 2**31}, "administrators": ["usr_1"]}),
        (("tenants", "set", "Research", "--suspend", "--devices", "none"), "PATCH", "tenants/ten_1",
         {"is_suspended": True, "quota": {"devices": None}}),
        (("projects", "create", "p", "--replicas", "3"), "POST", "projects", {"name": "p", "quota": {"replicas": 3}}),
        (("projects", "set", "search", "--name", "find"), "PATCH", "projects/prj_1", {"name": "find"}),
        (("users", "create", "eve", "--role", "user", "--project-role", "search=deployer"), "POST", "users",
         {"name": "eve", "roles": ["user"], "project_roles": {"prj_1": ["deployer"]}}),
        (("users", "add", "eve", "--own-role", "log reader"), "POST", "members",
         {"name": "eve", "own_role_ids": ["rol_1"]}),
        (("users", "set", "ann", "--role", "none"), "PATCH", "members/usr_1", {"roles": []}),
        (("users", "set", "ann", "--disable"), "PATCH", "users/usr_1", {"is_disabled": True}),
        (("roles", "create", "r", "--action", "logs:read"), "POST", "roles", {"name": "r", "actions": ["logs:read"]}),
        (("roles", "set", "log reader", "--action", "keys:read"), "PATCH", "roles/rol_1", {"actions": ["keys:read"]}),
        (("service-accounts", "create", "b", "--role", "user"), "POST", "service-accounts",
         {"name": "b", "roles": ["user"]}),
        (("service-accounts", "set", "bot", "--role", "viewer"), "PATCH", "members/sva_1", {"roles": ["viewer"]}),
    ],
)  # fmt: skip
def test_what_is_typed_is_what_is_sent(
    roundhouse: Command, catalog: Scripted, typed: tuple[str, ...], method: str, path: str, sent: dict[str, Any]
) -> None:
    roundhouse(*typed)
    asked = catalog.last(method)
    assert (asked.path, asked.body) == (f"/api/v1/{path}", sent)


@pytest.mark.parametrize(
    ("group", "name"),
    [("tenants", "Research"), ("projects", "search"), ("users", "ann"), ("roles", "log reader"),
     ("service-accounts", "bot")],
)  # fmt: skip
def test_what_is_removed_is_named(roundhouse: Command, catalog: Scripted, group: str, name: str) -> None:
    assert f"{name} is " in roundhouse(group, "rm", name).err


def test_an_amount_that_is_none_is_explained(roundhouse: Command, catalog: Scripted) -> None:
    assert "write e.g. 8, 500GiB or none" in roundhouse.fails("tenants", "create", "T", "--devices", "many").err
