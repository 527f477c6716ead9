"""`roundhouse providers` and `roundhouse admin secrets` against a scripted catalog."""

import io
from pathlib import Path
from typing import Any

import pytest

from roundhouse_common.secret_box import SecretBox, new_secrets_key
from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

PATH = "/api/v1/providers"
KEY: dict[str, Any] = {"id": "pky_" + "1" * 32, "name": "", "last_four": "1234", "created_at": "2026-11-01T00:00:00Z"}
PROVIDER: dict[str, Any] = {
    "id": "prv_" + "a" * 32,
    "name": "together",
    "format": "openai",
    "base_url": "https://api.together.xyz/v1",
    "keys": [KEY],
    "headers": {"x-team": "a", "x-old": "b"},
    "features": [],
    "in_flight_most": 0,
    "is_platform": False,
    "created_at": "2026-11-01T00:00:00Z",
}
ONE = f"{PATH}/{PROVIDER['id']}"


@pytest.fixture
def catalog(server: Scripted) -> Scripted:
    server.items(PATH, PROVIDER)
    server.on("GET", ONE, PROVIDER, headers={"etag": '"1"'})
    return server


@pytest.mark.contract("D21")
def test_a_provider_is_created_with_secrets_from_a_file_and_the_environment(
    roundhouse: Command, server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("POST", PATH, PROVIDER, status=201)
    (tmp_path / "keys").write_text("sk-one\n\nsk-two\n")
    monkeypatch.setenv("TOGETHER_KEY", "sk-three")

    result = roundhouse(
        *("providers", "create", "together", "--base-url", "https://api.together.xyz/v1"),
        *("--key-file", str(tmp_path / "keys"), "--key-env", "TOGETHER_KEY", "--header", "X-Team=a"),
    )

    assert result.code == 0
    body = server.last("POST").body
    assert [key["secret"] for key in body["keys"]] == ["sk-one", "sk-two", "sk-three"]
    assert (body["format"], body["headers"], body["is_platform"]) == ("openai", {"X-Team": "a"}, False)
    assert "sk-one" not in result.out + result.err


def test_a_key_is_read_from_stdin(roundhouse: Command, catalog: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog.on("POST", f"{ONE}/keys", KEY, status=201)
    monkeypatch.setattr("sys.stdin", io.StringIO("sk-piped-secret\n"))

    result = roundhouse("providers", "keys", "add", "together", "--name", "second")

    assert result.code == 0
    assert catalog.last("POST").body == {"secret": "sk-piped-secret", "name": "second"}
    assert "sk-piped" not in result.out + result.err


def test_no_option_takes_a_secret(roundhouse: Command) -> None:
    for command in (("providers", "create"), ("providers", "keys", "add")):
        assert "--key " not in roundhouse(*command, "--help").out


@pytest.mark.parametrize("option", [("--key-file", "none"), ("--key-env", "ROUNDHOUSE_NO_SUCH")])
def test_a_secret_that_is_not_there_is_named(roundhouse: Command, option: tuple[str, str]) -> None:
    result = roundhouse.fails("providers", "create", "x", "--base-url", "http://x/v1", *option)

    assert option[1] in result.err


def test_listing_shows_endings_only(roundhouse: Command, catalog: Scripted) -> None:
    result = roundhouse("providers", "ls")

    assert "https://api.together.xyz/v1" in result.out
    assert "...1234" in result.out
    assert roundhouse("providers", "keys", "ls", "together").out.split()[-2] == "1234"


def test_changes_are_laid_over_what_there_is(roundhouse: Command, catalog: Scripted) -> None:
    catalog.on("PATCH", ONE, PROVIDER)

    result = roundhouse(
        "providers", "set", "together", "--header", "X-New=c", "--unset-header", "x-old", "--in-flight-most", "7"
    )

    assert result.code == 0
    assert catalog.last("PATCH").body == {"in_flight_most": 7, "headers": {"x-team": "a", "x-new": "c"}}
    assert "Say what to change" in roundhouse.fails("providers", "set", "together").err


def test_a_key_is_removed_by_its_ending(roundhouse: Command, catalog: Scripted) -> None:
    catalog.on("DELETE", f"{ONE}/keys/{KEY['id']}", b"", status=204)

    result = roundhouse("providers", "keys", "rm", "together", "1234")

    assert (result.code, catalog.last("DELETE").path) == (0, f"{ONE}/keys/{KEY['id']}")
    assert "0 are left" in result.err


def test_a_provider_that_routes_need_stays(roundhouse: Command, catalog: Scripted) -> None:
    detail = 'The provider "together" is a target of the routes chat. Change these first.'
    catalog.on("DELETE", ONE, {"detail": detail, "code": "provider_in_use"}, status=409)

    assert detail in roundhouse.fails("providers", "rm", "together").err


@pytest.mark.parametrize("is_usable", [True, False])
def test_a_check_shows_every_key_and_fails_when_none_is_taken(
    roundhouse: Command, catalog: Scripted, is_usable: bool
) -> None:
    check = {"key_id": KEY["id"], "last_four": "1234", "result": "ok" if is_usable else "refused", "detail": "401: bad"}
    catalog.on("POST", f"{ONE}:check", {"is_usable": is_usable, "checks": [check], "models": ["a"] * is_usable})

    result = roundhouse("providers", "check", "together")

    assert result.code == (0 if is_usable else 1)
    assert check["result"] in result.out


def test_keys_are_rotated_and_pruned(roundhouse: Command, server: Scripted, tmp_path: Path) -> None:
    file, old = tmp_path / "keys", new_secrets_key(lambda count: b"o" * count)
    file.touch(mode=0o600)
    file.write_text(f"# ours\n{old}\n")
    sealed = SecretBox([old]).seal("sk")
    server.on("POST", f"{PATH}:reseal", {"resealed": 2, "total": 2})

    assert roundhouse("admin", "secrets", "rotate", "--file", str(file)).code == 0
    keys = [line for line in file.read_text().splitlines() if line[0] != "#"]
    assert (len(keys), keys[1], file.stat().st_mode & 0o777) == (2, old, 0o600)
    assert SecretBox(keys).open(sealed) == "sk"
    assert "nothing is removed yet" in roundhouse("admin", "secrets", "prune", "--file", str(file)).err
    assert file.read_text().count("\n") == 3

    server.answers.clear()
    server.on("POST", f"{PATH}:reseal", {"resealed": 0, "total": 2})
    assert roundhouse("admin", "secrets", "prune", "--file", str(file)).code == 0
    assert file.read_text().splitlines() == keys[:1]


def test_rotating_a_file_that_the_catalog_does_not_read_is_told(
    roundhouse: Command, server: Scripted, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.touch(mode=0o600)
    file.write_text(new_secrets_key(lambda count: b"o" * count))
    server.on("POST", f"{PATH}:reseal", {"resealed": 0, "total": 2})

    result = roundhouse("admin", "secrets", "rotate", "--file", str(file))

    assert (result.code, "it reads another file" in result.err) == (1, True)


def test_a_file_that_others_can_read_is_not_rotated(roundhouse: Command, server: Scripted, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(new_secrets_key(lambda count: b"o" * count))
    file.chmod(0o644)

    assert "chmod 600" in roundhouse.fails("admin", "secrets", "rotate", "--file", str(file)).err
    assert server.asked == []
