"""Keys, people, roles and quotas as people read and type them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from roundhouse_console.domain.errors import Unfit
from roundhouse_console.domain.times import instant
from roundhouse_console.domain.units import bytes_text

__all__ = [
    "DAYS",
    "action_groups",
    "browser_of",
    "expiry",
    "group_rules",
    "group_rules_text",
    "key_scope",
    "last_used",
    "parts_of",
    "patterns",
    "patterns_text",
    "quota_body",
    "quota_text",
    "role_names",
    "state_of_secret",
    "try_command",
]

Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""
Tone = Literal["good", "busy", "warn", "bad", "quiet"]

DAYS: Final = (7, 30, 90, 365)
"""After how many days something expires, as forms offer it."""
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB|PiB)?")
_BROWSERS: Final = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
"""Signs in a user agent, the first that is there: Edge says Chrome too, Chrome says Safari too."""
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_UNITS: Final = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}


def state_of_secret(one: Found, now: float) -> tuple[str, Tone]:
    """Return the state of an API key or a token: whether it is taken."""
    if one["revoked_at"] or one.get("is_revoked"):
        return "Revoked", "bad"
    if one["expires_at"] and instant(one["expires_at"]) <= now:
        return "Expired", "warn"
    return "Active", "good"


def key_scope(key: Found, deployments: Mapping[str, str]) -> str:
    """Return what a key is kept to, models and deployments and networks; empty: nothing."""
    told = [*key["models"], *(deployments.get(one, one) for one in key["deployment_ids"]), *key["ip_ranges"]]
    return ", ".join(told)


def last_used(items: Iterable[Found]) -> dict[str, tuple[int, str]]:
    """Return the requests of each key, and the start of the last bucket that has any."""
    found: dict[str, tuple[int, str]] = {}
    for item in items:
        requests, last = found.get(item["key"], (0, ""))
        if item["requests"]:
            found[item["key"]] = (requests + item["requests"], max(last, item["bucket_start"] or ""))
    return found


def browser_of(user_agent: str) -> str:
    """Return a browser and its system in words, e.g. `Firefox, Linux`; of other programs what they say first."""
    system = next((shown for sign, shown in _SYSTEMS if sign in user_agent), "")
    browser = next((shown for sign, shown in _BROWSERS if sign in user_agent), "")
    return ", ".join(one for one in (browser, system) if one) if browser else user_agent.partition(" ")[0][:60]


def parts_of(text: str | None) -> list[str]:
    """Return what somebody listed, with commas, spaces or lines between."""
    return [one for one in re.split(r"[\s,;，；]+", text or "") if one]


def expiry(days: int, now: float) -> str | None:
    """Return when so many days have passed; 0: never."""
    return datetime.fromtimestamp(now + days * 86_400, UTC).isoformat(timespec="seconds") if days else None


def quota_body(devices: float | None, replicas: float | None, storage: str | None) -> dict[str, int | None]:
    """Return the bounds of a form, None where there is none. Raises ValueError with a sentence for the person."""
    return {
        "devices": None if devices is None else int(devices),
        "replicas": None if replicas is None else int(replicas),
        "storage_bytes": _size(storage),
    }


def _size(text: str | None) -> int | None:
    if not (text or "").strip():
        return None
    found = _SIZE.fullmatch((text or "").strip())
    if found is None:
        raise Unfit("“{text}” is no size: write it as 8 GiB or 600 MiB.", text=text)
    return int(float(found[1]) * _UNITS[found[2] or "B"])


def quota_text(quota: Found) -> tuple[str, str, str]:
    """Return the bounds as texts: devices, replicas, storage; empty where there is none."""
    storage = quota["storage_bytes"]
    return (
        "" if quota["devices"] is None else str(quota["devices"]),
        "" if quota["replicas"] is None else str(quota["replicas"]),
        "" if storage is None else bytes_text(storage),
    )


def role_names(member: Found, own: Mapping[str, str], projects: Mapping[str, str]) -> str:
    """Name somebody's roles in the tenant and in projects. `own` and `projects` are names by id."""
    told = [*member["roles"], *(own.get(one, one) for one in member["own_role_ids"])]
    for project_id, roles in member["project_roles"].items():
        told += [f"{role} @ {projects.get(project_id, project_id)}" for role in roles]
    return ", ".join(told)


def action_groups(actions: Iterable[str]) -> dict[str, list[str]]:
    """Return the verbs of actions by what they are about, in the order of names: `{"models": ["read", "write"]}`."""
    found: dict[str, list[str]] = {}
    for action in sorted(actions):
        about, _, verb = action.partition(":")
        found.setdefault(about, []).append(verb)
    return found


def patterns(text: str | None) -> list[dict[str, str]]:
    """Return the redaction patterns of `name = expression`, one a line. Raises ValueError."""
    found = []
    for line in (one.strip() for one in (text or "").splitlines()):
        name, sign, expression = (part.strip() for part in line.partition("="))
        if not line:
            continue
        if not (sign and name and expression):
            raise Unfit("“{line}” is no pattern; write name = expression, one a line.", line=line)
        found.append({"name": name, "expression": expression})
    return found


def patterns_text(found: Sequence[Found]) -> str:
    return "\n".join(f"{one['name']} = {one['expression']}" for one in found)


def group_rules(text: str | None, tenants: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what groups get, of `group = role, role` or `group = tenant: role, role`, one a line; without a tenant the
    roles are on the platform. `tenants` are names by id. Raises ValueError."""
    ids = {name: tenant_id for tenant_id, name in tenants.items()}
    found: list[dict[str, Any]] = []
    for line in (one.strip() for one in (text or "").splitlines()):
        if not line:
            continue
        group, _, what = (part.strip() for part in line.rpartition("="))
        tenant, _, roles = (part.strip() for part in what.rpartition(":"))
        if not group or not parts_of(roles):
            raise Unfit("“{line}” is no rule; write group = tenant: role, role, one a line.", line=line)
        if tenant and tenant not in ids and tenant not in tenants:
            known = ", ".join(sorted(ids))
            raise Unfit("There is no tenant “{tenant}”; there are {names}.", tenant=tenant, names=known)
        found.append({"group": group, "tenant_id": ids.get(tenant, tenant), "roles": parts_of(roles)})
    return found


def group_rules_text(rules: Sequence[Found], tenants: Mapping[str, str]) -> str:
    return "\n".join(
        f"{one['group']} = "
        + (f"{tenants.get(one['tenant_id'], one['tenant_id'])}: " if one["tenant_id"] else "")
        + ", ".join(one["roles"])
        for one in rules
    )


def try_command(base_url: str, model: str, secret: str) -> str:
    """Return a command that sends one chat message with a key."""
    return (
        f"curl {base_url}/v1/chat/completions \\\n"
        f'  -H "Authorization: Bearer {secret}" -H "Content-Type: application/json" \\\n'
        f'  -d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello!"}}], "max_tokens": 64}}\''
    )
