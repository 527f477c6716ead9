"""What can be wrong with a route by itself, whatever else there is: names, targets, settings."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from roundhouse_catalog.domain.findings import Findings, quoted
from roundhouse_catalog.domain.route_drafts import BalancingDraft, RouteDraft
from roundhouse_catalog.domain.settings import ACCESSES
from roundhouse_catalog.domain.shapes import choice_fault, range_fault, text_fault
from roundhouse_common.contracts.routing import FallbackReason, RouteMatch, RouteTarget, SplitBy, Strategy

__all__ = ["FALLBACK_REASONS", "MOST_NAME", "SPLITS", "STRATEGIES", "check_shape", "header_name_fault", "name_fault"]

STRATEGIES: Final[Mapping[str, Strategy]] = {one.value: one for one in Strategy if one is not Strategy.UNKNOWN}
SPLITS: Final[Mapping[str, SplitBy]] = {one.value: one for one in SplitBy if one is not SplitBy.UNKNOWN}
FALLBACK_REASONS: Final[Mapping[str, FallbackReason]] = {
    one.value: one for one in FallbackReason if one is not FallbackReason.UNKNOWN
}

MOST_NAME: Final = 128
_MOST_STARS: Final = 8
_MOST_TARGETS: Final = 64
_MOST_FALLBACKS: Final = 16
_MOST_IDS: Final = 1000
_MOST_WEIGHT: Final = 1_000_000
_MOST_PRIORITY: Final = 100
_MOST_SECONDS: Final = 86_400.0
_MOST_CACHED_S: Final = 30 * 86_400.0
_MOST_REQUESTS: Final = 100_000
_MOST_ANSWER_BYTES: Final = 64 * 1024 * 1024
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,128}")
_SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"})


def name_fault(name: str) -> str | None:
    """Whatever clients may send as `model`, as long as a person can read it in a table."""
    if fault := text_fault(name, most=MOST_NAME, what="a route's name"):
        return fault
    if "**" in name:
        return f"{quoted(name)} found; one * stands for any characters already"
    if name.count("*") > _MOST_STARS:
        return f"{name.count('*')} times * found; {_MOST_STARS} at most are allowed"
    return None


def header_name_fault(name: str) -> str | None:
    if name in _SECRET_HEADERS:
        return f"{quoted(name)} carries a secret; name keys in key_ids instead"
    if _HEADER.fullmatch(name):
        return None
    hint = f"; {quoted(name.lower())} would do" if _HEADER.fullmatch(name.lower()) else ""
    return f"{quoted(name)} found; state the name of a header in lower case{hint}"


def check_shape(draft: RouteDraft, findings: Findings) -> None:
    """Add every fault that shows without looking at anything else."""
    findings.add("name", name_fault(draft.name))
    _check_leads(draft, findings)
    _check_balancing(draft.balancing, findings)
    findings.add("split_by", choice_fault(draft.split_by, SPLITS))
    findings.add("access", choice_fault(draft.access, ACCESSES))
    for index, fallback in enumerate(draft.fallbacks):
        findings.add(f"fallbacks.{index}.reason", choice_fault(fallback.reason, FALLBACK_REASONS))
    if len(draft.fallbacks) > _MOST_FALLBACKS:
        findings.add("fallbacks", f"{len(draft.fallbacks)} found; {_MOST_FALLBACKS} at most are allowed")
    _check_numbers(draft, findings)
    for field, ids in (("key_ids", draft.key_ids), ("tenant_ids", draft.tenant_ids)):
        if len(ids) > _MOST_IDS:
            findings.add(field, f"{len(ids)} found; {_MOST_IDS} at most are allowed")
    if draft.tenant_ids and not draft.is_platform:
        findings.add("tenant_ids", "only routes of the platform name tenants; yours is for your own tenant")


def _check_leads(draft: RouteDraft, findings: Findings) -> None:
    if draft.alias_of and draft.targets:
        findings.add("alias_of", "an alias has no targets of its own; state either `alias_of` or `targets`")
    elif draft.alias_of and draft.fallbacks:
        findings.add("fallbacks", "an alias takes those of the route it names; state them there")
    elif not draft.alias_of and not draft.targets:
        findings.add("targets", "none found; state where the route leads, or `alias_of` for another name of a route")
    if len(draft.targets) > _MOST_TARGETS:
        findings.add("targets", f"{len(draft.targets)} found; {_MOST_TARGETS} at most are allowed")
        return
    for index, target in enumerate(draft.targets):
        _check_target(f"targets.{index}", target, findings)
    _check_twins(draft.targets, findings)
    _check_weights(draft.targets, findings)


def _check_target(field: str, target: RouteTarget, findings: Findings) -> None:
    if target.deployment_id and target.provider_id:
        findings.add(field, "both a deployment and a provider found; a target is one of them: make two targets")
    elif not target.deployment_id and not target.provider_id:
        findings.add(field, "nothing found; state deployment_id or provider_id")
    if target.model and target.deployment_id:
        findings.add(f"{field}.model", "only a provider's target has one: a deployment serves its own model")
    elif target.model:
        findings.add(f"{field}.model", text_fault(target.model, most=256, what="a provider's name for a model"))
    findings.add(f"{field}.weight", range_fault(target.weight, 0, _MOST_WEIGHT))
    findings.add(f"{field}.priority", range_fault(target.priority, 0, _MOST_PRIORITY))
    if target.match is not None:
        _check_match(f"{field}.match", target.match, findings)


def _check_match(field: str, match: RouteMatch, findings: Findings) -> None:
    if match == RouteMatch():
        findings.add(field, "nothing found; state a header, keys or users, or leave `match` out")
    if match.value and not match.header:
        findings.add(f"{field}.value", "a value without a header found; state which header must have it")
    if match.header:
        findings.add(f"{field}.header", header_name_fault(match.header))
    if match.value:
        findings.add(f"{field}.value", text_fault(match.value, most=256, what="a header's value"))
    for index, user_id in enumerate(match.user_ids):
        findings.add(f"{field}.user_ids.{index}", text_fault(user_id, most=256, what="a user"))
    for name, ids in (("key_ids", match.key_ids), ("user_ids", match.user_ids)):
        if len(ids) > _MOST_IDS:
            findings.add(f"{field}.{name}", f"{len(ids)} found; {_MOST_IDS} at most are allowed")


def _check_twins(targets: Sequence[RouteTarget], findings: Findings) -> None:
    seen: dict[object, int] = {}
    for index, one in enumerate(targets):
        same = (one.deployment_id, one.provider_id, one.model, one.priority, one.match)
        first = seen.setdefault(same, index)
        if first != index:
            findings.add(f"targets.{index}", f"it is target {first} again; state it once, with the weights added up")


def _check_weights(targets: Sequence[RouteTarget], findings: Findings) -> None:
    """What is drawn from must have something to draw: each priority, and each match in it, for itself."""
    sums: dict[tuple[int, RouteMatch | None], int] = {}
    for one in targets:
        sums[one.priority, one.match] = sums.get((one.priority, one.match), 0) + max(one.weight, 0)
    for priority, match in [group for group, weight in sums.items() if weight == 0]:
        which = " with this match" if match else ""
        findings.add(
            "targets", f"no target of priority {priority}{which} has a weight above 0; give at least one of them one"
        )


def _check_balancing(balancing: BalancingDraft, findings: Findings) -> None:
    findings.add("balancing.strategy", choice_fault(balancing.strategy, STRATEGIES))
    for name, weight in balancing.weights.items():
        findings.add("balancing.weights", text_fault(name, most=MOST_NAME, what="a replica, a node or a region"))
        findings.add(f"balancing.weights.{name}", range_fault(weight, 0, _MOST_WEIGHT))
    if balancing.session_header:
        findings.add("balancing.session_header", header_name_fault(balancing.session_header))
    findings.add("balancing.load_ceiling", range_fault(balancing.load_ceiling, 1.0, 1000.0))
    findings.add("balancing.spill_in_flight", range_fault(balancing.spill_in_flight, 0, _MOST_REQUESTS))


def _check_numbers(draft: RouteDraft, findings: Findings) -> None:
    for name in ("first_token_s", "idle_s", "total_s"):
        value: float = getattr(draft.timeouts, name)
        findings.add(f"timeouts.{name}", range_fault(value, 0.0, _MOST_SECONDS, unit="seconds"))
    findings.add("retries.max_attempts", range_fault(draft.retries.max_attempts, 0, 10))
    findings.add("queue.in_flight_per_endpoint", range_fault(draft.queue.in_flight_per_endpoint, 0, _MOST_REQUESTS))
    findings.add("queue.max_waiting", range_fault(draft.queue.max_waiting, 0, _MOST_REQUESTS))
    findings.add("queue.deadline_s", range_fault(draft.queue.deadline_s, 0.0, 3600.0, unit="seconds"))
    findings.add("cache.ttl_s", range_fault(draft.cache.ttl_s, 0.0, _MOST_CACHED_S, unit="seconds"))
    findings.add("cache.max_answer_bytes", range_fault(draft.cache.max_answer_bytes, 1, _MOST_ANSWER_BYTES))
