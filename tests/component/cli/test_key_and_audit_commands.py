"""`roundhouse keys` and `roundhouse audit` against a scripted catalog."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

KEYS, AUDIT = "/api/v1/api-keys", "/api/v1/audit"
KEY: dict[str, Any] = {
    "id": "key_" + "a" * 32,
    "name": "laptop",
    "prefix": "rh-Ab12",
    "last_four": "wxyz",
    "deployment_ids": [],
    "models": ["llama-*"],
    "ip_ranges": ["10.0.0.0/8"],
    "expires_at": None,
    "is_revoked": False,
    "created_at": "2026-11-21T09:00:00.000Z",
}
ENTRY: dict[str, Any] = {
    "at": "2026-11-21T09:00:00.000Z",
    "actor": "user:usr_admin",
    "client_address": "10.0.0.5",
    "action": "deployment.change",
    "object_name": "smol",
    "object_id": "dep_1",
    "outcome": "done",
    "reason": "",
    "change": {"replicas": [1, 3]},
}
BUDGET: dict[str, Any] = {
    "id": "bud_1",
    "name": "laptop, monthly",
    "scope": "key",
    "scope_id": KEY["id"],
    "unit": "tokens",
    "period": "month",
    "amount": 1000,
    "is_hard": True,
    "spent": 400,
    "left": 600,
    "period_end": "2026-12-01T00:00:00.000Z",
}
HEAD = {"sequence": 7, "hash": "ab" * 32}


@pytest.fixture
def catalog(server: Scripted) -> Scripted:
    server.items(KEYS, KEY)
    server.on("GET", f"{KEYS}/{KEY['id']}", {**KEY, "limits": []})
    server.on("POST", f"{KEYS}/{KEY['id']}:rotate", {**KEY, "secret": "rh-new"})
    server.on("PATCH", f"{KEYS}/{KEY['id']}", KEY)
    server.on("POST", KEYS, {**KEY, "secret": "rh-secret"}, status=201)
    server.items(AUDIT, ENTRY)
    server.on("GET", f"{AUDIT}:head", HEAD)
    server.on("POST", f"{AUDIT}:seal", {"removed": 5, "sealed": HEAD})
    return server


@pytest.mark.contract("B12")
def test_a_key_is_created_shown_changed_and_rotated(roundhouse: Command, catalog: Scripted) -> None:
    made = roundhouse("keys", "create", "laptop", "--model", "llama-*", "--ip-range", "10.0.0.0/8", "--priority", "5")
    assert made.out.strip() == "rh-secret"
    assert catalog.last("POST").body == {
        "name": "laptop",
        "models": ["llama-*"],
        "ip_ranges": ["10.0.0.0/8"],
        "priority": 5,
    }
    assert "llama-*; from 10.0.0.0/8" in roundhouse("keys", "ls").out
    catalog.items("/api/v1/budgets", {**BUDGET, "webhook_url": "https://hooks.test/x"})
    shown = roundhouse("keys", "show", "laptop", "-o", "json").json
    assert (shown["id"], shown["budgets"]) == (KEY["id"], [BUDGET])
    assert catalog.last("GET").query["key_id"] == KEY["id"]
    assert roundhouse("keys", "set", "laptop", "--any-model", "--expires", "never").code == 0
    assert catalog.last("PATCH").body == {"models": [], "expires_at": None}
    assert roundhouse("keys", "rotate", "laptop", "--overlap", "10m").out.strip() == "rh-new"
    assert catalog.last("POST").body == {"overlap_s": 600.0}


@pytest.mark.contract("E05")
def test_the_audit_is_listed_exported_and_sealed(roundhouse: Command, catalog: Scripted, tmp_path: Path) -> None:
    listed = roundhouse("audit", "ls", "--action", "deployment.", "--since", "1h")
    for cell in ("user:usr_admin", "deployment.change", "smol", "replicas: 1 -> 3"):
        assert cell in listed.out
    assert catalog.last("GET").query["action"] == "deployment."
    catalog.on("GET", f"{AUDIT}:export", (json.dumps(ENTRY) + "\n").encode())
    assert roundhouse("audit", "export", str(tmp_path / "audit.ndjson")).code == 0
    assert json.loads((tmp_path / "audit.ndjson").read_text()) == ENTRY
    assert roundhouse("audit", "head").out.strip() == f"7:{HEAD['hash']}"
    assert "5 entries are removed" in roundhouse("audit", "seal", "365d").err


@pytest.mark.contract("E05")
@pytest.mark.parametrize("command", [("audit", "verify"), ("admin", "verify-audit")])
def test_a_broken_chain_is_a_failure(roundhouse: Command, catalog: Scripted, command: tuple[str, str]) -> None:
    whole = {"is_whole": True, "checked": 7, "sealed": HEAD, "head": HEAD, "broken_at": None, "why": ""}
    catalog.on("GET", f"{AUDIT}:verify", whole)
    assert "7 entries hold" in roundhouse(*command).out
    catalog.answers["GET", f"{AUDIT}:verify"].clear()
    broken = {**whole, "is_whole": False, "head": None, "broken_at": 3, "why": "what it says was changed"}
    catalog.on("GET", f"{AUDIT}:verify", broken)
    failed = roundhouse.fails(*command, "--anchor", f"7:{HEAD['hash']}")
    assert "broken at entry 3: what it says was changed" in failed.err
    assert catalog.last("GET").query == {"anchor": f"7:{HEAD['hash']}"}
