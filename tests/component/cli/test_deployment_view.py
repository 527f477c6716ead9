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


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"failures": 3, "retry_at": "2026-11-21T10:00:00Z"},
            "failed 3 times in a row, of at most 10: it starts again at 2026-11-21T10:00:00Z",
        ),
        (
            {"failures": 10, "is_resting": True, "retry_at": None},
            "failed 10 times in a row, of at most 10: it rests until its version is restarted",
        ),
    ],
)
def test_show_tells_how_much_of_the_failure_budget_is_left(
    roundhouse: Command, server: Scripted, changes: dict[str, object], told: str
) -> None:
    server.items("/api/v1/deployments", {**DEPLOYMENT, "failure_budget": 10})
    _deployed(server, {**FAILED, **changes}, _NODE)

    assert told in roundhouse("deployments", "show", "tiny").out


def test_show_asks_for_the_log_where_the_report_has_no_lines(roundhouse: Command, server: Scripted) -> None:
    _deployed(server, {**FAILED, "log_tail": []}, _NODE)
    server.on("GET", f"/api/v1/replicas/{FAILED['id']}/log", {"text": "from the file\n", "next_offset": 14})

    assert "  | from the file\n" in roundhouse("deployments", "show", "tiny").out


def test_show_tells_why_it_failed_first_also_while_it_starts_again(roundhouse: Command, server: Scripted) -> None:
    names = {"deployment_id": DEPLOYMENT["id"], "version_id": "ver_1"}
    again = {**FAILED, **names, "phase": "starting", "failures": 2, "retry_at": None, "log_tail": []}
    server.items("/api/v1/deployments", {**DEPLOYMENT, "failure_budget": 10})
    _deployed(server, again, _NODE)
    failure = {
        "at": "2026-11-21T10:00:00Z",
        "reason": "start-failed",
        "detail": "model_corrupt: the model's file is damaged",
        "log_tail": ["bad magic"],
    }
    server.items(f"/api/v1/deployments/{DEPLOYMENT['id']}/versions", {"version_id": "ver_1", "failure": failure})

    shown = roundhouse("deployments", "show", "tiny").out

    assert "failed 2 times in a row, of at most 10: it starts again" in shown
    assert "first at 2026-11-21T10:00:00Z: start-failed: model_corrupt: the model's file is damaged" in shown
    assert "  | bad magic\n" in shown


def test_show_as_json_has_deployment_status_and_replicas(roundhouse: Command, server: Scripted) -> None:
    _deployed(server, REPLICA)

    shown = roundhouse("deployments", "show", "tiny", "-o", "json").json

    assert shown == {**DEPLOYMENT, "status": STATUS, "replicas": [REPLICA]}


def test_replicas_are_shown_on_hosts_by_name(roundhouse: Command, server: Scripted) -> None:
    _deployed(server, FAILED, _NODE)

    assert "  gpu-one  failed" in roundhouse("ps").out


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({}, "1 as set"),
        ({"autoscale": {"min_replicas": 0, "max_replicas": 3}}, "0 to 3 by load"),
        ({"is_evictable": True}, "1 as set, gives way to others while idle"),
        ({"rollout": {"strategy": "recreate", "max_surge": 2, "max_unavailable": 1}}, "recreate max_surge=2 max_un"),
        ({"rollout": {"strategy": "rolling"}, "is_paused": True}, "rolling, paused"),
    ],
)
def test_show_tells_how_it_is_scaled_and_rolled_out(
    roundhouse: Command, server: Scripted, settings: dict[str, object], shown: str
) -> None:
    server.items("/api/v1/deployments", {**DEPLOYMENT, **settings})
    server.items("/api/v1/deployment-statuses", STATUS)
    server.items("/api/v1/replicas")

    assert shown in roundhouse("deployments", "show", "tiny").out


def test_a_listing_counts_what_is_wanted_now_and_not_what_was_set(roundhouse: Command, server: Scripted) -> None:
    server.items("/api/v1/deployments", {**DEPLOYMENT, "replicas": 5})
    server.items("/api/v1/deployment-statuses", {**STATUS, "replicas_wanted": 2, "replicas_ready": 1})

    assert "  1/2  " in roundhouse("deployments", "ls").out


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


def test_only_the_settings_that_were_stated_are_changed(roundhouse: Command, server: Scripted) -> None:
    server.items("/api/v1/deployments", DEPLOYMENT)
    server.on("GET", f"/api/v1/deployments/{DEPLOYMENT['id']}", DEPLOYMENT)
    changed = {**DEPLOYMENT, "disconnect_grace_s": 120.0, "is_evictable": False}
    server.on("PATCH", f"/api/v1/deployments/{DEPLOYMENT['id']}", changed)

    result = roundhouse("deployments", "set", "tiny", "--disconnect-grace", "2m", "--no-evictable")

    assert result.code == 0, result.err
    assert server.last("PATCH").body == {"disconnect_grace_s": 120.0, "is_evictable": False}
    assert "tiny: disconnect_grace_s 120.0, is_evictable False." in result.err


def test_changing_no_setting_is_refused(roundhouse: Command, server: Scripted) -> None:
    assert "State what to change" in roundhouse.fails("deployments", "set", "tiny").err


def test_a_negative_number_of_replicas_is_a_wrong_number(roundhouse: Command, server: Scripted) -> None:
    assert "greater than or equal to 0" in roundhouse.fails("deployments", "scale", "tiny", "-1").err


def test_an_option_before_the_command_is_told_its_place(roundhouse: Command, server: Scripted) -> None:
    assert "options come after the command" in roundhouse.fails("--url", "http://x:1", "ps").err


def test_a_command_without_arguments_shows_its_help_and_no_error(roundhouse: Command, server: Scripted) -> None:
    result = roundhouse("deployments")

    assert "scale" in result.out + result.err
    assert "roundhouse:" not in result.err
