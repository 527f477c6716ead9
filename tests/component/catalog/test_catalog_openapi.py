"""The committed OpenAPI document is the one that the code makes, and a client can rely on it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from roundhouse_catalog.api.app import openapi_document
from tests.component.catalog.world import API, World

GOLDEN = Path(__file__).resolve().parents[3] / "docs" / "reference" / "openapi-catalog.json"


def test_the_committed_document_is_current() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "roundhouse_catalog", "openapi"], capture_output=True, text=True, check=True
    ).stdout
    assert GOLDEN.read_text(encoding="utf-8") == printed, (
        "the REST API changed; if that was meant: "
        f".venv/bin/python -m roundhouse_catalog openapi > {GOLDEN.relative_to(GOLDEN.parents[2])}"
    )


@pytest.mark.contract("A02")
async def test_the_served_document_is_the_committed_one(sqlite_world: World) -> None:
    served = (await sqlite_world.get("/openapi.json")).json()
    assert served == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_every_write_that_is_not_safe_to_repeat_takes_an_idempotency_key() -> None:
    without = [
        path
        for path, operations in openapi_document()["paths"].items()
        if "post" in operations
        and "idempotency-key" not in [parameter["name"] for parameter in operations["post"].get("parameters", [])]
    ]
    assert without == [
        f"{API}/models/{{model_id}}:inspect",
        f"{API}/deployments:validate",
        f"{API}/routes:preview",
        f"{API}/providers:reseal",
        f"{API}/providers/{{provider_id}}:check",
        f"{API}/audit:seal",
        f"{API}/answer-cache:clear",
        f"{API}/bus:rebuild",
        f"{API}/sessions",
        f"{API}/sessions:refresh",
        f"{API}/sessions:sign-out-everywhere",
        f"{API}/password:change",
        f"{API}/sessions:exchange",
        f"{API}/users/{{user_id}}/password:reset",
        f"{API}/users/{{user_id}}:sign-out",
        f"{API}/signing-keys:rotate",
        f"{API}/oidc-providers/{{provider_id}}:check",
        f"{API}/login/oidc/{{name}}/backchannel-logout",
        f"{API}/sessions:redeem",
        f"{API}/dead-letters/{{letter_id}}:replay",
    ]


def test_every_change_takes_if_match() -> None:
    paths = openapi_document()["paths"]
    patches = {path: operations["patch"] for path, operations in paths.items() if "patch" in operations}
    assert set(patches) == {
        f"{API}/models/{{model_id}}",
        f"{API}/deployments/{{deployment_id}}",
        f"{API}/api-keys/{{key_id}}",
        f"{API}/routes/{{route_id}}",
        f"{API}/limits/{{limit_id}}",
        f"{API}/providers/{{provider_id}}",
        f"{API}/tenants/{{tenant_id}}",
        f"{API}/projects/{{project_id}}",
        f"{API}/users/{{user_id}}",
        f"{API}/members/{{user_id}}",
        f"{API}/service-accounts/{{account_id}}",
        f"{API}/roles/{{role_id}}",
    }
    for operation in patches.values():
        assert "if-match" in [parameter["name"] for parameter in operation["parameters"]]
        assert {"412", "428"} <= operation["responses"].keys()
