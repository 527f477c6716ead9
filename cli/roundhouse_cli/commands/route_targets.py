"""Targets of routes as people type and read them: `NAME[=WEIGHT][@PRIORITY]`, or `PROVIDER/MODEL` for a provider's."""

import re
from typing import NamedTuple

from roundhouse_cli.errors import Failure, UsageFault
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.rest import Item, Services

__all__ = ["Lookups", "TypedTarget", "read_target", "show_target", "target_body"]

_TARGET = re.compile(r"(?P<what>.+?)(?:=(?P<weight>\d+))?(?:@(?P<priority>\d{1,3}))?")


class TypedTarget(NamedTuple):
    """One target as it was typed, before anything was looked up."""

    what: str
    weight: int
    priority: int
    condition: str = ""
    """`header`, `key` or `user`; empty: for everybody."""
    wanted: str = ""
    """What the condition asks for."""


class Lookups:
    """What targets name, fetched when the first one asks."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: dict[str, list[Item]] = {}

    def find(self, path: str, wanted: str, what: str) -> Item:
        """Return the one thing that is meant."""
        return pick(self.items(path), wanted, what)

    def items(self, path: str) -> list[Item]:
        if path not in self._known:
            self._known[path] = self._services.catalog.items(f"/api/v1/{path}")
        return self._known[path]


def read_target(text: str, option: str, condition: str = "") -> TypedTarget:
    """Read one option. Raises UsageFault."""
    wanted = ""
    if condition:
        wanted, colon, text = text.partition(":")
        if not colon or not wanted or not text:
            raise UsageFault(f"{option} {wanted} is not of the form {condition.upper()}:TARGET.")
    found = _TARGET.fullmatch(text)
    if found is None:
        raise UsageFault(f"{option} {text!r} is not of the form NAME[=WEIGHT][@PRIORITY].")
    weight, priority = int(found["weight"] or "1"), int(found["priority"] or "0")
    return TypedTarget(found["what"], weight, priority, condition, wanted)


def target_body(typed: TypedTarget, known: Lookups) -> Item:
    """Return the target as the catalog takes it. Raises Failure or Ambiguous for a name that is not there."""
    body: Item = {"weight": typed.weight, "priority": typed.priority}
    provider, slash, model = typed.what.partition("/")
    if slash:
        body |= {"provider_id": known.find("providers", provider, "provider")["id"], "model": model}
    else:
        try:
            body["deployment_id"] = known.find("deployments", typed.what, "deployment")["id"]
        except Failure as error:
            raise Failure(f"{error} A provider's model is written PROVIDER/MODEL, or PROVIDER/.") from error
    if typed.condition:
        body["match"] = _match(typed, known)
    return body


def _match(typed: TypedTarget, known: Lookups) -> Item:
    match typed.condition:
        case "header":
            name, _, value = typed.wanted.partition("=")
            return {"header": name.strip().lower(), "value": value}
        case "key":
            return {"key_ids": [known.find("api-keys", typed.wanted, "API key")["id"]]}
        case _:
            return {"user_ids": [typed.wanted]}


def show_target(target: Item, names: dict[str, str]) -> str:
    """Write a target as it is typed, as far as that goes. `names` are those of deployments and providers by id."""
    if target["deployment_id"]:
        what = names.get(target["deployment_id"]) or short_id(target["deployment_id"])
    else:
        what = f"{names.get(target['provider_id']) or short_id(target['provider_id'])}/{target['model']}"
    text = f"{what}={target['weight']}" + (f"@{target['priority']}" if target["priority"] else "")
    return f"{text} ({_shown_match(target['match'])})" if target.get("match") else text


def _shown_match(match: Item) -> str:
    header = f"{match['header']}={match['value']}" if match["value"] else match["header"]
    keys = ", ".join(short_id(one) for one in match["key_ids"])
    parts = [header, f"key {keys}" if keys else "", f"user {', '.join(match['user_ids'])}" if match["user_ids"] else ""]
    return "for " + " and ".join(part for part in parts if part)
