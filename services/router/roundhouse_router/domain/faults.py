"""Whose fault it was that a request did not succeed: a closed vocabulary, for metrics and alarms.

caller_*     the request: its key, its body, its model; or the caller left
policy_*     a limit or a queue that somebody set
engine_*     an engine of ours
provider_*   an outside API
router_*     the router itself
"""

from typing import Final

__all__ = ["FAULTS", "fault_of"]

_BY_CODE: Final = {
    "invalid_api_key": "caller_authentication",
    "permission_denied": "caller_permission",
    "model_not_found": "caller_not_found",
    "unknown_url": "caller_not_found",
    "endpoint_not_served": "caller_not_found",
    "request_too_large": "caller_too_large",
    "client_left": "caller_left",
    "client_stalled": "caller_stalled",
    "client_too_slow": "caller_stalled",
    "rate_limit_exceeded": "policy_rate_limit",
    "insufficient_quota": "policy_quota",
    "model_unpriced": "policy_unpriced",
    "engines_busy": "engine_unavailable",
    "no_ready_replica": "engine_unavailable",
    "too_many_waiting": "engine_unavailable",
    "router_starting": "router_unavailable",
    "router_stopping": "router_unavailable",
    "router_stopped": "router_unavailable",
    "router_restarted": "router_unavailable",
    "limiter_unavailable": "router_unavailable",
    "budgets_unheard": "router_unavailable",
    "internal_error": "router_error",
    "upstream_credentials_exhausted": "provider_authentication",
    "upstream_rate_limited": "provider_busy",
}
_UPSTREAM: Final = {
    "upstream_error": "error",
    "upstream_timeout": "timeout",
    "upstream_auth": "authentication",
    "upstream_429": "busy",
    "upstream_401": "authentication",
    "upstream_402": "authentication",
    "upstream_403": "authentication",
    "upstream_504": "timeout",
}
_CALLERS: Final = "caller_invalid_request"

FAULTS: Final = frozenset(
    {
        _CALLERS,
        *_BY_CODE.values(),
        *(f"{whose}_{what}" for whose in ("engine", "provider") for what in _UPSTREAM.values()),
    }
)
"""Every word there is."""


def fault_of(error_code: str, status: int, *, is_provider: bool) -> str:
    """Return the word for a request that failed or was refused; empty when there is no error."""
    if not error_code:
        return ""
    known = _BY_CODE.get(error_code)
    if known is not None:
        return known
    if error_code in _UPSTREAM or (error_code.startswith("upstream_") and not _is_callers(error_code)):
        return f"{'provider' if is_provider else 'engine'}_{_UPSTREAM.get(error_code, 'error')}"
    return _CALLERS if status < 500 or _is_callers(error_code) else "router_error"


def _is_callers(error_code: str) -> bool:
    """Whether an upstream judged the request to be wrong."""
    return error_code.startswith("upstream_4") and error_code not in _UPSTREAM
