"""Whose fault it was: a closed vocabulary, and a word for every error that the router knows."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import roundhouse_router
from roundhouse_router.domain.errors import ApiError
from roundhouse_router.domain.faults import FAULTS, fault_of
from roundhouse_router.domain.records import ROUTER_RESTARTED
from roundhouse_router.wire.errors import CLIENT_LEFT, CLIENT_STALLED

WORDS = {
    "invalid_api_key": "caller_authentication",
    "permission_denied": "caller_permission",
    "invalid_request_error": "caller_invalid_request",
    "unknown_url": "caller_not_found",
    "method_not_supported": "caller_invalid_request",
    "model_not_found": "caller_not_found",
    "endpoint_not_served": "caller_not_found",
    "models_managed_by_platform": "caller_invalid_request",
    "request_too_large": "caller_too_large",
    "unsupported_encoding": "caller_invalid_request",
    "idempotency_key_reused": "caller_invalid_request",
    "idempotency_key_in_use": "caller_invalid_request",
    "rate_limit_exceeded": "policy_rate_limit",
    "insufficient_quota": "policy_quota",
    "model_unpriced": "policy_unpriced",
    "limiter_unavailable": "router_unavailable",
    "router_starting": "router_unavailable",
    "router_stopping": "router_unavailable",
    "no_ready_replica": "engine_unavailable",
    "too_many_waiting": "engine_unavailable",
    "engines_busy": "engine_unavailable",
    "upstream_error": "engine_error",
    "upstream_auth": "engine_authentication",
    "upstream_timeout": "engine_timeout",
    "upstream_credentials_exhausted": "provider_authentication",
    "upstream_rate_limited": "provider_busy",
    "budgets_unheard": "router_unavailable",
    "internal_error": "router_error",
}
"""For an attempt at an engine of ours."""


def errors() -> Iterator[type[ApiError]]:
    """Yield every error of the router that has a code of its own."""
    for module in pkgutil.walk_packages(roundhouse_router.__path__, "roundhouse_router."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting = [ApiError]
    while waiting:
        found = waiting.pop().__subclasses__()
        waiting += found
        yield from found


def test_every_error_of_the_router_has_its_word() -> None:
    known = {(error.code, error.status) for error in errors() if error.__module__.startswith("roundhouse_router")}
    assert {code for code, _ in known} == set(WORDS)
    assert {code: fault_of(code, status, is_provider=False) for code, status in known} == WORDS


@pytest.mark.parametrize(
    ("code", "status", "what"),
    [
        ("upstream_error", 502, "error"),
        ("upstream_timeout", 504, "timeout"),
        ("upstream_auth", 502, "authentication"),
        ("upstream_401", 401, "authentication"),
        ("upstream_402", 402, "authentication"),
        ("upstream_403", 403, "authentication"),
        ("upstream_429", 429, "busy"),
        ("upstream_500", 500, "error"),
        ("upstream_501", 501, "error"),
        ("upstream_503", 503, "error"),
        ("upstream_504", 504, "timeout"),
    ],
)
def test_upstreams_are_told_apart(code: str, status: int, what: str) -> None:
    assert fault_of(code, status, is_provider=False) == f"engine_{what}"
    assert fault_of(code, status, is_provider=True) == f"provider_{what}"


@pytest.mark.parametrize("status", [400, 404, 409, 413, 415, 422])
def test_what_an_upstream_refuses_is_the_callers(status: int) -> None:
    for is_provider in (False, True):
        assert fault_of(f"upstream_{status}", status, is_provider=is_provider) == "caller_invalid_request"


@pytest.mark.parametrize(
    ("code", "status", "word"),
    [
        ("", 200, ""),
        (CLIENT_LEFT, 499, "caller_left"),
        (CLIENT_STALLED, 200, "caller_stalled"),
        ("client_too_slow", 200, "caller_stalled"),
        ("router_stopped", 499, "router_unavailable"),
        (ROUTER_RESTARTED, 0, "router_unavailable"),
        ("insufficient_quota", 429, "policy_quota"),
        ("invalid_json", 400, "caller_invalid_request"),
        ("something_new", 400, "caller_invalid_request"),
        ("something_new", 500, "router_error"),
    ],
)
def test_other_codes(code: str, status: int, word: str) -> None:
    assert fault_of(code, status, is_provider=False) == word


def test_no_word_is_outside_the_vocabulary() -> None:
    statuses = (0, 200, *range(400, 600))
    codes = (*WORDS, *(f"upstream_{status}" for status in range(400, 600)), "anything", "upstream_", "upstream_x")
    said = {fault_of(code, status, is_provider=one) for code in codes for status in statuses for one in (False, True)}
    assert said <= FAULTS
