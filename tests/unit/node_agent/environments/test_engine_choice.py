"""Which of a node's engines a replica gets, and what it is told when there is none."""

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.provisioning import EngineOrder, InstallMethod
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime, pick, public_version, version_key
from roundhouse_node_agent.domain.engine_source import lack_of
from roundhouse_node_agent.environments.entry import name_of, newest_orders
from tests.support.fixed_engines import FixedEngines
from tests.unit.node_agent.engines.orders import a_version


def vllm(version: str, origin: str = "") -> EngineRuntime:
    return EngineRuntime(kind="vllm", version=version, origin=origin)


@pytest.mark.parametrize(
    "ascending", [("0.9.2", "0.32.0"), ("0.33.0rc1", "0.33.0"), ("2026.9.1", "2026.10.11549"), ("", "1.0")]
)
def test_versions_are_ordered_by_their_numbers(ascending: tuple[str, str]) -> None:
    assert version_key(ascending[0]) < version_key(ascending[1])


def test_what_is_said_of_a_build_does_not_count() -> None:
    assert public_version("0.32.0+cpu") == "0.32.0"
    assert pick([vllm("0.32.0")], "vllm", "0.32.0+cpu") == vllm("0.32.0")


def test_without_a_version_the_newest_is_taken_and_of_equals_the_last() -> None:
    known = [vllm("0.32.0", "found"), vllm("0.9.2"), vllm("0.32.0", "installed"), EngineRuntime(kind="sglang")]
    assert pick(known, "vllm", "") == vllm("0.32.0", "installed")
    assert pick(known, "vllm", "0.9.2") == vllm("0.9.2")
    assert pick(known, "vllm", "0.9") is None
    assert pick(known, "sglang", "") == EngineRuntime(kind="sglang")


def test_a_missing_version_is_said_with_those_there_are_and_how_to_install_it() -> None:
    version = a_version(EngineKind.VLLM, engine_version="0.33.0")
    assert lack_of(FixedEngines(vllm("0.32.0")), version, "nod_1") == (
        "this node has no engine vllm 0.33.0; it has vllm 0.32.0; install it:"
        " roundhouse engines install vllm --version 0.33.0 --node nod_1"
    )
    assert "it has none" in str(lack_of(FixedEngines(), version, "nod_1"))
    assert lack_of(FixedEngines(vllm("0.33.0")), version, "nod_1") is None


def test_a_version_that_may_be_installed_is_no_lack_unless_the_node_cannot() -> None:
    version = a_version(EngineKind.VLLM, engine_version="0.33.0", installs_engine=True)
    assert "cannot install it: it installs none" in str(lack_of(FixedEngines(), version, "nod_1"))


def order(order_id: str, **changes: object) -> EngineOrder:
    return EngineOrder(**{"order_id": order_id, "engine": EngineKind.VLLM, **changes})  # type: ignore[arg-type] # named fields


def test_of_orders_for_one_environment_one_that_wants_it_counts_before_one_that_wants_it_gone() -> None:
    wanted, newer, gone = order("ord_1"), order("ord_2"), order("ord_3", is_removed=True)
    assert newest_orders([("a", gone), ("a", wanted), ("a", newer)]) == {"a": newer}
    assert newest_orders([("a", gone)]) == {"a": gone}


def test_the_same_engine_at_another_path_is_another_environment() -> None:
    names = {name_of(order("o", method=InstallMethod.PATH, path=path), None) for path in ("/a", "/b", "/a")}
    assert len(names) == 2
    assert all(name.startswith("vllm-path-") for name in names)
