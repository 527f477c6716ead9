"""Which requests go to which engines: only endpoints that an engine has, and unknown ones as before."""

import pytest

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.contracts.routing import RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, EndpointState
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.domain.errors import EndpointNotServed
from roundhouse_router.domain.features import FEATURES, PATHS, check_served, serves
from tests.support.running_router import deployment_endpoints, endpoint

CHAT, COMPLETION, EMBEDDING = Operation.CHAT, Operation.COMPLETION, Operation.EMBEDDING
TEXT = ("chat", "completions", "tokenize")


def fleet(
    *features: tuple[str, ...],
    state: EndpointState = EndpointState.READY,
    engine: EngineKind = EngineKind.LLAMA_CPP,
    is_wakeable: bool = False,
) -> DeploymentEndpoints:
    """Return one deployment with an endpoint for each tuple of features."""
    endpoints = [
        endpoint("http://x", number, features=one, engine=engine, state=state) for number, one in enumerate(features)
    ]
    return deployment_endpoints(*endpoints, is_wakeable=is_wakeable)


def refused(operation: Operation, *deployments: DeploymentEndpoints) -> str:
    """Return the words of the refusal; empty: it is let through."""
    known = {f"dep_{number}": one for number, one in enumerate(deployments)}
    try:
        targets = [RouteTarget(deployment_id=key) for key in known]
        check_served(known, targets, (FEATURES[operation],), path=PATHS[operation], model="tiny")
    except EndpointNotServed as error:
        return error.message
    return ""


def picked(operation: Operation, deployment: DeploymentEndpoints) -> list[str]:
    return sorted(one.replica_id for one in deployment.endpoints if serves(one, FEATURES[operation]))


@pytest.mark.contract("A11")
@pytest.mark.parametrize(
    ("operation", "features", "wanted"),
    [
        (CHAT, [TEXT, TEXT], ["rep_0", "rep_1"]),
        (EMBEDDING, [TEXT, ("embeddings",)], ["rep_1"]),
        (EMBEDDING, [TEXT, ()], ["rep_1"]),
        (EMBEDDING, [TEXT], []),
        (COMPLETION, [("chat",), TEXT], ["rep_1"]),
        (CHAT, [("something-new",)], []),
        (CHAT, [()], ["rep_0"]),
    ],
)
def test_only_engines_that_have_the_endpoint_are_picked(
    operation: Operation, features: list[tuple[str, ...]], wanted: list[str]
) -> None:
    assert picked(operation, fleet(*features)) == wanted


def test_the_refusal_says_which_engine_and_what_it_has() -> None:
    assert refused(EMBEDDING, fleet(TEXT)) == (
        "The model `tiny` cannot be used at /v1/embeddings: its engine (llama.cpp) does not have it. "
        "It has /v1/chat/completions and /v1/completions."
    )
    assert refused(CHAT, fleet(("transcriptions",), engine=EngineKind.VLLM)) == (
        "The model `tiny` cannot be used at /v1/chat/completions: its engine (vllm) does not have it. "
        "It has nothing that is offered here."
    )


@pytest.mark.parametrize(
    ("deployments", "is_refused"),
    [
        ([fleet(TEXT)], True),
        ([fleet(TEXT, ("embeddings",))], False),
        ([fleet(TEXT), fleet(("embeddings",))], False),
        ([fleet(TEXT), fleet(is_wakeable=True)], False),
        ([fleet(TEXT), fleet()], True),
        ([fleet(TEXT, state=EndpointState.DRAINING)], False),
        ([fleet()], False),
        ([fleet(())], False),
    ],
    ids=["lacks", "one-replica-has", "one-target-has", "a-sleeper-may-have", "no-replica-yet", "draining", "none", "?"],
)
def test_refused_is_what_engines_that_take_requests_lack(
    deployments: list[DeploymentEndpoints], is_refused: bool
) -> None:
    assert bool(refused(EMBEDDING, *deployments)) is is_refused
