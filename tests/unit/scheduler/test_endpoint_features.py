"""What routers are told of an endpoint's engine, and of the model's defaults."""

import pytest

from roundhouse_common.contracts.catalog import ModelDefaults
from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import DeploymentEndpoints
from roundhouse_scheduler.domain.documents import endpoints_of
from tests.support.scheduler import Fleet, a_fleet, a_version, an_entry

CHAT = ("chat", "completions")


def document(fleet: Fleet) -> DeploymentEndpoints:
    return endpoints_of(fleet.deployments["dep_1"], fleet.live(), fleet.nodes, fleet.versions)


def reported(fleet: Fleet, *features: str) -> DeploymentEndpoints:
    replica = fleet.only()
    fleet.report(replica.node_id, an_entry(replica, ObservedPhase.READY, features=features))
    fleet.step()
    return document(fleet)


@pytest.mark.contract("A11")
def test_what_a_node_says_of_an_engine_is_told_to_routers() -> None:
    fleet = a_fleet()
    before = document(fleet)
    after = reported(fleet, *CHAT)
    assert before.endpoints[0].features == ()
    assert after.endpoints[0].features == CHAT
    assert after.revision > before.revision


def test_a_node_that_says_nothing_takes_back_nothing() -> None:
    fleet = a_fleet()
    told = reported(fleet, *CHAT)
    assert reported(fleet) == told


def test_an_engine_that_the_record_had_lost_comes_back_with_its_endpoints() -> None:
    fleet = a_fleet()
    replica = fleet.only()
    fleet.replicas.clear()
    entry = an_entry(
        replica,
        ObservedPhase.READY,
        features=CHAT,
        version_id=replica.version_id,
        version_number=1,
        engine_api_key=replica.engine_api_key,
    )
    fleet.report(replica.node_id, entry)
    fleet.step()
    assert [(item.replica_id, item.features) for item in document(fleet).endpoints] == [(replica.replica_id, CHAT)]


def test_the_defaults_are_those_of_the_active_version() -> None:
    defaults = ModelDefaults(system_message="Be brief.", parameters={"temperature": 0.2})
    fleet = a_fleet(versions={"ver_1": a_version(defaults=defaults)})
    assert document(fleet).defaults == defaults
    assert document(a_fleet()).defaults is None


def test_routers_are_told_which_version_and_what_devices_serve() -> None:
    [told] = document(a_fleet()).endpoints
    fleet = a_fleet()
    assert (told.version_id, told.device_class) == (fleet.only().version_id, "cpu")
