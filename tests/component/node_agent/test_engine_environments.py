"""Engines by order on one node: real uv, a real guard, and wheels of a few bytes instead of an index."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_common.contracts.provisioning import EnvironmentState, InstallMethod
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.domain.errors import EngineUnavailable
from roundhouse_node_agent.environments.collector import EnvironmentsCollector
from tests.support.engine_node import TINY, EngineNode
from tests.support.engine_node import an_engine_order as an_order
from tests.support.eventually import eventually, never
from tests.support.tiny_engines import KIND, write_wheel

pytestmark = pytest.mark.timeout(90)
S = EnvironmentState


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[EngineNode]:
    machine = EngineNode(tmp_path)
    yield machine
    await machine.die()


async def test_an_ordered_engine_is_installed_asked_and_offered(node: EngineNode) -> None:
    write_wheel(node.wheels, "tinyengine", "0.9")
    engines = await node.start()

    await engines.take((an_order(),))
    ready = await node.in_state(S.READY)

    assert (ready.version, ready.variant, ready.order_id, ready.attempt) == ("0.9", "cpu", "ord_1", 1)
    assert ready.size_bytes > 0
    assert "not pinned" in ready.detail
    runtime = engines.find(KIND, "")
    assert runtime is not None
    assert (runtime.version, runtime.environment_id, runtime.environment) == ("0.9", TINY, {"TINY": "1"})
    assert Path(runtime.python).is_file()
    assert engines.versions() == {KIND: ("0.9",)}
    assert not (node.root / TINY / "cache").exists()


async def test_metrics_count_engines_by_state_and_installations_by_result(node: EngineNode) -> None:
    write_wheel(node.wheels, "tinyengine", "0.9")
    engines = await node.start()
    await engines.take((an_order(), an_order("ord_2", version="7.7")))
    await node.in_state(S.READY)
    await node.in_state(S.FAILED, f"{KIND}-7.7-cpu")

    found = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in EnvironmentsCollector(engines).collect()
        for sample in metric.samples
    }

    assert found["roundhouse_node_engines", "ready"] == found["roundhouse_node_engines", "failed"] == 1
    assert found["roundhouse_node_engine_installations_total", "succeeded"] == 1
    assert found["roundhouse_node_engine_installations_total", "failed"] == 1
    assert found["roundhouse_node_engines_bytes",] > 0
    assert found["roundhouse_node_engine_installation_seconds",] > 0


async def test_of_one_version_the_build_for_the_nodes_devices_is_taken(node: EngineNode) -> None:
    write_wheel(node.wheels, "tinyengine", "0.9")
    cuda = replace(node.recipe.variants["cpu"], name="cuda")
    node.recipe = replace(node.recipe, variants={**node.recipe.variants, "cuda": cuda})
    engines = await node.start()
    engines.see_devices([DeviceVendor.NVIDIA])
    await engines.take((an_order("ord_1"), an_order("ord_2", variant="cpu")))
    await node.in_state(S.READY)
    await node.in_state(S.READY, f"{KIND}-0.9-cuda")
    runtime = engines.find(KIND, "0.9")
    assert runtime is not None
    assert runtime.environment_id == f"{KIND}-0.9-cuda"


async def test_a_package_that_does_not_import_fails_with_its_error_and_is_not_offered(node: EngineNode) -> None:
    write_wheel(node.wheels, "tinyengine", "0.9", code="raise ImportError('libtiny.so: cannot open shared object')")
    engines = await node.start()

    await engines.take((an_order(),))
    failed = await node.in_state(S.FAILED)

    assert "libtiny.so" in failed.detail
    assert "do not fit this node" in failed.detail
    assert "ImportError: libtiny.so: cannot open shared object" in failed.log_tail[-1]
    assert engines.find(KIND, "") is None
    left = ["environment.json", "log"]
    await eventually(lambda: sorted(path.name for path in (node.root / TINY).iterdir()) == left)


async def test_a_version_that_does_not_exist_fails_with_uvs_words(node: EngineNode) -> None:
    engines = await node.start()
    await engines.take((an_order(version="7.7"),))
    failed = await node.in_state(S.FAILED, f"{KIND}-7.7-cpu")
    assert "the package index has no such version" in failed.detail
    assert any("tinyengine" in line for line in failed.log_tail)


async def test_packages_for_other_devices_fail_a_build_for_the_processor_by_name(node: EngineNode) -> None:
    write_wheel(node.wheels, "nvidia_tiny_cu13", "1.0")
    write_wheel(node.wheels, "tinyengine", "0.9", needs=("nvidia-tiny-cu13",))
    engines = await node.start()
    await engines.take((an_order(),))
    failed = await node.in_state(S.FAILED)
    assert "packages for other devices came in: nvidia-tiny-cu13" in failed.detail


async def test_an_environment_whose_record_cannot_be_read_is_left_to_its_replicas_and_built_anew_for_an_order(
    node: EngineNode,
) -> None:
    write_wheel(node.wheels, "tinyengine", "0.9")
    engines = await node.start()
    await engines.take((an_order(),))
    await node.in_state(S.READY)
    await node.die()
    (node.root / TINY / "environment.json").write_bytes(b"\x00" * 64)

    node.used = {TINY}
    engines = await node.start()
    assert (node.root / TINY / "env").is_dir(), "replicas may run in it"
    assert engines.find(KIND, "0.9") is None
    await engines.take((an_order(),))
    await node.in_state(S.WAITING)
    node.used = set()
    await node.in_state(S.READY)


async def test_each_attempt_of_an_order_is_tried_once(node: EngineNode) -> None:
    engines = await node.start()
    await engines.take((an_order(),))
    await node.in_state(S.FAILED)
    write_wheel(node.wheels, "tinyengine", "0.9")

    await engines.take((an_order(),))
    await never(lambda: (state := node.state()) is None or state.state is not S.FAILED, for_s=0.5)

    await engines.take((an_order(attempt=2),))
    assert (await node.in_state(S.READY)).attempt == 2


async def test_what_cannot_be_had_is_said_at_once(node: EngineNode) -> None:
    engines = await node.start()
    await engines.take(
        (
            an_order("ord_a", variant="cuda"),
            an_order("ord_b", method=InstallMethod.IMAGE, image="registry/tiny:1"),
            an_order("ord_c", method=InstallMethod.PATH, path="/nowhere"),
            an_order("ord_d", engine=EngineKind.UNKNOWN),
        )
    )

    async def all_failed() -> dict[str, str]:
        told = {one.order_id: one for one in engines.states()}
        assert [one.state for one in told.values()] == [S.FAILED] * 4
        return {order_id: one.detail for order_id, one in told.items()}

    why = await eventually(all_failed, within_s=20)
    assert "cuda was asked for" in why["ord_a"]
    assert "neither Docker nor Podman" in why["ord_b"]
    assert "/nowhere does not exist" in why["ord_c"]
    assert "does not know engine unknown" in why["ord_d"]


async def test_too_little_room_is_said_before_anything_is_fetched(node: EngineNode) -> None:
    write_wheel(node.wheels, "tinyengine", "0.9")
    node.headroom_bytes = 10**18
    engines = await node.start()
    await engines.take((an_order(),))
    failed = await node.in_state(S.FAILED)
    assert "must leave" in failed.detail
    assert not (node.root / TINY / "log").exists()


async def test_a_disk_that_becomes_full_fails_it_and_leaves_nothing(node: EngineNode) -> None:
    (node.root).mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(node.root)], check=False)
    if mounted.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        write_wheel(node.wheels, "tinyengine", "0.9", code="'" + "x" * 2_000_000 + "'")
        engines = await node.start()
        await engines.take((an_order(),))
        failed = await node.in_state(S.FAILED)
        assert "the disk is full" in failed.detail
        assert not (node.root / TINY / "env").exists()
        assert not (node.root / TINY / "cache").exists()
    finally:
        await node.die()
        subprocess.run(["umount", "--lazy", str(node.root)], check=True)


async def test_one_is_installed_after_the_other_and_the_newest_is_the_default(node: EngineNode) -> None:
    for version in ("0.9", "0.10", "0.8"):
        write_wheel(node.wheels, "tinyengine", version)
    engines = await node.start()
    most = 0

    await engines.take(tuple(an_order(f"ord_{version}", version=version) for version in ("0.9", "0.10", "0.8")))
    while any(one.state is not S.READY for one in engines.states()):
        most = max(most, sum(one.state in (S.INSTALLING, S.VERIFYING) for one in engines.states()))
        await asyncio.sleep(0.01)

    assert most == 1
    assert engines.versions() == {KIND: ("0.10", "0.9", "0.8")}
    assert (engines.find(KIND, "") or EngineRuntime(kind="")).version == "0.10"
    assert (engines.find(KIND, "0.8") or EngineRuntime(kind="")).version == "0.8"


async def test_an_environment_that_is_there_already_is_taken_by_its_path(node: EngineNode) -> None:
    write_wheel(node.wheels, "tinyengine", "0.9")
    engines = await node.start()
    await engines.take((an_order(),))
    await node.in_state(S.READY)
    own = engines.find(KIND, "")
    assert own is not None
    place = str(Path(own.python).parent.parent)
    await engines.take((an_order("ord_2", version="", method=InstallMethod.PATH, path=place),))

    by_path = await eventually(lambda: next(one for one in engines.states() if one.order_id == "ord_2"))
    found = await node.in_state(S.READY, by_path.environment_id)
    assert (found.version, found.method, found.origin) == ("0.9", InstallMethod.PATH, f"at {place}")
    await engines.take((an_order("ord_2", version="", method=InstallMethod.PATH, path=place, is_removed=True),))
    await eventually(lambda: node.state(by_path.environment_id) is None, within_s=15)
    assert Path(place).is_dir(), "what the node did not make it does not delete"


async def test_a_replica_gets_its_engine_installed_and_the_first_of_many_waits_for_all(node: EngineNode) -> None:
    write_wheel(node.wheels, "tinyengine", "0.9")
    engines = await node.start()
    assert KIND in engines.installable()

    both = await asyncio.gather(engines.ensure(KIND, "0.9"), engines.ensure(KIND, "0.9"))

    assert both[0] == both[1]
    assert (await node.in_state(S.READY)).order_id == ""
    assert engines.installations.succeeded == 1


async def test_a_replica_whose_engine_cannot_be_installed_is_told_why(node: EngineNode) -> None:
    engines = await node.start()
    with pytest.raises(EngineUnavailable) as failed:
        await engines.ensure(KIND, "7.7")
    assert "no such version" in failed.value.message
    assert any("tinyengine" in line for line in failed.value.lines)
    with pytest.raises(EngineUnavailable):
        await engines.ensure(KIND, "7.7")
    assert engines.installations.failed == 1, "not tried again at once"


async def test_a_node_that_may_not_install_says_so(node: EngineNode) -> None:
    node.may_install = False
    engines = await node.start()
    assert engines.installable() == ()
    with pytest.raises(EngineUnavailable, match="installs no engines by itself"):
        await engines.ensure(KIND, "0.9")


async def test_found_engines_are_told_beside_installed_ones(node: EngineNode) -> None:
    node.found = (replace(EngineRuntime(kind="vllm", version="0.32.0", program="/opt/vllm"), origin="on PATH"),)
    engines = await node.start()
    [told] = engines.states()
    assert (told.environment_id, told.state, told.order_id, told.origin) == (
        "vllm-0.32.0-found",
        S.READY,
        "",
        "on PATH",
    )
    assert engines.find("vllm", "") == node.found[0]
