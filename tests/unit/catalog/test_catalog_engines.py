"""The catalog refuses what the node agent's driver would refuse, and nothing else."""

import msgspec
import pytest

from roundhouse_catalog.domain.engines import ENGINES, check_parameters
from roundhouse_catalog.domain.findings import Findings
from roundhouse_common.contracts.catalog import EngineKind, VersionSpec
from roundhouse_common.errors import InvalidInput
from roundhouse_node_agent.engines.llama_cpp import LlamaCpp
from tests.unit.catalog.builders import a_deployment

LLAMA_CPP = EngineKind.LLAMA_CPP
DRIVER = LlamaCpp("python")
EXAMPLES = {
    "parallel": ["1", "256"],
    "context": ["1", "10000000"],
    "threads": ["1", "1024"],
    "batch": ["1", "1000000"],
    "gpu_layers": ["0", "10000", "auto"],
    "pooling": ["none", "mean", "cls", "last", "rank"],
    "cache_type": ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1"],
    "prompt_cache_mib": ["0", "1048576"],
    "chat_template_file": ["/templates/a.jinja"],
}


def a_version_with(parameters: dict[str, str]) -> VersionSpec:
    return msgspec.structs.replace(a_deployment().version.spec, parameters=parameters)


def test_the_driver_and_the_catalog_know_the_same_parameters() -> None:
    unknown = DRIVER.cannot_run(a_version_with({"no-such": "1"}))
    assert unknown == f"llama.cpp has no parameter no-such; it has {', '.join(sorted(ENGINES[LLAMA_CPP].parameters))}"
    assert EXAMPLES.keys() == ENGINES[LLAMA_CPP].parameters.keys()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in EXAMPLES.items() for value in values])
def test_what_the_catalog_takes_the_driver_takes(name: str, value: str) -> None:
    findings = Findings()
    check_parameters(LLAMA_CPP, {name: value}, findings)
    findings.refuse()
    assert DRIVER.cannot_run(a_version_with({name: value})) is None


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.parametrize("value", ["", " ", "-1", "1 ", "½", "yes", "relative/path", "1e3", "99999999999999999999"])
def test_a_value_of_the_wrong_shape_is_refused_by_name(name: str, value: str) -> None:
    findings = Findings()
    check_parameters(LLAMA_CPP, {name: value}, findings)
    with pytest.raises(InvalidInput, match=rf"^parameters\.{name}: .* found;"):
        findings.refuse()
