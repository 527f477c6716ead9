"""How a command finds its server."""

import json
from pathlib import Path

import pytest

from roundhouse_cli.connection import Connection, find_connection
from roundhouse_cli.errors import Failure, UsageFault
from roundhouse_cli.local.layout import Ports


def saved(directory: Path, base_port: int) -> Connection:
    connection = Connection.of_ports(Ports(base_port), api_key="rh-key")
    (directory / ".roundhouse").mkdir(parents=True)
    connection.save(directory / ".roundhouse" / "connection.json")
    return connection


def test_it_is_saved_privately_with_exactly_the_documented_fields(tmp_path: Path) -> None:
    saved(tmp_path, 9000)

    path = tmp_path / ".roundhouse" / "connection.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text()) == {
        "router_url": "http://127.0.0.1:9000",
        "catalog_url": "http://127.0.0.1:9001",
        "scheduler_url": "http://127.0.0.1:9002",
        "metering_url": "http://127.0.0.1:9003",
        "console_url": "http://127.0.0.1:9006",
        "api_key": "rh-key",
    }


def test_the_nearest_file_upward_is_taken(tmp_path: Path) -> None:
    saved(tmp_path, 9000)
    saved(tmp_path / "project", 9100)
    deep = tmp_path / "project" / "a" / "b"
    deep.mkdir(parents=True)

    assert find_connection("", {}, deep).router_url == "http://127.0.0.1:9100"
    assert find_connection("", {}, tmp_path).router_url == "http://127.0.0.1:9000"


def test_a_file_named_in_the_environment_goes_before_the_nearest(tmp_path: Path) -> None:
    saved(tmp_path, 9000)
    saved(tmp_path / "other", 9100)
    named = {"ROUNDHOUSE_CONNECTION": str(tmp_path / "other" / ".roundhouse" / "connection.json")}

    assert find_connection("", named, tmp_path).router_url == "http://127.0.0.1:9100"


@pytest.mark.parametrize("url", ["http://[::1]:9200", "http://example.org:9200/", "example.org:9200"])
def test_a_url_is_the_routers_and_the_others_follow_it(url: str, tmp_path: Path) -> None:
    saved(tmp_path, 9000)

    found = find_connection(url, {"ROUNDHOUSE_API_KEY": "rh-mine"}, tmp_path)

    assert found.router_url.rpartition(":")[2] == "9200"
    assert found.metering_url.rpartition(":")[2] == "9203"
    assert found.catalog_url.startswith(("http://[::1]:", "http://example.org:"))


def test_credentials_of_a_file_are_not_sent_to_the_server_of_a_url(tmp_path: Path) -> None:
    saved(tmp_path, 9000)

    found = find_connection("http://example.org:9200", {}, tmp_path)

    assert (found.api_key, found.secrets_dir) == ("", None)


@pytest.mark.parametrize("url", ["https://example.org:1", "http://example.org", "ftp://x:1"])
def test_a_url_that_does_not_say_the_ports_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="ROUNDHOUSE_CONNECTION"):
        find_connection(url, {}, tmp_path)


@pytest.mark.parametrize(("text", "what"), [("{", "not valid JSON"), ('{"router_url": ""}', "lacks 'catalog_url'")])
def test_a_broken_file_is_named(text: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "connection.json"
    path.write_text(text)

    with pytest.raises(Failure, match=what) as failure:
        find_connection("", {"ROUNDHOUSE_CONNECTION": str(path)}, tmp_path)
    assert str(path) in str(failure.value)


def test_secrets_are_not_in_the_representation() -> None:
    shown = repr(Connection.of_ports(Ports(9000), api_key="rh-key"))

    assert "rh-key" not in shown
