"""Engines in containers: commands against golden files. ROUNDHOUSE_WRITE_GOLDEN=1 writes them; read the difference."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.domain.errors import LaunchFailed
from roundhouse_node_agent.engines import known
from roundhouse_node_agent.engines.discovery import PROGRAMS
from roundhouse_node_agent.engines.engine import Command, RenderOrder
from roundhouse_node_agent.engines.known import all_engines
from roundhouse_node_agent.environments.containers import (
    Place,
    contained,
    container_name,
    in_image,
    places_of,
    remove,
    running_of,
    writable,
)
from tests.unit.node_agent.engines.orders import KEY, a_device, a_version, an_order

GOLDEN = Path(__file__).with_name("golden")
RUNNERS = str(Path(known.__file__).parent)


def in_container(engine: EngineKind, *devices: DeviceInfo, tool: str = "/usr/bin/docker") -> Command:
    program = PROGRAMS.get(engine, "")
    version = a_version(engine, devices=len(devices))
    runtime = EngineRuntime(kind=engine.value, python="python3", program=program, image="registry/engine:1")
    order: RenderOrder = replace(an_order(version, *devices), runtime=runtime, directory="/state/runs/1")
    place = Place(
        tool=tool,
        image=runtime.image,
        name=container_name("rep_1", 2, 1),
        node_id="nod_1",
        replica_id="rep_1",
        model_places=(order.model_path, "/models/blobs"),
        directory=order.directory,
        agent_python=sys.executable,
        devices=devices,
    )
    return contained(all_engines()[engine.value].render(order), place)


CASES = {
    "vllm-docker-two-nvidia": lambda: in_container(EngineKind.VLLM, a_device(0), a_device(1)),
    "vllm-podman-nvidia": lambda: in_container(EngineKind.VLLM, a_device(0), tool="/usr/bin/podman"),
    "vllm-docker-amd": lambda: in_container(EngineKind.VLLM, a_device(0, DeviceVendor.AMD)),
    "mindie-docker-ascend": lambda: in_container(EngineKind.MINDIE, a_device(3, DeviceVendor.ASCEND)),
    "llama.cpp-podman-cpu": lambda: in_container(EngineKind.LLAMA_CPP, tool="/usr/bin/podman"),
    "xinference-docker-cpu": lambda: in_container_with_home(),
}


def in_container_with_home() -> Command:
    version = a_version(
        EngineKind.XINFERENCE, parameters={"family": "qwen2.5-instruct", "backend": "llama.cpp", "format": "ggufv2"}
    )
    runtime = EngineRuntime(kind="xinference", python="python3", program="xinference-local", image="registry/engine:1")
    order = replace(an_order(version), runtime=runtime, directory="/state/runs/1")
    place = Place(
        tool="/usr/bin/docker",
        image=runtime.image,
        name="roundhouse-rep_1-1-1",
        node_id="nod_1",
        replica_id="rep_1",
        model_places=(order.model_path,),
        directory=order.directory,
        agent_python=sys.executable,
    )
    return contained(all_engines()["xinference"].render(order), place)


@pytest.mark.parametrize("case", CASES)
def test_the_command_of_a_container_is_the_golden_one(case: str) -> None:
    command = CASES[case]()
    text = json.dumps({"argv": command.argv, "env": command.env}, indent=1).replace(RUNNERS, "/roundhouse/engines")
    golden = GOLDEN / f"{case}.json"
    if os.environ.get("ROUNDHOUSE_WRITE_GOLDEN"):
        golden.write_text(text + "\n")
    assert text + "\n" == golden.read_text()


@pytest.mark.parametrize("case", CASES)
def test_keys_go_by_name_and_never_as_arguments(case: str) -> None:
    command = CASES[case]()
    assert not any(KEY in word for word in command.argv)
    named = {command.argv[at + 1] for at, word in enumerate(command.argv) if word == "--env"}
    assert set(command.env) <= named


def test_there_are_no_golden_files_of_containers_without_a_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(CASES)


def test_devices_that_nobody_knows_how_to_give_are_refused() -> None:
    with pytest.raises(LaunchFailed, match="devices of cambricon cannot be given to a container"):
        in_container(EngineKind.VLLM, a_device(0, DeviceVendor.CAMBRICON))


def test_a_model_of_links_brings_the_places_that_they_lead_to(tmp_path: Path) -> None:
    blobs, files = tmp_path / "blobs", tmp_path / "trees" / "a" / "files"
    blobs.mkdir()
    files.mkdir(parents=True)
    (blobs / "1").touch()
    (files / "model.gguf").symlink_to("../../../blobs/1")
    assert places_of(str(files)) == (str(files), str(blobs))
    assert places_of(str(files / "model.gguf")) == (str(files / "model.gguf"), str(blobs))
    assert places_of(str(blobs / "1")) == (str(blobs / "1"),)


def test_only_directories_that_the_driver_names_are_writable() -> None:
    command = Command(
        argv=("x",),
        env={"HOME_OF_IT": "/run/home", "CONFIG": "/run/config.json", "OTHER": "/elsewhere"},
        files={"config.json": ""},
    )
    assert writable(command, "/run") == ("/run/home",)


def test_short_commands() -> None:
    assert in_image("docker", "i:1", ("python3", "-c", "x")) == (
        *("docker", "run", "--rm", "--network", "none", "--pull", "never", "--entrypoint", "python3"),
        *("i:1", "-c", "x"),
    )
    assert remove("podman", "a") == ("podman", "rm", "--force", "a")
    assert "label=roundhouse.node=nod_1" in running_of("docker", "nod_1")
