"""Every driver's commands against golden files. ROUNDHOUSE_WRITE_GOLDEN=1 writes them; read the difference."""

import json
import os
import sys
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import EngineKind, ModelKind
from roundhouse_common.engine_parameters import TABLES
from roundhouse_node_agent.domain.errors import LaunchFailed
from roundhouse_node_agent.engines import known
from roundhouse_node_agent.engines.engine import Command
from roundhouse_node_agent.engines.known import all_engines
from tests.unit.node_agent.engines.cases import CASES
from tests.unit.node_agent.engines.orders import GIB, KEY, NEED, a_device, a_gang, a_version, an_order

GOLDEN = Path(__file__).with_name("golden")
ENGINES = all_engines()
RUNNERS = str(Path(known.__file__).parent)
OWN = (EngineKind.VLLM, EngineKind.SGLANG, EngineKind.LMDEPLOY)


def as_text(command: Command) -> str:
    document = {"argv": command.argv, "env": command.env, "files": command.files, "links": command.links}
    if not command.files:
        del document["files"]
    if not command.links:
        del document["links"]
    text = json.dumps(document, indent=1)
    return text.replace(RUNNERS, "/roundhouse/engines").replace(f'"{sys.executable}"', '"/roundhouse/python"') + "\n"


@pytest.mark.contract("A04", "A11")
@pytest.mark.parametrize("case", CASES)
def test_the_command_of_every_engine_is_the_golden_one(case: str) -> None:
    order = CASES[case]
    engine = ENGINES[order.version.engine.value]
    assert engine.cannot_run(order.version) is None
    rendered = as_text(engine.render(order))
    golden = GOLDEN / f"{case}.json"
    if os.environ.get("ROUNDHOUSE_WRITE_GOLDEN"):
        golden.write_text(rendered)
    assert rendered == golden.read_text()


def test_there_are_no_golden_files_without_a_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_keys_are_never_arguments_nor_files(case: str) -> None:
    order = CASES[case]
    command = ENGINES[order.version.engine.value].render(order)
    assert not any(KEY in word for word in (*command.argv, *command.files.values()))


KEYLESS = {EngineKind.TRANSFORMERS, EngineKind.OLLAMA, EngineKind.MINDIE, EngineKind.XINFERENCE}


@pytest.mark.parametrize("case", CASES)
def test_engines_that_know_keys_get_theirs(case: str) -> None:
    order = CASES[case]
    command = ENGINES[order.version.engine.value].render(order)
    assert (KEY in command.env.values()) is (order.version.engine not in KEYLESS)


@pytest.mark.parametrize("kind", list(TABLES))
def test_every_parameter_of_an_engine_is_in_a_golden_command(kind: EngineKind) -> None:
    used = {name for order in CASES.values() if order.version.engine is kind for name in order.version.parameters}
    optional = {"version_command", "metric_cache_usage", "metric_input_tokens", "metric_output_tokens"}
    if kind is EngineKind.XINFERENCE:
        optional = {"dimensions", "load_timeout_s"}
    assert set(TABLES[kind].parameters) - optional <= used


@pytest.mark.parametrize("kind", [EngineKind.VLLM, EngineKind.SGLANG, EngineKind.LMDEPLOY])
def test_a_memory_need_that_the_device_has_no_room_for_is_said_before_the_start(kind: EngineKind) -> None:
    version = a_version(kind, devices=1, memory_need=NEED)
    with pytest.raises(LaunchFailed, match=r"needs 22\.00 GiB .* of which 10\.00 GiB are free"):
        ENGINES[kind.value].render(an_order(version, a_device(0, free_gib=10)))


def test_the_share_is_sized_to_the_need_and_never_below_it() -> None:
    version = a_version(EngineKind.VLLM, devices=1, memory_need=NEED)
    argv = ENGINES["vllm"].render(an_order(version, a_device(0))).argv
    share = float(argv[argv.index("--gpu-memory-utilization") + 1])
    counted = NEED.total_bytes - 635 * 1024**2
    assert counted <= share * 80 * GIB < counted * 1.01


def test_members_that_open_no_port_are_ready_while_they_run() -> None:
    for kind in (EngineKind.VLLM, EngineKind.SGLANG, EngineKind.CUSTOM):
        version = CASES["custom"].version if kind is EngineKind.CUSTOM else a_version(kind, devices=2, nodes=2)
        engine = ENGINES[kind.value]
        assert engine.probes(version, served_name="smol", rank=0).readiness
        assert engine.probes(version, served_name="smol", rank=1).readiness == ""


def test_a_member_of_a_gang_opens_no_port_of_vllm() -> None:
    version = a_version(EngineKind.VLLM, devices=2, nodes=2)
    for rank in (0, 1):
        argv = ENGINES["vllm"].render(an_order(version, a_device(0), a_device(1), gang=a_gang(rank))).argv
        assert ("--headless" in argv) is (rank == 1)
        assert argv[argv.index("--node-rank") + 1] == str(rank)


@pytest.mark.parametrize("kind", [kind for kind in EngineKind if kind is not EngineKind.UNKNOWN])
def test_every_kind_of_engine_has_a_driver_that_says_what_it_serves(kind: EngineKind) -> None:
    engine = ENGINES[kind.value]
    assert engine.kind == kind.value
    served = [one for one in ModelKind if engine.capabilities(a_version(kind, model_kind=one))]
    assert served
    if kind is EngineKind.CUSTOM:
        return
    for one in ModelKind:
        said = str(engine.cannot_run(a_version(kind, model_kind=one, devices=1)))
        assert ("does not serve models of kind" in said) is (one not in served), said
