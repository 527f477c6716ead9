"""`deployments show` and `ps`: what is so, where, and why."""

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted
from tests.component.cli.test_commands import DEPLOYMENT, FAILED, KEY, NODE_ID, REPLICA, STATUS

_NODE = {"id": NODE_ID, "hostname": "gpu-one"}


def _deployed(server: Scripted, replica: object, *nodes: object) -> None:
    server.items("/api/v1/deployments", DEPLOYMENT)
    server.items("/api/v1/deployment-statuses", STATUS)
    server.items("/api/v1/replicas", replica)
    server.items("/api/v1/nodes", *nodes)
    server.items("/api/v1/api-keys", KEY)


def test_show_tells_state_reason_replicas_and_the_last_lines_of_a_failed_one(
    roundhouse: Command, server: Scripted
) -> None:
    _deployed(server, FAILED, _NODE)

    shown = roundhouse("deployments", "show", "tiny").out

    assert "Preparing, 0 of 1 ready: no node has 600 MiB free" in shown
    assert "attempt 1, exit code 3: the model file is not a GGUF file" in shown
    assert "  | loading\n  | bad magic\n" in shown


def test_show_asks_for_the_log_where_the_report_has_no_lines(roundhouse: Command, server: Scripted) -> None:
    _deployed(server, {**FAILED, "log_tail": []}, _NODE)
    server.on("GET", f"/api/v1/replicas/{FAILED['id']}/log", {"text": "from the file\n", "next_offset": 14})

    assert "  | from the file\n" in roundhouse("deployments", "show", "tiny").out


def test_show_as_json_has_deployment_status_and_replicas(roundhouse: Command, server: Scripted) -> None:
    _deployed(server, REPLICA)

    shown = roundhouse("deployments", "show", "tiny", "-o", "json").json

    assert shown == {**DEPLOYMENT, "status": STATUS, "replicas": [REPLICA]}


def test_replicas_are_shown_on_hosts_by_name(roundhouse: Command, server: Scripted) -> None:
    _deployed(server, FAILED, _NODE)

    assert "  gpu-one  failed" in roundhouse("ps").out


@pytest.mark.parametrize(("measured", "shown"), [(412 * 2**20, "412 MiB of 600 MiB"), (None, "- of 600 MiB")])
def test_replicas_show_what_they_take_of_what_they_claim(
    roundhouse: Command, server: Scripted, measured: int | None, shown: str
) -> None:
    _deployed(server, {**FAILED, "memory_claimed_bytes": 600 * 2**20, "memory_measured_bytes": measured}, _NODE)

    assert shown in roundhouse("deployments", "show", "tiny").out


def test_nodes_of_one_host_name_are_told_apart_by_id(roundhouse: Command, server: Scripted) -> None:
    _deployed(server, FAILED, _NODE, {**_NODE, "id": "nod_0197aa00000070008000000000000666"})

    assert "  00000555  failed" in roundhouse("ps").out


def test_what_runs_is_not_removed_and_the_way_is_said(roundhouse: Command, server: Scripted) -> None:
    _deployed(server, REPLICA)
    refused = {"detail": "It is to run.", "code": "deployment_running"}
    server.on("DELETE", f"/api/v1/deployments/{DEPLOYMENT['id']}", refused, status=409)

    assert "roundhouse deployments stop tiny" in roundhouse.fails("deployments", "rm", "tiny").err


def test_a_negative_number_of_replicas_is_a_wrong_number(roundhouse: Command, server: Scripted) -> None:
    assert "greater than or equal to 0" in roundhouse.fails("deployments", "scale", "tiny", "-1").err


def test_an_option_before_the_command_is_told_its_place(roundhouse: Command, server: Scripted) -> None:
    assert "options come after the command" in roundhouse.fails("--url", "http://x:1", "ps").err


def test_a_command_without_arguments_shows_its_help_and_no_error(roundhouse: Command, server: Scripted) -> None:
    result = roundhouse("deployments")

    assert "scale" in result.out + result.err
    assert "roundhouse:" not in result.err
