"""What a LiteLLM configuration becomes: every line of it is told about, and no secret is."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from roundhouse_catalog.domain.litellm_plan import ImportPlan, WantedRoute, plan_import
from roundhouse_catalog.domain.litellm_report import LineOutcome, Report
from roundhouse_common.contracts.catalog import ModelKind
from roundhouse_common.contracts.routing import FallbackReason, RouteTimeouts

FIXTURES = Path(__file__).parents[2] / "fixtures/litellm"
ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-openai-one",
    "OPENAI_API_KEY_2": "sk-openai-two",
    "ANTHROPIC_API_KEY": "sk-ant",
    "OPENROUTER_API_KEY": "sk-or",
    "REPLICATE_API_KEY": "r8",
    "GROQ_API_KEY": "gsk",
    "CEREBRAS_API_KEY": "csk",
    "OTHER_GATEWAY": "http://gateway.example.com:4000",
}


def planned(document: object, **environment: str) -> tuple[ImportPlan, dict[str, list[tuple[LineOutcome, str]]]]:
    """Return the plan, and the report by path."""
    report = Report()
    plan = plan_import(document, environment, report)
    lines: dict[str, list[tuple[LineOutcome, str]]] = {}
    for line in report.lines:
        lines.setdefault(line.path, []).append((line.outcome, line.detail))
    return plan, lines


def a_fixture(name: str) -> tuple[ImportPlan, dict[str, list[tuple[LineOutcome, str]]]]:
    return planned(yaml.safe_load((FIXTURES / name).read_text()), **ENVIRONMENT)


def an_entry(model: str = "openai/gpt-4o", name: str = "gpt-4o", **params: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, "api_key": "sk", **params}}


def route(plan: ImportPlan, name: str) -> WantedRoute:
    return next(one for one in plan.routes if one.name == name)


def targets(plan: ImportPlan, name: str) -> list[tuple[str, str, int, int]]:
    return [(one.provider, one.model, one.weight, one.priority) for one in route(plan, name).targets]


@pytest.mark.contract("D18")
def test_entries_become_providers_and_routes() -> None:
    plan, lines = a_fixture("team.yaml")
    assert {one.name: (one.base_url, one.secrets) for one in plan.providers} == {
        "openai": ("https://api.openai.com/v1", ("sk-openai-one", "sk-openai-two")),
        "anthropic": ("https://api.anthropic.com/v1", ("sk-ant",)),
        "ollama-gpu-1-11434": ("http://gpu-1:11434", ()),
        "hosted-vllm-gpu-2-8000": ("http://gpu-2:8000/v1", ()),
        "together-ai": ("https://api.together.xyz/v1", ("literal-together-key",)),
        "openrouter": ("https://openrouter.ai/api/v1", ("sk-or",)),
        "replicate": ("https://api.replicate.com/v1", ("r8",)),
    }
    assert targets(plan, "qwen") == [
        ("hosted-vllm-gpu-2-8000", "Qwen/Qwen3-32B", 9, 0),
        ("together-ai", "Qwen/Qwen3-32B", 1, 1),
    ]
    assert targets(plan, "openrouter/*") == [("openrouter", "*", 1, 0)]
    assert targets(plan, "claude-again") == [("anthropic", "claude-sonnet-4-5", 1, 0)]
    assert (route(plan, "embed").kind, route(plan, "sdxl").kind) == (ModelKind.EMBEDDING, ModelKind.IMAGE)
    assert [(one.name, one.alias_of) for one in plan.routes if one.alias_of] == [
        ("gpt-4", "gpt-4o"),
        ("best", "claude"),
    ]
    assert plan.variables_needed == ()
    assert "Azure" in lines["model_list[2]"][0][1]


@pytest.mark.contract("D19")
def test_entries_that_differ_in_their_keys_are_one_target_and_rpm_is_a_weight() -> None:
    plan, lines = a_fixture("team.yaml")
    assert targets(plan, "gpt-4o")[0] == ("openai", "gpt-4o", 600, 0)
    assert plan.limits == ()
    assert lines["model_list[0].litellm_params.rpm"][0][0] is LineOutcome.CHANGED


@pytest.mark.contract("D19")
def test_fallbacks_both_ways_are_had_without_a_circle() -> None:
    plan, lines = a_fixture("team.yaml")
    assert route(plan, "llama").fallbacks == ((FallbackReason.CONTEXT_LENGTH, "gpt-4o"),)
    assert route(plan, "gpt-4o").fallbacks == ((FallbackReason.ERROR, "claude"),)
    assert targets(plan, "gpt-4o") == [("openai", "gpt-4o", 600, 0), ("ollama-gpu-1-11434", "llama3.1", 1, 1)]
    assert route(plan, "claude").fallbacks == ((FallbackReason.CONTENT_POLICY, "qwen"),)
    assert targets(plan, "claude") == [("anthropic", "claude-sonnet-4-5", 1, 0), ("openai", "gpt-4o", 600, 1)]
    assert lines["fallbacks.claude"][0][0] is LineOutcome.CHANGED


def test_times_retries_and_the_cache_are_the_routes() -> None:
    plan, lines = a_fixture("team.yaml")
    assert route(plan, "claude").timeouts == RouteTimeouts(first_token_s=300, idle_s=60)
    assert route(plan, "gpt-4o").timeouts == RouteTimeouts(first_token_s=120)
    assert {one.max_attempts for one in plan.routes if not one.alias_of} == {3}
    assert {one.cache_ttl_s for one in plan.routes if not one.alias_of} == {120}
    assert "router_settings.num_retries says it already" in lines["litellm_settings.num_retries"][0][1]


def test_every_line_of_the_file_is_told_about() -> None:
    document = yaml.safe_load((FIXTURES / "team.yaml").read_text())
    _, lines = a_fixture("team.yaml")
    for section in ("router_settings", "litellm_settings", "general_settings"):
        for name in document[section]:
            prefixes = (f"{section}.{name}", name)
            assert any(path.startswith(prefixes) for path in lines if path), f"{section}.{name}"
    for index, _ in enumerate(document["model_list"]):
        assert f"model_list[{index}]" in lines
    for path in (
        "model_list[0].litellm_params.temperature",
        "model_list[0].model_info.id",
        "model_list[9].litellm_params.extra_headers.Authorization",
    ):
        assert lines[path][0][0] is LineOutcome.LEFT_OUT


def test_no_secret_is_in_the_report_or_the_plans_words() -> None:
    for name in ("team.yaml", "usage_based.yaml"):
        plan, lines = a_fixture(name)
        words = repr(lines) + repr(plan)
        for secret in [*ENVIRONMENT.values(), "literal-together-key", "hunter2", "sk-1234", "deepseek-from-the-file"]:
            assert secret not in words or secret.startswith("http")


def test_limits_are_made_where_litellm_would_enforce_them() -> None:
    plan, lines = a_fixture("usage_based.yaml")
    [limit] = plan.limits
    assert (limit.name, limit.route, limit.bounds) == ("litellm fast", "fast", {"requests_per_minute": 90})
    assert "not every entry" in lines["model_list[0].litellm_params.tpm"][0][1]
    assert targets(plan, "fast") == [("groq", "llama-3.3-70b-versatile", 30, 0), ("cerebras", "llama-3.3-70b", 60, 0)]


def test_credentials_variables_and_default_fallbacks_are_followed() -> None:
    plan, _ = a_fixture("usage_based.yaml")
    providers = {one.name: one for one in plan.providers}
    assert providers["groq"].secrets == ("gsk",)
    assert providers["deepseek"].secrets == ("deepseek-from-the-file",)
    assert providers["litellm-proxy-gateway.example.com-4000"].base_url == "http://gateway.example.com:4000"
    assert route(plan, "fast").fallbacks == ((FallbackReason.ERROR, "deep"),)
    assert route(plan, "deep").fallbacks == ()
    assert route(plan, "fast").timeouts.first_token_s == 30


def test_variables_that_nobody_gave_are_named_the_implied_ones_too() -> None:
    entries = [an_entry(api_key="os.environ/MY_KEY"), an_entry("groq/x", "x", api_key=None)]
    plan, _ = planned({"model_list": entries})
    assert plan.variables_needed == ("MY_KEY", "GROQ_API_KEY")
    assert planned({"model_list": [an_entry(api_key=None, api_base="http://gpu:8000/v1")]})[0].variables_needed == ()


@pytest.mark.parametrize(
    ("name", "model", "sent"),
    [
        ("*", "*", ""),
        ("openai/*", "openai/*", "*"),
        ("gpt-*", "openai/gpt-*", ""),
        ("fo::*:static::*", "openai/fo::*:static::*", ""),
        ("mine/*", "openai/ft-*", "ft-*"),
    ],
)
def test_wildcards_mean_what_they_mean_to_litellm(name: str, model: str, sent: str) -> None:
    plan, _ = planned({"model_list": [an_entry(model, name)]})
    assert [one.model for one in route(plan, name).targets] == [sent]


@pytest.mark.parametrize(("name", "model"), [("plain", "openai/*"), ("a*b*", "openai/*")])
def test_wildcards_without_a_meaning_are_left_out(name: str, model: str) -> None:
    plan, lines = planned({"model_list": [an_entry(model, name)]})
    assert plan.routes == ()
    assert any(outcome is LineOutcome.LEFT_OUT for outcome, _ in lines["model_list[0]"])


@pytest.mark.parametrize(
    ("stated", "base_url"),
    [
        ("https://a.example.com", "https://a.example.com/v1"),
        ("https://a.example.com/v1/", "https://a.example.com/v1"),
        ("https://a.example.com/v1/messages", "https://a.example.com/v1"),
    ],
)
def test_addresses_are_taken_as_litellm_completes_them(stated: str, base_url: str) -> None:
    plan, _ = planned({"model_list": [an_entry("anthropic/claude-x", "c", api_base=stated)]})
    assert plan.providers[0].base_url == base_url


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("openai/text-embedding-3-large", ModelKind.EMBEDDING),
        ("mistral/mistral-embed", ModelKind.EMBEDDING),
        ("dall-e-3", ModelKind.IMAGE),
        ("whisper-1", ModelKind.TRANSCRIPTION),
        ("openai/gpt-4o-transcribe", ModelKind.TRANSCRIPTION),
        ("tts-1-hd", ModelKind.SPEECH),
        ("openai/gpt-4o-mini-tts", ModelKind.SPEECH),
        ("text-completion-openai/gpt-3.5-turbo-instruct", ModelKind.COMPLETION),
        ("hosted_vllm/BAAI/bge-reranker-v2-m3", ModelKind.RERANK),
        ("openai/gpt-4o", ModelKind.CHAT),
        ("together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo", ModelKind.CHAT),
    ],
)
def test_names_tell_the_kind_where_nothing_else_does(model: str, kind: ModelKind) -> None:
    plan, _ = planned({"model_list": [an_entry(model, "x", api_base="http://gpu:8000/v1")]})
    assert route(plan, "x").kind is kind


def test_endpoints_of_one_provider_are_one_provider() -> None:
    entries = [an_entry(), an_entry("text-completion-openai/gpt-3.5-turbo-instruct", "x")]
    plan, _ = planned({"model_list": entries})
    assert [one.name for one in plan.providers] == ["openai"]


def test_keys_that_litellm_keeps_apart_are_told_about() -> None:
    plan, lines = planned({"model_list": [an_entry(api_key="sk-a"), an_entry("openai/o3", "o3", api_key="sk-b")]})
    assert plan.providers[0].secrets == ("sk-a", "sk-b")
    assert any("used for all of its models" in detail for _, detail in lines["model_list[0]"])


def test_one_address_with_other_headers_is_another_provider() -> None:
    one, other = an_entry(organization="org-a"), an_entry("openai/o3", "o3", organization="org-b")
    plan, _ = planned({"model_list": [one, other]})
    assert [(one.name, one.headers) for one in plan.providers] == [
        ("openai", {"openai-organization": "org-a"}),
        ("openai-2", {"openai-organization": "org-b"}),
    ]


def test_a_weight_of_nothing_is_a_fallback_and_large_rates_are_scaled() -> None:
    entries = [an_entry(weight=1), an_entry("openai/b", weight=0), an_entry("openai/c", "c", tpm=40_000_000)]
    plan, _ = planned({"model_list": entries})
    assert targets(plan, "gpt-4o") == [("openai", "gpt-4o", 1, 0), ("openai", "b", 0, 0)]
    assert targets(plan, "c") == [("openai", "c", 1_000_000, 0)]
    alone, _ = planned({"model_list": [an_entry(weight=0)]})
    assert targets(alone, "gpt-4o") == [("openai", "gpt-4o", 1, 0)]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {},
        {"model_list": None},
        {"model_list": {"a": 1}},
        {
            "model_list": [
                None,
                5,
                "x",
                {"model_name": "x"},
                {"litellm_params": {}},
                {"model_name": 3, "litellm_params": {}},
            ]
        },
        {"model_list": [an_entry(), an_entry("bedrock/x"), an_entry("nobody/x"), an_entry("gemini/y"), an_entry("")]},
        {"model_list": [an_entry(rpm="many", weight=True, timeout=float("inf"), order=-1, extra_headers=5)]},
        {"router_settings": 5, "litellm_settings": [1], "environment_variables": "x", "credential_list": [3]},
        {"router_settings": {"fallbacks": [{"a": None}, 5], "model_group_alias": {"x": 5}, "num_retries": -1}},
        {"router_settings": {"timeout": "soon", "routing_strategy": ["x"]}, "litellm_settings": {"cache": 1}, 7: 8},
    ],
)
def test_what_makes_no_sense_is_left_out_and_breaks_nothing(document: object) -> None:
    _, lines = planned(document)
    assert any(outcome is LineOutcome.LEFT_OUT for found in lines.values() for outcome, _ in found)
