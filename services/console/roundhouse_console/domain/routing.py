"""Routes as people edit them: drafts, the bodies that they make, and where a preview says that requests go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from roundhouse_console.domain.errors import Unfit
from roundhouse_console.domain.labels import labels_of, labels_text

__all__ = [
    "KINDS",
    "REASONS",
    "STRATEGIES",
    "FallbackDraft",
    "RouteDraft",
    "Share",
    "TargetDraft",
    "body_of",
    "changed_of",
    "draft_of",
    "example_name",
    "leads_to",
    "shares_of",
    "users_of",
]

Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""
Body = dict[str, Any]

STRATEGIES: Final[Mapping[str, str]] = {
    "least-in-flight": "Fewest requests in flight",
    "round-robin": "Round robin",
    "random": "Random",
    "weighted": "By weights of replicas, nodes or regions",
    "power-of-two": "The less busy of two drawn ones",
    "prefix-affinity": "Where the prompt's beginning is cached",
    "session-affinity": "The same session, the same endpoint",
    "lowest-latency": "Lowest latency",
}
"""How an endpoint of a target is chosen, in words."""
REASONS: Final[Mapping[str, str]] = {
    "error": "No target answered",
    "context-length": "The prompt is too long",
    "content-policy": "A provider refused the content",
}
"""What a fallback is for, in words."""
KINDS: Final = ("chat", "completion", "embedding", "rerank", "image", "speech", "transcription")
_KIB: Final = 1024


@dataclass(slots=True)
class TargetDraft:
    """A target as it is in the form. `to` is `deployment:<id>` or `provider:<id>`; empty: not chosen yet."""

    to: str = ""
    model: str = ""
    weight: float | None = 1
    priority: float | None = 0
    header: str = ""
    value: str = ""
    key_ids: list[str] = field(default_factory=list)
    users: str = ""
    """With commas between."""

    @property
    def is_for_some(self) -> bool:
        """Whether only some requests go there."""
        return bool(self.header or self.key_ids or self.users)


@dataclass(slots=True)
class FallbackDraft:
    """A fallback as it is in the form."""

    reason: str = "error"
    route: str = ""


@dataclass(slots=True)
class RouteDraft:
    """A route as it is in the form; numbers are None where a field was emptied."""

    name: str = ""
    is_platform: bool = False
    is_alias: bool = False
    alias_of: str = ""
    targets: list[TargetDraft] = field(default_factory=lambda: [TargetDraft()])
    fallbacks: list[FallbackDraft] = field(default_factory=list)
    model_kind: str = "chat"
    split_by: str = "request"
    strategy: str = "least-in-flight"
    weights: str = ""
    session_header: str = ""
    load_ceiling: float | None = 1.5
    is_local_preferred: bool = True
    spill_in_flight: float | None = 0
    first_token_s: float | None = 0
    idle_s: float | None = 0
    total_s: float | None = 0
    max_attempts: float | None = 0
    is_429_retried: bool = True
    in_flight_per_endpoint: float | None = 0
    max_waiting: float | None = 0
    deadline_s: float | None = 30
    ttl_s: float | None = 0
    max_answer_kib: float | None = 1024
    is_coalesced: bool = False
    is_continued: bool = False
    key_ids: list[str] = field(default_factory=list)
    tenant_ids: list[str] = field(default_factory=list)
    access: str = "tenant"
    project_id: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """Where a part of the requests goes."""

    name: str
    percent: float
    priority: int
    is_provider: bool


def draft_of(route: Found) -> RouteDraft:
    """Return a route as the form has it."""
    balancing, timeouts, retries = route["balancing"], route["timeouts"], route["retries"]
    queue, cache = route["queue"], route["cache"]
    return RouteDraft(
        name=route["name"],
        is_platform=route["is_platform"],
        is_alias=bool(route["alias_of"]),
        alias_of=route["alias_of"],
        targets=[_target_draft(one) for one in route["targets"]],
        fallbacks=[FallbackDraft(one["reason"], one["route"]) for one in route["fallbacks"]],
        model_kind=route["model_kind"] or "chat",
        split_by=route["split_by"],
        strategy=balancing["strategy"],
        weights=labels_text({name: str(value) for name, value in balancing["weights"].items()}),
        session_header=balancing["session_header"],
        load_ceiling=balancing["load_ceiling"],
        is_local_preferred=balancing["is_local_preferred"],
        spill_in_flight=balancing["spill_in_flight"],
        first_token_s=timeouts["first_token_s"],
        idle_s=timeouts["idle_s"],
        total_s=timeouts["total_s"],
        max_attempts=retries["max_attempts"],
        is_429_retried=retries["is_429_retried"],
        in_flight_per_endpoint=queue["in_flight_per_endpoint"],
        max_waiting=queue["max_waiting"],
        deadline_s=queue["deadline_s"],
        ttl_s=cache["ttl_s"],
        max_answer_kib=cache["max_answer_bytes"] / _KIB,
        is_coalesced=route["is_coalesced"],
        is_continued=route["is_continued"],
        key_ids=list(route["key_ids"]),
        tenant_ids=list(route["tenant_ids"]),
        access=route["access"],
        project_id=route["project_id"],
    )


def _target_draft(target: Found) -> TargetDraft:
    kind = "deployment" if target["deployment_id"] else "provider"
    match = target.get("match") or {}
    return TargetDraft(
        to=f"{kind}:{target[f'{kind}_id']}",
        model=target["model"],
        weight=target["weight"],
        priority=target["priority"],
        header=match.get("header", ""),
        value=match.get("value", ""),
        key_ids=list(match.get("key_ids", ())),
        users=", ".join(match.get("user_ids", ())),
    )


def body_of(draft: RouteDraft) -> Body:
    """Return the draft as the catalog takes it for a new route. Raises ValueError with a sentence for the person."""
    if not draft.name.strip():
        raise Unfit("Give the route a name: clients send it as “model”.")
    body: Body = {
        "name": draft.name.strip(),
        "is_platform": draft.is_platform,
        "key_ids": list(draft.key_ids),
        "tenant_ids": list(draft.tenant_ids) if draft.is_platform else [],
        "access": draft.access,
        "project_id": draft.project_id if draft.access == "private" else "",
    }
    if draft.is_alias:
        if not draft.alias_of:
            raise Unfit("Choose the route that this name stands for.")
        return {**body, "alias_of": draft.alias_of, "targets": []}
    return {**body, **_leads(draft), **_settings(draft)}


def _leads(draft: RouteDraft) -> Body:
    targets = [_target_body(one) for one in draft.targets if one.to]
    if not targets:
        raise Unfit("Choose where the route leads: a deployment, or a provider's model.")
    leads: Body = {
        "alias_of": "",
        "targets": targets,
        "fallbacks": [{"reason": one.reason, "route": one.route} for one in draft.fallbacks if one.route],
    }
    if all(one["provider_id"] for one in targets):
        leads["model_kind"] = draft.model_kind
    return leads


def _target_body(target: TargetDraft) -> Body:
    kind, _, id_ = target.to.partition(":")
    is_provider = kind == "provider"
    match = {
        "header": target.header.strip().lower(),
        "value": target.value if target.header.strip() else "",
        "key_ids": list(target.key_ids),
        "user_ids": users_of(target.users),
    }
    return {
        "deployment_id": "" if is_provider else id_,
        "provider_id": id_ if is_provider else "",
        "model": target.model.strip() if is_provider else "",
        "weight": 1 if target.weight is None else int(target.weight),
        "priority": int(target.priority or 0),
        "match": match if any(match.values()) else None,
    }


def users_of(text: str) -> list[str]:
    """Return the names of a line with commas between."""
    return [one.strip() for one in text.split(",") if one.strip()]


def _settings(draft: RouteDraft) -> Body:
    return {
        "split_by": draft.split_by,
        "balancing": {
            "strategy": draft.strategy,
            "weights": {name: _whole(name, value) for name, value in labels_of(draft.weights).items()},
            "session_header": draft.session_header.strip().lower(),
            "load_ceiling": draft.load_ceiling or 1.5,
            "is_local_preferred": draft.is_local_preferred,
            "spill_in_flight": int(draft.spill_in_flight or 0),
        },
        "timeouts": {
            "first_token_s": draft.first_token_s or 0,
            "idle_s": draft.idle_s or 0,
            "total_s": draft.total_s or 0,
        },
        "retries": {"max_attempts": int(draft.max_attempts or 0), "is_429_retried": draft.is_429_retried},
        "queue": {
            "in_flight_per_endpoint": int(draft.in_flight_per_endpoint or 0),
            "max_waiting": int(draft.max_waiting or 0),
            "deadline_s": draft.deadline_s or 30,
        },
        "cache": {"ttl_s": draft.ttl_s or 0, "max_answer_bytes": int((draft.max_answer_kib or 1024) * _KIB)},
        "is_coalesced": draft.is_coalesced,
        "is_continued": draft.is_continued,
    }


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise Unfit("The weight {name}={text} is no whole number.", name=name, text=text)
    return int(text)


def changed_of(before: Body, after: Body) -> Body:
    """Return what of a route's body is another one now; whose it is stays for good."""
    return {name: value for name, value in after.items() if name != "is_platform" and before.get(name) != value}


def example_name(name: str) -> str:
    """Return a name that a client may send for a route: of a pattern one that fits it."""
    return name.strip().replace("*", "example")


def leads_to(route: Found, names: Mapping[str, str]) -> list[tuple[str, int, int]]:
    """Return name, weight and priority of a route's targets, the first ones first. `names` are by id."""
    found = [(_target_name(one, names), int(one["weight"]), int(one["priority"])) for one in route["targets"]]
    return sorted(found, key=lambda one: one[2])


def _target_name(target: Found, names: Mapping[str, str]) -> str:
    if target["deployment_id"]:
        return target.get("deployment_name") or names.get(target["deployment_id"], str(target["deployment_id"]))
    return f"{names.get(target['provider_id'], target['provider_id'])}/{target['model']}"


def shares_of(preview: Found, names: Mapping[str, str]) -> Sequence[Share]:
    """Return where a preview says that requests go, by priority."""
    return [
        Share(_target_name(one, names), float(one["percent"]), int(one["priority"]), bool(one["provider_id"]))
        for one in preview["targets"]
    ]
