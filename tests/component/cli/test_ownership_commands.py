"""Giving things away, successors of those who leave, and identity providers, against a scripted catalog."""

from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

MEMBERS, PROVIDERS = "/api/v1/members", "/api/v1/oidc-providers"
ANN, BOB = ({"id": f"usr_{name}", "name": name} for name in ("ann", "bob"))
PROVIDER: dict[str, Any] = {
    "id": "idp_1",
    "name": "corporate",
    "issuer": "https://login.example.org",
    "client_id": "roundhouse",
    "is_enabled": True,
    "rules": {"group_roles": [{"group": "ml", "tenant_id": "", "roles": ["viewer"]}], "needs_group": True},
    "callback_url": "https://us.example.org/callback",
    "created_at": "2026-11-21T09:00:00.000Z",
}


@pytest.fixture
def catalog(server: Scripted) -> Scripted:
    server.items(MEMBERS, ANN, BOB)
    server.items(PROVIDERS, PROVIDER)
    server.items("/api/v1/tenants", {"id": "ten_2", "name": "research"})
    server.on("GET", f"{PROVIDERS}/idp_1", PROVIDER, headers={"etag": '"4"'})
    return server


@pytest.mark.contract("B10")
def test_things_are_listed_given_and_taken_over(roundhouse: Command, catalog: Scripted) -> None:
    owned = {"kind": "project", "id": "prj_1", "name": "search", "project_id": "", "owner_id": "usr_ann"}
    catalog.items(f"{MEMBERS}/usr_ann/belongings", owned)
    assert "search" in roundhouse("users", "owns", "ann").out
    catalog.items("/api/v1/projects", {"id": "prj_1", "name": "search"})
    catalog.on("POST", "/api/v1/projects/prj_1:transfer", owned)
    assert "search is bob's now" in roundhouse("give", "project", "search", "--to", "bob").err
    assert catalog.last("POST").body == {"user_id": "usr_bob"}
    catalog.on("DELETE", f"{MEMBERS}/usr_ann", {})
    assert roundhouse("users", "rm", "ann", "--successor", "bob").code == 0
    assert catalog.last("DELETE").query == {"successor": "usr_bob"}
    failed = roundhouse.fails("users", "rm", "ann", "--successor", "bob", "--abandon")
    assert "exclude each other" in failed.err


@pytest.mark.contract("E07")
def test_identity_providers_are_added_changed_and_checked(
    roundhouse: Command, catalog: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDP_SECRET", "s3cret")
    catalog.on("POST", PROVIDERS, PROVIDER, status=201)
    added = roundhouse(
        *("login-providers", "add", "corporate", "--issuer", "https://login.example.org", "--client-id", "roundhouse"),
        *("--secret-env", "IDP_SECRET", "--group", "ml=research:deployer,user", "--group", "root=operator"),
        "--create-users",
    )
    assert PROVIDER["callback_url"] in added.err
    sent = catalog.last("POST").body
    assert sent["client_secret"] == "s3cret"
    assert sent["rules"] == {
        "group_roles": [
            {"group": "ml", "tenant_id": "ten_2", "roles": ["deployer", "user"]},
            {"group": "root", "roles": ["operator"]},
        ],
        "creates_users": True,
    }
    assert "ml" in roundhouse("login-providers", "ls").out
    catalog.on("PUT", f"{PROVIDERS}/idp_1", PROVIDER)
    assert roundhouse("login-providers", "set", "corporate", "--disable").code == 0
    put = catalog.last("PUT")
    assert (put.headers["if-match"], put.body["is_enabled"], put.body["rules"]) == ('"4"', False, PROVIDER["rules"])
    checked = {"is_usable": False, "error": "it answered 404", "keys": 0}
    catalog.on("POST", f"{PROVIDERS}/idp_1:check", checked)
    assert "it answered 404" in roundhouse.fails("login-providers", "check", "corporate").err
    catalog.on("DELETE", f"{PROVIDERS}/idp_1", {})
    assert roundhouse("login-providers", "rm", "corporate").code == 0
