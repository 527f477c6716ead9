"""`roundhouse node`: a host joins with a token, and what it keeps of that."""

import json
import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from roundhouse_cli.connection import Connection
from roundhouse_cli.errors import Refused
from roundhouse_cli.node.home import NodeHome, default_home
from roundhouse_cli.node.join import Joining, join
from roundhouse_common.nats_auth.credentials import Credentials
from roundhouse_common.nats_auth.keys import public_key
from roundhouse_common.service.settings import check_names
from roundhouse_node_agent.settings import NodeAgentSettings
from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

ANSWER = {
    "node_id": "nod_two",
    "admission": "approved",
    "nats_urls": ["nats://10.0.0.5:8805"],
    "credentials": "head.body.signature",
}
TOKEN = "rhj-1-secret"


@pytest.fixture
def home(tmp_path: Path) -> NodeHome:
    return NodeHome(tmp_path / "node")


def joined(server: Scripted, home: NodeHome, **wanted: Any) -> Any:
    connection = Connection(
        router_url=server.url, catalog_url=server.url, scheduler_url=server.url, metering_url=server.url
    )
    return join(home, connection, Joining(**{"token": TOKEN, **wanted}))


def test_the_secret_key_stays_on_the_host(server: Scripted, home: NodeHome) -> None:
    server.on("POST", "/api/v1/nodes:join", ANSWER)

    joined(server, home)

    kept = Credentials.parse(home.credentials.read_text())
    said = server.last("POST").body
    assert kept.jwt == "head.body.signature"
    assert said["public_key"] == public_key(kept.seed)
    assert kept.seed not in json.dumps(said)
    assert "authorization" not in server.last("POST").headers


def test_what_is_kept_is_private(server: Scripted, home: NodeHome) -> None:
    server.on("POST", "/api/v1/nodes:join", ANSWER)

    joined(server, home)

    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    files = [path for path in home.path.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert not [path for path in files if TOKEN in path.read_text()]


def test_the_agent_gets_settings_that_it_has(server: Scripted, home: NodeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    server.on("POST", "/api/v1/nodes:join", ANSWER)
    joined(server, home, labels={"disk": "a b'c"}, region="eu", zone="a", address="10.0.0.7")

    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    settings = NodeAgentSettings()
    check_names(NodeAgentSettings, home.environment())
    assert (settings.node_id, settings.nats_url) == ("nod_two", "nats://10.0.0.5:8805")
    assert (settings.labels, settings.region, settings.zone) == ({"disk": "a b'c"}, "eu", "a")
    assert (settings.address, settings.engine_host) == ("10.0.0.7", "10.0.0.7")
    assert settings.nats_seed_file == home.credentials


def test_engines_listen_where_the_host_speaks_to_the_platform_from(server: Scripted, home: NodeHome) -> None:
    server.on("POST", "/api/v1/nodes:join", ANSWER)

    joined(server, home)

    assert home.settings()["ENGINE_HOST"] == urlsplit(server.url).hostname


def test_a_lost_answer_can_be_asked_for_again_with_the_same_key(server: Scripted, home: NodeHome) -> None:
    server.on("POST", "/api/v1/nodes:join", {"detail": "the database is busy"}, status=503)
    with pytest.raises(Refused):
        joined(server, home)
    lost = server.last("POST").body["public_key"]
    server.answers.clear()
    server.on("POST", "/api/v1/nodes:join", ANSWER)

    joined(server, home)

    assert server.last("POST").body["public_key"] == lost


def test_another_token_is_used_with_another_key_and_the_same_node(server: Scripted, home: NodeHome) -> None:
    server.on("POST", "/api/v1/nodes:join", ANSWER)

    joined(server, home)
    first = server.last("POST").body
    joined(server, home, token="rhj-2-secret")

    assert server.last("POST").body["node_id"] == "nod_two"
    assert server.last("POST").body["public_key"] != first["public_key"]


def test_joining_again_keeps_what_was_set_by_hand(server: Scripted, home: NodeHome) -> None:
    server.on("POST", "/api/v1/nodes:join", ANSWER)
    joined(server, home, region="eu")
    with home.environment_file.open("a") as file:
        file.write("ROUNDHOUSE_NODE_AGENT_STOP_GRACE_S=3\n")

    joined(server, home, token="rhj-2-secret")

    assert (home.settings()["STOP_GRACE_S"], home.settings()["REGION"]) == ("3", "eu")


def test_a_refused_token_leaves_the_credentials_that_there_are(
    roundhouse: Command, server: Scripted, home: NodeHome
) -> None:
    server.on("POST", "/api/v1/nodes:join", ANSWER)
    joined(server, home)
    before = home.credentials.read_bytes()
    server.answers.clear()
    server.on("POST", "/api/v1/nodes:join", {"detail": "join token jtk_1 has expired"}, status=403)

    with pytest.raises(Refused, match="has expired"):
        joined(server, home, token="rhj-2-secret")
    assert home.credentials.read_bytes() == before


@pytest.mark.parametrize("command", [("run",), ("unit",)])
def test_a_host_that_has_not_joined_is_told_how(roundhouse: Command, home: NodeHome, command: tuple[str, ...]) -> None:
    failed = roundhouse.fails("node", *command, "--state-dir", str(home.path))

    assert "nodes join-token" in failed.err
    assert "node join" in failed.err


def test_a_unit_leaves_engines_running_and_a_removed_node_alone(
    roundhouse: Command, server: Scripted, home: NodeHome
) -> None:
    server.on("POST", "/api/v1/nodes:join", ANSWER)
    joined(server, home)

    unit = roundhouse("node", "unit", "--state-dir", str(home.path)).out
    assert "KillMode=process" in unit
    assert "RestartPreventExitStatus=4 5" in unit
    assert f"node run --state-dir {home.path}" in unit


def test_stopping_where_nothing_runs_is_no_error(roundhouse: Command, home: NodeHome) -> None:
    assert roundhouse("node", "stop", "--state-dir", str(home.path)).code == 0


def test_a_url_that_is_none_is_told(roundhouse: Command, home: NodeHome) -> None:
    failed = roundhouse.fails("node", "join", "https://x", "--token", TOKEN, "--state-dir", str(home.path))

    assert failed.code == 2


def test_root_and_users_keep_it_at_their_usual_places() -> None:
    assert default_home({}, 0) == Path("/var/lib/roundhouse/node")
    assert default_home({"HOME": "/home/a"}, 1000) == Path("/home/a/.local/state/roundhouse/node")
    assert default_home({"HOME": "/home/a", "XDG_STATE_HOME": "/s"}, 1000) == Path("/s/roundhouse/node")
