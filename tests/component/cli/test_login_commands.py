"""Logging in and out from the command line, against a scripted catalog."""

import io
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from roundhouse_cli.browser_login import log_in_with_browser
from roundhouse_cli.connection import Connection
from roundhouse_cli.credentials import tokens_for
from roundhouse_cli.errors import Failure
from roundhouse_cli.local.secrets import Secrets
from roundhouse_cli.saved_login import Kept, SavedLogin
from roundhouse_common.auth.tokens import TokenVerifier
from roundhouse_common.runtime import SystemClock
from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted
from tests.support.hand_clock import HandClock

ME = {"id": "usr_ann", "name": "ann", "tenant_id": "ten_default"}


@pytest.fixture
def roundhouse(roundhouse: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command of somebody who is not logged in."""
    monkeypatch.delenv("ROUNDHOUSE_TOKEN", raising=False)
    return roundhouse


def tokens(number: int, *, expires_at: str = "2100-01-01T00:00:00Z") -> dict[str, Any]:
    return {
        "access_token": f"access-{number}",
        "refresh_token": f"refresh-{number}",
        "expires_at": expires_at,
        "expires_in": 300,
        "session_id": "ses_1",
        "tenant_id": "ten_default",
        "user_id": "usr_ann",
    }


def types(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def login_files(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "config" / "logins").glob("*.json"))


def bearers(server: Scripted, path: str) -> list[str]:
    return [asked.headers.get("authorization", "") for asked in server.asked if asked.path == path]


def test_login_lasts_for_the_commands_that_follow_until_logout(
    roundhouse: Command, server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("POST", "/api/v1/sessions", tokens(1), status=201)
    server.on("GET", "/api/v1/me", ME)
    types(monkeypatch, "the password")
    assert roundhouse("login", "--user", "ann", "--password-stdin").code == 0
    [file] = login_files(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert "the password" not in file.read_text()
    shown = roundhouse("whoami", "-o", "json").json
    assert shown["credentials"] == "`roundhouse login`"
    assert bearers(server, "/api/v1/me") == ["Bearer access-1"]
    server.on("DELETE", "/api/v1/sessions/current", None, status=204)
    assert roundhouse("logout").code == 0
    assert bearers(server, "/api/v1/sessions/current") == ["Bearer access-1"]
    assert login_files(tmp_path) == []
    assert roundhouse("logout").code == 0


def test_wrong_password_is_one_line(roundhouse: Command, server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    server.on(
        "POST", "/api/v1/sessions", {"detail": "They do not belong together.", "code": "login_refused"}, status=401
    )
    types(monkeypatch, "wrong")
    assert "do not belong together" in roundhouse.fails("login", "--user", "ann", "--password-stdin").err


def test_first_password_is_changed_on_the_way(
    roundhouse: Command, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = {"detail": "choose your own", "code": "password_change_required"}
    server.on("POST", "/api/v1/sessions", problem, status=403)
    types(monkeypatch, "given")
    assert "choose your own" in roundhouse.fails("login", "--user", "ann", "--password-stdin").err
    server.on("POST", "/api/v1/password:change", None, status=204)
    types(monkeypatch, "given", "my own long one")
    roundhouse("login", "--user", "ann", "--password-stdin")
    [changed] = [asked for asked in server.asked if asked.path == "/api/v1/password:change"]
    assert changed.body == {"login_name": "ann", "password": "given", "new_password": "my own long one"}


def test_token_that_ends_soon_is_refreshed_once_by_many(server: Scripted, tmp_path: Path) -> None:
    server.on("POST", "/api/v1/sessions:refresh", tokens(2))
    with httpx.Client(trust_env=False) as http:
        saved = SavedLogin(tmp_path / "login.json", http, server.url, SystemClock())
        saved.save(Kept(catalog_url=server.url).with_tokens(tokens(1, expires_at="2020-01-01T00:00:00Z")))
        found: list[str] = []
        threads = [threading.Thread(target=lambda: found.append(saved.current())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == ["access-2"] * 8
    assert [asked.body for asked in server.asked] == [{"refresh_token": "refresh-1"}]


def test_login_that_has_ended_is_forgotten(server: Scripted, tmp_path: Path) -> None:
    server.on("POST", "/api/v1/sessions:refresh", {"detail": "ended"}, status=401)
    with httpx.Client(trust_env=False) as http:
        saved = SavedLogin(tmp_path / "login.json", http, server.url, SystemClock())
        saved.save(Kept(catalog_url=server.url).with_tokens(tokens(1, expires_at="2020-01-01T00:00:00Z")))
        with pytest.raises(Failure, match="roundhouse login"):
            saved.current()
        assert saved.read() is None


def test_personal_token_of_the_environment_is_exchanged_once_per_command(
    roundhouse: Command, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("POST", "/api/v1/sessions:exchange", tokens(7))
    server.on("GET", "/api/v1/me", ME)
    monkeypatch.setenv("ROUNDHOUSE_TOKEN", "rhp-secret")
    assert roundhouse("whoami").code == 0
    assert bearers(server, "/api/v1/me") == ["Bearer access-7"]
    assert [asked.body for asked in server.asked if asked.method == "POST"] == [{"token": "rhp-secret"}]


def test_local_commands_sign_for_themselves(tmp_path: Path) -> None:
    clock, secrets = HandClock(), Secrets(tmp_path / "secrets")
    secrets.ensure(())
    connection = Connection(
        router_url="", catalog_url="http://x", scheduler_url="", metering_url="", source=tmp_path / "connection.json"
    )
    with httpx.Client() as http:
        given = tokens_for(connection, {"ROUNDHOUSE_CONFIG_DIR": str(tmp_path)}, http, clock)
    verifier = TokenVerifier.from_file(secrets.token_public, clock=clock)
    first = given.current()
    assert verifier.verify(first).id == "usr_admin"
    clock.at += 200
    assert given.current() == first
    clock.at += 80
    assert given.current() != first
    assert secrets.first_password.stat().st_mode & 0o777 == 0o600


def test_browser_brings_the_code_to_a_port_of_this_machine(server: Scripted) -> None:
    server.on("POST", "/api/v1/sessions:redeem", tokens(3), status=201)

    def browse(address: str) -> bool:
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        threading.Thread(target=come_back, args=(query["redirect_uri"], query["state"])).start()
        return True

    def come_back(redirect_uri: str, state: str) -> None:
        httpx.get(f"{redirect_uri}favicon.ico", trust_env=False)
        httpx.get(redirect_uri, params={"code": "the-code", "state": state}, trust_env=False)

    with httpx.Client(trust_env=False) as http:
        given = log_in_with_browser(http, server.url, "corporate", tenant="", tell=lambda _: None, open_browser=browse)
    assert given["access_token"] == "access-3"
    [redeemed] = [asked.body for asked in server.asked]
    assert redeemed["code"] == "the-code"
    assert len(redeemed["code_verifier"]) >= 43


def test_answer_of_another_login_is_not_taken(server: Scripted) -> None:
    def browse(address: str) -> bool:
        [redirect_uri] = parse_qs(urlsplit(address).query)["redirect_uri"]
        params = {"code": "theirs", "state": "theirs"}
        threading.Thread(target=httpx.get, args=(redirect_uri,), kwargs={"params": params, "trust_env": False}).start()
        return True

    with httpx.Client(trust_env=False) as http, pytest.raises(Failure, match="another login"):
        log_in_with_browser(http, server.url, "corporate", tenant="", tell=lambda _: None, open_browser=browse)
    assert server.asked == []


def test_created_token_is_shown_once(roundhouse: Command, server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDHOUSE_TOKEN", "access")
    server.on("POST", "/api/v1/tokens", {"secret": "rhp-new", "id": "tok_1"}, status=201)
    assert roundhouse("tokens", "create", "job", "--expires", "30d").out.strip() == "rhp-new"
    assert roundhouse("tokens", "access").out.strip() == "access"
    assert server.asked[-1].body["name"] == "job"
