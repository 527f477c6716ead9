"""What machines, replicas and deployments use, on the command line."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.component.cli.conftest import Command
from tests.component.cli.scripted_server import Scripted

GIB = 2**30
DEPLOYMENT = {"id": "dep_0197aa00000070008000000000000222", "name": "tiny"}
NODE_ID = "nod_0197aa00000070008000000000000555"


def ago(seconds: float) -> str:
    at = datetime.now(UTC) - timedelta(seconds=seconds)
    return at.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def device(uuid: str, utilization: float | None = 0.87) -> dict[str, object]:
    memory = {"memory_used_bytes": 40 * GIB, "memory_total_bytes": 80 * GIB}
    return {"uuid": uuid, "utilization": utilization, **memory, "temperature_c": 64.6, "power_w": 412.0}


def node(**changes: object) -> dict[str, object]:
    return {
        "node_id": NODE_ID,
        "at": ago(3),
        "cpu_user": 1.5,
        "cpu_system": 0.5,
        "cpu_cores": 8,
        "memory_used_bytes": 4 * GIB,
        "memory_total_bytes": 16 * GIB,
        "devices": [device("GPU-a"), device("GPU-b", None)],
        "replicas": [{"replica_id": "rep_a"}],
        **changes,
    }


@pytest.fixture
def sampled(server: Scripted) -> Scripted:
    server.items("/api/v1/metrics/nodes", node(), node(node_id="nod_other", devices=[]))
    server.items("/api/v1/nodes", {"id": NODE_ID, "hostname": "gpu-1"})
    return server


@pytest.mark.contract("C01", "C02", "C03")
def test_nodes_top_shows_a_line_for_each_node_and_device(roundhouse: Command, sampled: Scripted) -> None:
    lines = roundhouse("nodes", "top").out.splitlines()
    assert len(lines) == 4
    first = ["gpu-1", "25%", "1.5", "0.5", "8", "4.0", "GiB", "16", "GiB", "25%", "1"]
    assert lines[1].split()[:-1] == [*first, "GPU-a", "87%", "40", "GiB", "/", "80", "GiB", "65", "°C", "412", "W"]
    assert lines[2].split()[:2] == ["GPU-b", "-"]
    assert lines[3].split()[0] == "nod_other"


def test_nodes_top_shows_one_node_by_name(roundhouse: Command, sampled: Scripted) -> None:
    (found,) = roundhouse("nodes", "top", "gpu-1", "-o", "json").json
    assert found["node_id"] == NODE_ID
    assert "gpu-9" in roundhouse.fails("nodes", "top", "gpu-9").err


def test_nodes_top_says_that_nothing_was_sampled(roundhouse: Command, server: Scripted) -> None:
    server.items("/api/v1/metrics/nodes")
    result = roundhouse("nodes", "top")
    assert (result.code, result.out) == (0, "")
    assert "No node has sent a sample" in result.err


def test_watching_asks_again_until_it_ends(roundhouse: Command, server: Scripted) -> None:
    for number in range(3):
        server.items("/api/v1/metrics/nodes", node(cpu_user=float(number)))
    server.on("GET", "/api/v1/metrics/nodes", {"detail": "closing down"}, status=503)
    result = roundhouse("nodes", "top", "--watch", "--every", "0.01s")
    assert [line.split()[2] for line in result.out.splitlines() if "8" in line.split()[4:5]] == ["0.0", "1.0", "2.0"]
    assert "closing down" in result.err


@pytest.mark.contract("B08")
def test_replicas_top_shows_now_and_the_last_quarter_of_an_hour(roundhouse: Command, server: Scripted) -> None:
    def point(at: str, cpu: float) -> dict[str, object]:
        memory = {"memory_used_bytes": GIB, "memory_total_bytes": 16 * GIB}
        return {"at": at, "cpu_user": cpu, "cpu_system": 0.5, "cpu_cores": 8, **memory}

    now = int(datetime.now(UTC).timestamp()) // 30 * 30
    stamps = [datetime.fromtimestamp(now - back, UTC).isoformat().replace("+00:00", "Z") for back in (900, 60, 30, 0)]
    curve = {"uuid": "GPU-a", "points": [{"at": stamps[3], **device("GPU-a")}]}
    live = {"replica_id": "rep_live", "node_ids": ["nod_a"], "devices": [curve]}
    live["points"] = [point(stamps[1], 0.0), point(stamps[3], 3.5)]
    gone = {"replica_id": "rep_gone", "node_ids": ["nod_b"], "devices": [], "points": [point(stamps[0], 1.0)]}
    answer = {"step_s": 30, "since": stamps[0], "until": stamps[3], "replicas": [gone, live]}
    server.items("/api/v1/deployments", DEPLOYMENT)
    server.on("GET", f"/api/v1/metrics/deployments/{DEPLOYMENT['id']}", {**answer, "until": ago(0)})

    header, ended, running = roundhouse("replicas", "top", "tiny").out.splitlines()

    assert header.split()[:4] == ["REPLICA", "NODE", "CPU", "USER"]
    assert ended.split()[:5] == ["rep_gone", "nod_b", "-", "-", "-"]
    assert running.split()[:5] == ["rep_live", "nod_a", "50%", "3.50", "0.50"]
    assert "▂" in running
    assert "GPU-a" in running
    assert server.last("GET").query["step_s"] == "30"


@pytest.mark.contract("B09")
def test_replica_hours_are_shown_with_a_total(roundhouse: Command, server: Scripted) -> None:
    figures: dict[str, object] = {
        "held_s": 7200.0,
        "serving_s": 3600.0,
        "device_s": 14_400.0,
        "cpu_core_s": 0.0,
        "memory_byte_s": 0.0,
    }
    row: dict[str, Any] = {  # Any: JSON
        "deployment_id": DEPLOYMENT["id"],
        "version_number": 3,
        "replicas": 2,
        "replicas_at_end": 1,
        **figures,
    }
    items = [{**row, "key": "ver_a"}, {**row, "key": "ver_b", "version_number": 4}]
    server.on("GET", "/api/v1/replica-usage", {"items": items, "totals": figures | {"held_s": 14_400.0}})
    server.items("/api/v1/deployments", DEPLOYMENT)

    lines = roundhouse("usage", "--replicas", "--by", "version").out.splitlines()

    assert lines[1].split()[:7] == ["tiny", "version", "3", "2", "1", "2.00", "h"]
    assert lines[3].split()[:3] == ["total", "-", "2"]
    assert "4.00 h" in lines[3]
    assert server.asked[0].query["by"] == "version"


def test_replica_hours_by_project_name_the_projects(roundhouse: Command, server: Scripted) -> None:
    figures = dict.fromkeys(("held_s", "serving_s", "device_s", "cpu_core_s", "memory_byte_s"), 7200.0)
    row: dict[str, Any] = {
        "deployment_id": None,
        "version_number": None,
        "replicas": 1,
        "replicas_at_end": 1,
        **figures,
    }
    items = [{**row, "key": ""}, {**row, "key": "prj_1"}, {**row, "key": "prj_gone"}]
    server.on("GET", "/api/v1/replica-usage", {"items": items, "totals": figures})
    server.items("/api/v1/projects", {"id": "prj_1", "name": "search"})

    lines = roundhouse("usage", "--replicas", "--by", "project").out.splitlines()

    assert [line.split()[0] for line in lines] == ["PROJECT", "none", "search", "prj_gone", "total"]


def test_what_replicas_cannot_be_summed_by_is_refused_with_what_they_can(roundhouse: Command) -> None:
    assert "deployment, version, replica, node" in roundhouse.fails("usage", "--replicas", "--by", "key").err
