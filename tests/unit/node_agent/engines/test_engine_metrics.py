"""Every engine's own metrics become ours; what is missing is never taken for idle."""

from pathlib import Path

import pytest

from roundhouse_common.contracts.catalog import EngineKind, VersionSpec
from roundhouse_node_agent.domain.engine_run import EngineSample
from roundhouse_node_agent.engines.known import all_engines
from roundhouse_node_agent.engines.prometheus_text import parse_metrics
from tests.unit.node_agent.engines.orders import a_version

PAGES = Path(__file__).with_name("metrics")
KINDS = {
    EngineKind.VLLM: 0.25,
    EngineKind.SGLANG: 0.25,
    EngineKind.LMDEPLOY: 0.25,
    EngineKind.LLAMA_SERVER: 0.0,
    EngineKind.MINDIE: 0.25,
    EngineKind.CUSTOM: 0.25,
}
NAMED = {
    "metric_running": "x_running",
    "metric_waiting": "x_waiting",
    "metric_cache_usage": "x_cache",
    "metric_input_tokens": "x_in",
    "metric_output_tokens": "x_out",
}


def version_of(kind: EngineKind) -> VersionSpec:
    return a_version(kind, parameters=NAMED if kind is EngineKind.CUSTOM else {})


@pytest.mark.parametrize("kind", KINDS)
def test_an_engines_metrics_get_our_names(kind: EngineKind) -> None:
    metrics = parse_metrics((PAGES / f"{kind.value}.txt").read_text())
    assert all_engines()[kind.value].sample(metrics, version_of(kind)) == EngineSample(
        running=3,
        waiting=1,
        kv_cache_usage=KINDS[kind],
        input_tokens_total=31.0,
        cached_input_tokens_total=None if kind in (EngineKind.MINDIE, EngineKind.CUSTOM) else 11.0,
        output_tokens_total=72.0,
    )


def test_counters_that_are_not_told_are_not_known_and_not_0() -> None:
    """An older llama.cpp counts only what it computed of a prompt, not what its cache had."""
    page = "llamacpp:requests_processing 0\nllamacpp:requests_deferred 0\nllamacpp:prompt_tokens_total 20\n"
    sample = all_engines()[EngineKind.LLAMA_SERVER.value].sample(
        parse_metrics(page), version_of(EngineKind.LLAMA_SERVER)
    )
    assert sample == EngineSample(running=0, waiting=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_without_the_figures_is_no_sample(kind: EngineKind) -> None:
    assert all_engines()[kind.value].sample(parse_metrics("process_cpu_seconds_total 3\n"), version_of(kind)) is None


@pytest.mark.parametrize("kind", [EngineKind.TRANSFORMERS, EngineKind.OLLAMA, EngineKind.XINFERENCE])
def test_engines_without_metrics_are_not_asked_for_them(kind: EngineKind) -> None:
    assert all_engines()[kind.value].probes(a_version(kind), served_name="smol", rank=0).metrics == ""
