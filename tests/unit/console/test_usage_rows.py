"""Lines of usage and records as the console shows them."""

from typing import Any

from roundhouse_common.contracts.money import Rates
from roundhouse_console.domain.audit import logged_facts
from roundhouse_console.domain.money import RATES
from roundhouse_console.domain.usage import record_facts, tokens_of, usage_rows
from roundhouse_console.words.usage import CHINESE, FROM_SERVICES

TOKENS = {
    "input_tokens": 1,
    "cached_input_tokens": 2,
    "cache_write_tokens": 4,
    "input_audio_tokens": 8,
    "input_image_tokens": 16,
    "output_tokens": 32,
    "reasoning_tokens": 64,
    "output_audio_tokens": 128,
    "output_image_tokens": 256,
}
NAMES = (
    "request_id model_requested model_served outcome error_code source price_id key_id user_id project_id deployment_id"
)
MORE = "replica_id node_id provider_id route_id router_id error provider route currency"


def record(**fields: Any) -> dict[str, Any]:
    texts = dict.fromkeys((NAMES + " " + MORE).split(), "")
    numbers = {"http_status": 200, "attempts": 1, "sequence": 1, "duration_ms": 1.0, "time_to_first_token_ms": None}
    return {**texts, **numbers, **TOKENS, "cost_nano": None, "correction_nano": 0, **fields}


def test_tokens_are_those_of_all_classes() -> None:
    assert tokens_of(TOKENS) == (31, 480)
    assert tokens_of({"input_tokens": 3, "output_tokens": 5}) == (3, 5)
    figures = {"key": "m", "requests": 1, "cost_nano": 0, "correction_nano": 0, "error_rate": None, "unpriced": 0}
    (row,) = usage_rows([{**figures, **TOKENS, "latency_ms": {"p95": None}}], {}, "USD")
    assert (row["input"], row["output"]) == (31, 480)
    logged = dict(logged_facts(record()))
    assert (logged["Input tokens"], logged["Output tokens"]) == ("31", "480")


def test_a_record_tells_sound_and_images_only_where_there_were_any() -> None:
    facts = dict(record_facts(record()))
    assert (facts["Audio tokens, in and out"], facts["Image tokens, in and out"]) == ("8 + 128", "16 + 256")
    facts = dict(record_facts(record(input_audio_tokens=0, output_audio_tokens=0)))
    assert "Audio tokens, in and out" not in facts


def test_corrections_are_in_the_cost_already() -> None:
    figures = {"key": "m", "requests": 1, "cost_nano": 3_000_000_000, "correction_nano": 2_000_000_000}
    figures |= {"error_rate": None, "unpriced": 0, **TOKENS, "latency_ms": {"p95": None}}
    (row,) = usage_rows([figures], {}, "USD")
    assert (row["cost"], row["cost_text"]) == (3_000_000_000, "3.00 USD")
    facts = dict(record_facts(record(cost_nano=3_000_000_000, correction_nano=2_000_000_000, currency="USD")))
    assert facts["Cost"] == "3.00 USD"


def test_every_rate_has_a_field_with_words_in_both_languages() -> None:
    assert set(RATES) == set(Rates.__struct_fields__)
    assert not set(RATES.values()) - set(CHINESE) - set(FROM_SERVICES)
