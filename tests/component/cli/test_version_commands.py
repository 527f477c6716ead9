"""Versions, rollouts and templates on the command line: what is asked, what is printed, how it ends."""

from pathlib import Path

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

DEPLOYMENT_ID = "dep_0197aa00000070008000000000000222"
PATH = f"/api/v1/deployments/{DEPLOYMENT_ID}"
AT = "2026-11-21T09:00:00.000Z"


def a_version(number: int, *, is_active: bool = False) -> dict[str, object]:
    return {
        "id": f"ver_{number}",
        "number": number,
        "is_active": is_active,
        "model_name": "tiny",
        "engine": "llama.cpp",
        "parameters": {"parallel": str(number)},
        "created_at": AT,
    }


DEPLOYMENT = {
    "id": DEPLOYMENT_ID,
    "name": "tiny",
    "desired": "run",
    "replicas": 1,
    "generation": 3,
    "active_version": a_version(2, is_active=True),
    "rollout": {"strategy": "rolling", "max_surge": 1, "max_unavailable": 0},
    "autoscale": None,
    "drain_timeout_s": 0.0,
    "created_at": AT,
}
FAILED = {
    "version_id": "ver_2",
    "number": 2,
    "state": "Error",
    "why": "2 of its replicas failed",
    "replicas_wanted": 1,
    "replicas_ready": 0,
    "failure": {"detail": "the model's file is damaged", "log_tail": ["bad magic"]},
}


@pytest.fixture
def deployed(server: Scripted) -> Scripted:
    server.items("/api/v1/deployments", DEPLOYMENT)
    server.on("GET", PATH, DEPLOYMENT, headers={"etag": '"3"'})
    server.items(f"{PATH}/versions", a_version(1), a_version(2, is_active=True))
    return server


@pytest.mark.contract("B01", "B04")
def test_versions_are_listed_with_their_states_and_why(roundhouse: Command, server: Scripted) -> None:
    server.items("/api/v1/deployments", DEPLOYMENT)
    # One server stands for both services: the first answer is the catalog's, the second the scheduler's.
    path = f"{PATH}/versions"
    server.items(path, a_version(1), a_version(2, is_active=True))
    server.items(path, FAILED)

    printed = roundhouse("versions", "ls", "tiny").out.splitlines()

    assert printed[1].split()[:3] == ["1", "Stopped", "no"]
    assert printed[2].split()[:4] == ["2", "Error", "yes", "0/1"]
    assert "the model's file is damaged" in printed[2]


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_an_older_version_is_started_by_its_number(roundhouse: Command, deployed: Scripted, verb: str) -> None:
    deployed.on("POST", f"{PATH}/versions/1:{verb}", DEPLOYMENT)

    assert roundhouse("versions", verb, "tiny", "1").code == 0
    assert deployed.last("POST").path == f"{PATH}/versions/1:{verb}"


@pytest.mark.contract("B03")
@pytest.mark.parametrize(
    ("typed", "path"),
    [
        (("versions", "start", "tiny", "2"), f"{PATH}/versions/2:start"),
        (("deployments", "start", "tiny"), f"{PATH}:start"),
    ],
)
def test_starting_what_is_to_run_already_names_the_command_that_starts_it_anew(
    roundhouse: Command, deployed: Scripted, typed: tuple[str, ...], path: str
) -> None:
    deployed.on("POST", path, DEPLOYMENT)
    assert "already; `roundhouse versions restart tiny 2` starts" in roundhouse(*typed).err

    deployed.answers["POST", path].clear()
    deployed.on("POST", path, {**DEPLOYMENT, "generation": 4})
    assert "already" not in roundhouse(*typed).err


@pytest.mark.contract("B05")
def test_why_an_active_version_is_not_removed_is_shown(roundhouse: Command, deployed: Scripted) -> None:
    why = "Version 2 of tiny is Running: only a version that is Stopped or in Error can be deleted."
    deployed.on("DELETE", f"{PATH}/versions/2", {"detail": why, "code": "version_active"}, status=409)

    assert why in roundhouse.fails("versions", "rm", "tiny", "2").err


def test_a_version_is_added_with_what_was_typed(roundhouse: Command, deployed: Scripted) -> None:
    deployed.on("POST", f"{PATH}/versions", a_version(3), status=201)

    result = roundhouse("versions", "add", "tiny", "--set", "parallel=8", "--inactive")

    assert deployed.last("POST").body == {"parameters": {"parallel": "8"}, "activate": False}
    assert "tiny has version 3." in result.err


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        (("context=1024",), {"parallel": "2", "context": "1024"}),
        (("parallel=", "context=1024"), {"context": "1024"}),
        (("parallel=3",), {"parallel": "3"}),
    ],
)
def test_parameters_are_laid_over_those_of_the_active_version(
    roundhouse: Command, deployed: Scripted, typed: tuple[str, ...], sent: dict[str, str]
) -> None:
    deployed.on("POST", f"{PATH}/versions", a_version(3), status=201)

    roundhouse("versions", "add", "tiny", *(word for pair in typed for word in ("--set", pair)))

    assert deployed.last("POST").body == {"parameters": sent}


def test_another_engine_takes_over_no_parameters(roundhouse: Command, deployed: Scripted) -> None:
    deployed.on("POST", f"{PATH}/versions", a_version(3), status=201)

    roundhouse("versions", "add", "tiny", "--engine", "vllm", "--set", "context=1024")

    assert deployed.last("POST").body == {"engine": "vllm", "parameters": {"context": "1024"}}


def test_a_version_of_a_paused_deployment_waits(roundhouse: Command, server: Scripted) -> None:
    server.items("/api/v1/deployments", {**DEPLOYMENT, "is_paused": True})
    server.on("POST", f"{PATH}/versions", a_version(3), status=201)

    assert "takes over when it is resumed" in roundhouse("versions", "add", "tiny", "--set", "parallel=8").err


STATUS = {"generation": 3, "state": "Running", "why": "", "replicas_ready": 1, "replicas_wanted": 1, "rollout": None}
UNDER_WAY = {**STATUS, "why": "0 of 1 replicas run version 2", "rollout": {"version_number": 2}}


def test_waiting_for_a_version_outlasts_the_older_one_that_serves(roundhouse: Command, deployed: Scripted) -> None:
    deployed.on("POST", f"{PATH}/versions", a_version(2), status=201)
    for status in (UNDER_WAY, UNDER_WAY, STATUS):
        deployed.on("GET", f"{PATH}/status", status)

    assert roundhouse("versions", "add", "tiny", "--set", "parallel=8", "--wait").code == 0
    assert len([one for one in deployed.asked if one.path == f"{PATH}/status"]) == 3


def test_a_version_that_was_taken_back_did_not_take_over(roundhouse: Command, deployed: Scripted) -> None:
    deployed.on("POST", f"{PATH}/versions", a_version(3), status=201)
    deployed.on("GET", f"{PATH}/status", STATUS)

    result = roundhouse("versions", "add", "tiny", "--set", "parallel=8", "--wait")
    assert result.code == 1
    assert "Version 3 did not take over, version 2 runs; `roundhouse versions show tiny 3`" in result.err


def test_waiting_ends_when_a_version_failed_that_nothing_takes_back(
    roundhouse: Command, deployed: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roundhouse_cli.waiting._LOOK_AT_VERSION_EVERY_S", 0.0)
    left = {**DEPLOYMENT, "active_version": a_version(2), "rollout": {"is_rolled_back": False}}
    deployed.answers.pop(("GET", PATH), None)
    deployed.on("GET", PATH, left)
    deployed.on("POST", f"{PATH}/versions", a_version(2), status=201)
    deployed.on("GET", f"{PATH}/status", UNDER_WAY)
    failure = {"detail": "bad flag: --frobnicate is not known"}
    deployed.answers.pop(("GET", f"{PATH}/versions"), None)
    deployed.items(f"{PATH}/versions", {"number": 2, "state": "Error", "failure": failure})

    result = roundhouse("versions", "add", "tiny", "--set", "parallel=8", "--wait")
    assert result.code == 1
    assert "version 2 is in Error: bad flag: --frobnicate is not known" in result.err


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_rollouts_are_held_and_go_on(roundhouse: Command, deployed: Scripted, verb: str) -> None:
    deployed.on("POST", f"{PATH}:{verb}", DEPLOYMENT)

    assert roundhouse(verb, "tiny").code == 0
    assert deployed.last("POST").path == f"{PATH}:{verb}"


def test_rollout_status_says_what_it_waits_for(roundhouse: Command, deployed: Scripted) -> None:
    rollout = {
        "version_number": 2,
        "from_version_number": 1,
        "updated": 1,
        "available": 0,
        "wanted": 3,
        "began_at": AT,
        "why": "waits for a replica to be ready",
    }
    deployed.on("GET", f"{PATH}/status", {"state": "Running", "why": "", "is_paused": True, "rollout": rollout})

    printed = roundhouse("rollout", "status", "tiny").out

    for words in ("version 1 -> 2", "1 of 3, 0 available", "waits for a replica to be ready"):
        assert words in printed


def test_rollout_set_keeps_what_is_not_stated(roundhouse: Command, deployed: Scripted) -> None:
    deployed.on("PATCH", PATH, DEPLOYMENT)

    assert roundhouse("rollout", "set", "tiny", "--max-unavailable", "1").code == 0
    assert deployed.last("PATCH").body == {"rollout": {"strategy": "rolling", "max_surge": 1, "max_unavailable": 1}}


def test_autoscale_sends_bounds_targets_and_windows(roundhouse: Command, deployed: Scripted) -> None:
    deployed.on("PATCH", PATH, {**DEPLOYMENT, "autoscale": {"min_replicas": 0}})

    result = roundhouse(
        "autoscale", "tiny", "--min", "0", "--max", "4", "--target-in-flight", "8", "--idle", "10m",
        "--window", "office=0 8,9 * * mon-fri,10h,2-8,Europe/Berlin",
    )  # fmt: skip

    assert result.code == 0, result.err
    window = {
        "name": "office",
        "cron": "0 8,9 * * mon-fri",
        "timezone": "Europe/Berlin",
        "duration_s": 36_000.0,
        "min_replicas": 2,
        "max_replicas": 8,
    }
    assert deployed.last("PATCH").body == {
        "autoscale": {
            "min_replicas": 0,
            "max_replicas": 4,
            "target_in_flight": 8.0,
            "idle_s": 600.0,
            "windows": [window],
        }
    }


def test_autoscale_off_sends_null(roundhouse: Command, deployed: Scripted) -> None:
    deployed.on("PATCH", PATH, DEPLOYMENT)

    assert roundhouse("autoscale", "tiny", "--off").code == 0
    assert deployed.last("PATCH").body == {"autoscale": None}


@pytest.mark.parametrize("window", ["office", "office=0 8 * * *", "office=0 8 * * *,10h,2", "office=0 8 * * *,10x,2-8"])
def test_a_window_that_cannot_be_read_is_wrong_usage(roundhouse: Command, window: str) -> None:
    assert roundhouse.fails("autoscale", "tiny", "--window", window).code == 2


@pytest.mark.contract("B06")
def test_removing_waits_for_what_shuts_down(roundhouse: Command, deployed: Scripted) -> None:
    deployed.on("DELETE", PATH, {"detail": "a version is Shutting Down", "code": "version_active"}, status=409)
    deployed.on("DELETE", PATH, b"", status=204)

    assert roundhouse("deployments", "rm", "tiny").code == 0
    assert len([asked for asked in deployed.asked if asked.method == "DELETE"]) == 2


def test_a_template_is_exported_as_the_catalog_wrote_it(roundhouse: Command, server: Scripted) -> None:
    server.on("GET", "/api/v1/templates/small/versions/2", b"name: small\n")

    assert roundhouse("templates", "export", "small@2").out == "name: small\n"
    assert server.last("GET").query == {"format": "yaml"}


@pytest.mark.contract("A14")
@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [("t.yaml", "name: small", "application/yaml"), ("t.json", '{"name": "small"}', "application/json")],
)
def test_a_template_is_imported_as_the_file_says(
    roundhouse: Command, server: Scripted, tmp_path: Path, name: str, text: str, kind: str
) -> None:
    (tmp_path / name).write_text(text)
    server.on("POST", "/api/v1/templates:import", {"items": [{"name": "small", "number": 1, "change": "created"}]})

    result = roundhouse("templates", "import", str(tmp_path / name))

    assert "small@1 is created." in result.err
    asked = server.last("POST")
    assert (asked.content, asked.headers["content-type"]) == (text.encode(), kind)


def test_a_template_file_that_is_not_there_is_named(roundhouse: Command, tmp_path: Path) -> None:
    assert "missing.yaml cannot be read" in roundhouse.fails("templates", "import", str(tmp_path / "missing.yaml")).err
