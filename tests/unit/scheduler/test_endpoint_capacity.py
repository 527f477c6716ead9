"""What routers are told of how much an endpoint takes: requests at once, tokens of each, and which version it is."""

import pytest

from roundhouse_common.contracts.catalog import Alternative, EngineKind, MemoryNeed, ModelKind, Resources, VersionSpec
from roundhouse_common.contracts.scheduler import DeploymentEndpoints
from roundhouse_scheduler.domain.capacity import capacity_of
from roundhouse_scheduler.domain.documents import endpoints_of
from tests.support.scheduler import GIB, a_fleet, a_version

pytestmark = pytest.mark.contract("D05")


def document(version: VersionSpec) -> DeploymentEndpoints:
    fleet = a_fleet(versions={"ver_1": version})
    return endpoints_of(fleet.deployments["dep_1"], fleet.live(), fleet.nodes, fleet.versions)


def told(version: VersionSpec) -> tuple[int, int]:
    found = document(version)
    return found.endpoints[0].concurrency, found.context_tokens


def need(context_tokens: int, concurrency: int) -> MemoryNeed:
    return MemoryNeed(
        weights_bytes=1,
        kv_cache_bytes=1,
        activation_bytes=1,
        overhead_bytes=1,
        context_tokens=context_tokens,
        concurrency=concurrency,
        devices=1,
    )


def test_what_the_memory_was_computed_for_is_what_the_engine_was_started_with() -> None:
    assert told(a_version(memory_need=need(1024, 7))) == (7, 1024)


def test_where_the_memory_was_stated_parameters_tell_and_defaults_where_they_do_not() -> None:
    assert told(a_version(parameters={"parallel": "9", "context": "512"})) == (9, 512)
    assert told(a_version()) == (4, 2048)  # no more than the model was made for
    assert capacity_of(a_version(engine=EngineKind.VLLM, context_length=0)) == (16, 8192)


def test_of_engines_that_are_not_given_defaults_only_what_is_stated_is_known() -> None:
    assert capacity_of(a_version(engine=EngineKind.CUSTOM)) == (0, 0)
    assert capacity_of(a_version(engine=EngineKind.XINFERENCE, parameters={"context": "512"})) == (0, 512)


def test_what_a_newer_catalog_wrote_and_this_release_does_not_know_is_not_known() -> None:
    assert capacity_of(a_version(engine=EngineKind.UNKNOWN)) == (0, 0)
    assert told(a_version(parameters={"parallel": "many"})) == (0, 0)


def test_a_replica_takes_what_its_alternative_takes_and_the_deployment_what_all_of_them_do() -> None:
    small = Alternative(
        name="small", resources=Resources(memory_bytes=GIB), parameters={"parallel": "2", "context": "256"}
    )
    large = Alternative(name="large", resources=Resources(memory_bytes=GIB), memory_need=need(2048, 8))
    fleet = a_fleet(versions={"ver_1": a_version(alternatives=(small, large))})
    replica = fleet.only()
    found = endpoints_of(fleet.deployments["dep_1"], fleet.live(), fleet.nodes, fleet.versions)
    assert replica.alternative == "small"
    assert (found.endpoints[0].concurrency, found.context_tokens) == (2, 256)


def test_the_active_version_is_named() -> None:
    assert document(a_version(model_kind=ModelKind.CHAT)).version_id == "ver_1"
