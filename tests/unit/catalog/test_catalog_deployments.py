"""Every change of a deployment makes the next generation and says what it was."""

from dataclasses import replace

import pytest

from roundhouse_catalog.domain import deployments
from roundhouse_catalog.domain.deployments import create_deployment
from roundhouse_catalog.domain.drafts import (
    DeploymentDraft,
    DeploymentPatch,
    ResourcesDraft,
    VersionDraft,
    VersionPatch,
)
from roundhouse_catalog.domain.errors import DeploymentRunning
from roundhouse_catalog.domain.records import spec_record
from roundhouse_catalog.domain.routes import followed, own_route
from roundhouse_catalog.domain.version_life import add_version
from roundhouse_catalog.domain.versions import UnknownModel
from roundhouse_common.contracts.catalog import DeploymentChange, DeploymentDesired
from roundhouse_common.errors import InvalidInput
from roundhouse_common.runtime import DeploymentId, ModelId, VersionId
from tests.unit.catalog.builders import GIB, a_deployment, a_model, a_stamp

STOPPED = DeploymentDesired.STOP


def test_a_new_deployment_is_to_run_its_first_version() -> None:
    spec = spec_record(a_deployment(replicas=2))
    assert (spec.desired, spec.generation, spec.replicas, spec.version.number) == (DeploymentDesired.RUN, 1, 2, 1)


@pytest.mark.contract("B07")
def test_scaling_says_from_where_to_where() -> None:
    decision = deployments.revise_deployment(a_deployment(), DeploymentPatch(replicas=3), stamp=a_stamp())
    assert decision is not None
    assert decision.event.change is DeploymentChange.SCALED
    assert decision.event.detail == "replicas 1 -> 3"
    assert decision.event.generation == decision.deployment.generation == 2
    assert decision.event.actor == "user:usr_admin"


def test_other_settings_are_an_update() -> None:
    patch = DeploymentPatch(drain_timeout_s=5)
    decision = deployments.revise_deployment(a_deployment(), patch, stamp=a_stamp())
    assert decision is not None
    assert (decision.event.change, decision.event.detail) == (DeploymentChange.UPDATED, "drain_timeout_s 30 -> 5")


def test_a_patch_that_changes_nothing_is_no_decision() -> None:
    assert deployments.revise_deployment(a_deployment(), DeploymentPatch(replicas=1), stamp=a_stamp()) is None


@pytest.mark.parametrize("replicas", [-1, 1001])
def test_replicas_are_0_to_1000(replicas: int) -> None:
    with pytest.raises(InvalidInput, match="0 to 1000"):
        deployments.revise_deployment(a_deployment(), DeploymentPatch(replicas=replicas), stamp=a_stamp())


def test_stopping_what_is_stopped_is_no_decision() -> None:
    stopped = deployments.stop_deployment(a_deployment(), stamp=a_stamp())
    assert stopped is not None
    assert stopped.deployment.desired is STOPPED
    assert deployments.stop_deployment(stopped.deployment, stamp=a_stamp()) is None


@pytest.mark.contract("B03")
def test_a_stopped_deployment_starts_again_with_the_same_version() -> None:
    stopped = replace(a_deployment(), desired=STOPPED)
    started = deployments.start_deployment(stopped, stamp=a_stamp())
    assert started is not None
    assert started.deployment.desired is DeploymentDesired.RUN
    assert started.deployment.version == stopped.version


@pytest.mark.contract("B06")
def test_a_deployment_that_is_to_run_cannot_be_deleted() -> None:
    with pytest.raises(DeploymentRunning, match=":stop"):
        deployments.delete_deployment(a_deployment(), {}, stamp=a_stamp())


def test_a_deleted_deployment_is_a_tombstone_with_a_deleted_route() -> None:
    stopped = replace(a_deployment(), desired=STOPPED)
    deleted = deployments.delete_deployment(stopped, {}, stamp=a_stamp()).deployment
    assert spec_record(deleted).desired is DeploymentDesired.DELETE
    assert spec_record(deleted).generation == 2
    route = followed(own_route(stopped, route_id="rte_1"), deleted)
    assert (route.is_deleted, route.generation) == (True, 2)


@pytest.mark.contract("B04")
def test_a_new_version_takes_over_and_keeps_what_it_does_not_change() -> None:
    model = a_model()
    version = VersionDraft(parameters={"parallel": "2"}, resources=ResourcesDraft(memory_bytes=5, cpu_millis=500))
    before = a_deployment(model, version=version)
    decision = add_version(
        before,
        VersionPatch(parameters={"parallel": "4"}),
        model,
        is_activated=True,
        version_id=VersionId("ver_2"),
        stamp=a_stamp(),
    )
    spec = decision.deployment.version.spec
    assert (spec.number, spec.parameters, spec.resources.memory_bytes) == (2, {"parallel": "4"}, 5)
    assert before.version.spec.parameters == {"parallel": "2"}
    assert decision.event.detail == "version 1 -> 2: parameters"


def test_a_new_version_does_not_start_a_stopped_deployment() -> None:
    stopped = replace(a_deployment(), desired=STOPPED)
    decision = add_version(
        stopped, VersionPatch(), a_model(), is_activated=True, version_id=VersionId("ver_2"), stamp=a_stamp()
    )
    assert decision.deployment.desired is STOPPED


def test_a_new_version_with_another_model_takes_that_models_memory_and_kind() -> None:
    other = replace(a_model(name="e5", kind="embedding", memory_bytes=7), model_id=ModelId("mdl_2"))
    decision = add_version(
        a_deployment(), VersionPatch(), other, is_activated=True, version_id=VersionId("ver_2"), stamp=a_stamp()
    )
    assert decision.deployment.version.spec.resources.memory_bytes == 7
    assert followed(own_route(a_deployment(), route_id="rte_1"), decision.deployment).model_kind == "embedding"
    assert decision.event.detail.startswith("version 1 -> 2: model SmolLM2-135M-Instruct -> e5")


def test_memory_that_nobody_stated_is_asked_for_and_never_guessed() -> None:
    with pytest.raises(InvalidInput, match=r"resources\.memory_bytes: the memory .* is not known"):
        a_deployment(a_model(memory_bytes=0))


def test_the_memory_of_the_model_is_the_default() -> None:
    assert a_deployment(a_model(memory_bytes=3 * GIB)).version.spec.resources.memory_bytes == 3 * GIB


@pytest.mark.parametrize(
    ("version", "field", "told"),
    [
        (VersionDraft(engine="llamacpp"), "engine", 'xinference. Did you mean "llama.cpp" or "ollama"?'),
        (VersionDraft(parameters={"paralel": "1"}), "parameters.paralel", 'Did you mean "parallel"?'),
        (VersionDraft(parameters={"parallel": "many"}), "parameters.parallel", "a whole number from 1 to 256"),
        (VersionDraft(parameters={"pooling": "sum"}), "parameters.pooling", "allowed are none, mean, cls"),
        (VersionDraft(parameters={"gpu_layers": "-1"}), "parameters.gpu_layers", "or auto, is allowed"),
        (VersionDraft(resources=ResourcesDraft(memory_bytes=0)), "resources.memory_bytes", "0 found; 1 to"),
    ],
)
def test_a_fault_names_the_field_what_was_found_and_what_is_allowed(
    version: VersionDraft, field: str, told: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        a_deployment(version=version)
    [fault] = refused.value.fields
    assert fault.field == field
    assert told in fault.message


def test_an_engine_that_cannot_serve_the_kind_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"cannot serve .* kind speech; it serves chat, completion, embedding"):
        a_deployment(a_model(kind="speech"))


def test_an_unknown_model_is_answered_with_close_names_beside_the_other_faults() -> None:
    with pytest.raises(InvalidInput) as refused:
        create_deployment(
            DeploymentDraft(name="Bad Name", replicas=5000),
            UnknownModel(wanted="smollm2", known_names=("SmolLM2-135M-Instruct", "e5-small")),
            deployment_id=DeploymentId("dep_1"),
            version_id=VersionId("ver_1"),
            tenant_id="ten_default",
            stamp=a_stamp(),
        )
    faults = {fault.field: fault.message for fault in refused.value.fields}
    assert list(faults) == ["name", "replicas", "model"]
    assert 'Did you mean "SmolLM2-135M-Instruct"?' in faults["model"]
