"""Usage as people see it: rows of a table, filters in a path, records in words."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from roundhouse_console.domain.units import count, money, percent

__all__ = ["DIMENSIONS", "FILTERS", "drill_path", "record_facts", "records_query", "tokens_of", "usage_rows"]

Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""

DIMENSIONS: Final[Mapping[str, str]] = {
    "model": "Model",
    "key": "API key",
    "user": "User",
    "project": "Project",
    "deployment": "Deployment",
    "provider": "Provider",
    "route": "Route",
    "kind": "Kind",
    "node": "Node",
    "region": "Region",
    "device_class": "Device class",
    "tenant": "Tenant",
}
"""What usage can be added up by, and how that is called."""
FILTERS: Final = ("model", "key_id", "user", "project", "deployment", "provider", "route", "kind", "node", "tenant")
_READ: Final = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "input_audio_tokens", "input_image_tokens")
_MADE: Final = ("output_tokens", "reasoning_tokens", "output_audio_tokens", "output_image_tokens")
"""Classes of tokens, as metering tells them: no token is in two."""
_FILTER_OF: Final = {"key": "key_id"}


def drill_path(by: str, key: str, since: str) -> str:
    """Return the path of the records behind a line of usage."""
    return "/usage/records?" + urlencode({_FILTER_OF.get(by, by): key, "since": since})


def records_query(given: Mapping[str, str]) -> dict[str, str]:
    """Return what of a path's query filters records; the rest is dropped."""
    return {name: given[name] for name in (*FILTERS, "since", "until") if given.get(name)}


def usage_rows(items: Sequence[Found], names: Mapping[str, str], currency: str) -> list[dict[str, Any]]:
    """Return a row per line of usage: texts, and what they sort by."""
    rows = []
    for item in items:
        cost = item["cost_nano"]
        p95 = item["latency_ms"]["p95"]
        read, made = tokens_of(item)
        rows.append(
            {
                "key": item["key"],
                "name": names.get(item["key"], item["key"]),
                "requests": item["requests"],
                "requests_text": count(item["requests"]),
                "input": read,
                "output": made,
                "cost": cost,
                "cost_text": money(cost, currency) if currency else "",
                "error_rate": item["error_rate"] or 0.0,
                "errors_text": "" if item["error_rate"] is None else percent(item["error_rate"]),
                "p95": p95,
                "unpriced": item["unpriced"],
            }
        )
    return rows


def tokens_of(figures: Found) -> tuple[int, int]:
    """Return the tokens of all classes that were read, and those that were made."""
    return sum(figures.get(name, 0) for name in _READ), sum(figures.get(name, 0) for name in _MADE)


def record_facts(record: Found) -> list[tuple[str, str]]:
    """Return everything about one record, name by name in English, in the order a reader wants it."""
    shown = [
        ("Request", record["request_id"]),
        ("Model asked for", record["model_requested"]),
        ("Model that answered", record["model_served"]),
        ("Outcome", f"{record['outcome']} {record['http_status']} {record['error_code']}".strip()),
        ("Input tokens", f"{record['input_tokens']} ({record['cached_input_tokens']})"),
        ("Output tokens", f"{record['output_tokens']} ({record['reasoning_tokens']})"),
        ("Audio tokens, in and out", _both(record["input_audio_tokens"], record["output_audio_tokens"])),
        ("Image tokens, in and out", _both(record["input_image_tokens"], record["output_image_tokens"])),
        ("Counted by", record["source"]),
        ("Cost", _cost(record)),
        ("Price", record["price_id"]),
        ("Took", f"{record['duration_ms']:.0f} ms"),
        ("First token after", _ms(record["time_to_first_token_ms"])),
        ("API key", record["key_id"]),
        ("User", record["user_id"]),
        ("Project", record["project_id"]),
        ("Deployment", record["deployment_id"]),
        ("Replica", record["replica_id"]),
        ("Node", record["node_id"]),
        ("Provider", record["provider_id"]),
        ("Route", record["route_id"]),
        ("Attempts", str(record["attempts"])),
        ("Router", f"{record['router_id']} #{record['sequence']}"),
    ]
    return [(name, value) for name, value in shown if value]


def _cost(record: Found) -> str:
    if record["cost_nano"] is None:
        return ""
    return money(record["cost_nano"], record["currency"])


def _both(read: int, made: int) -> str:
    return f"{read} + {made}" if read or made else ""


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f} ms"
