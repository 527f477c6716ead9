"""The audit and the request log as people read them."""

import json
from collections.abc import Mapping
from typing import Any, Final

from roundhouse_console.domain.usage import tokens_of

__all__ = ["AUDIT_FILTERS", "AUDIT_SHAPES", "audit_query", "change_rows", "logged_facts", "shown_value"]

Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""

AUDIT_FILTERS: Final = ("actor", "action", "object_kind", "object_id", "outcome", "since", "until", "tenant_id")
AUDIT_SHAPES: Final[Mapping[str, str]] = {"csv": "text/csv", "ndjson": "application/x-ndjson"}


def audit_query(given: Mapping[str, str]) -> dict[str, str]:
    """Return what of a path's query filters the audit; the rest is dropped."""
    return {name: given[name] for name in AUDIT_FILTERS if given.get(name)}


def change_rows(change: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return what an entry changed: name, before, after, as texts; empty where there was or is nothing."""
    return [(name, shown_value(was), shown_value(now)) for name, (was, now) in sorted(change.items())]


def shown_value(value: Any) -> str:  # Any: whatever JSON holds
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def logged_facts(line: Found) -> list[tuple[str, str]]:
    """Return everything about a logged request but its texts, name by name in English; what is empty is left out."""
    first = line["time_to_first_token_ms"]
    read, made = tokens_of(line)
    shown = [
        ("Request", line["request_id"]),
        ("Model asked for", line["model_requested"]),
        ("Model that answered", line["model_served"]),
        ("Outcome", f"{line['outcome']} {line['http_status']} {line['error_code']}".strip()),
        ("Why", line["error"] or ""),
        ("Input tokens", str(read)),
        ("Output tokens", str(made)),
        ("Took", f"{line['duration_ms']:.0f} ms"),
        ("First token after", "" if first is None else f"{first:.0f} ms"),
        ("API key", line["key_id"]),
        ("User", line["user_id"]),
        ("Project", line["project_id"]),
        ("Deployment", line["deployment_id"]),
        ("Replica", line["replica_id"]),
        ("Node", line["node_id"]),
        ("Provider", line["provider"]),
        ("Route", line["route"]),
        ("Attempts", str(line["attempts"])),
        ("Router", line["router_id"]),
    ]
    return [(name, value) for name, value in shown if value]
