"""`roundhouse routes preview`: where a request would go, and why."""

from typing import Annotated

import typer

from roundhouse_cli.commands.options import Output, Url, connect
from roundhouse_cli.commands.route_targets import Lookups
from roundhouse_cli.errors import Failure
from roundhouse_cli.output import OutputFormat, show_item
from roundhouse_cli.resolve import short_id
from roundhouse_cli.rest import Item
from roundhouse_cli.units import parse_settings

__all__ = ["preview"]


def preview(
    model: Annotated[str, typer.Argument(help="As a client sends it.")],
    key: Annotated[str, typer.Option(help="An API key: a name, an id, or a part of an id.")] = "",
    header: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="May be repeated.")] = None,
    user: Annotated[str, typer.Option(help="The body's `user`.")] = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Show where a request would go: targets, fallbacks, settings and limits. Nothing is sent."""
    request: Item = {"model": model, "headers": parse_settings(header or (), "--header"), "user": user}
    with connect(url) as services:
        known = Lookups(services)
        if key:
            request["key_id"] = known.find("api-keys", key, "API key")["id"]
        found = services.catalog.post("/api/v1/routes:preview", {"request": request})
        if output is OutputFormat.JSON:
            show_item(found, output)
        if not found["is_routed"]:
            raise Failure(f"{model} leads nowhere: {found['why_not']}")
        if output is OutputFormat.TABLE:
            has_providers = any(target["provider_id"] for target in found["targets"])
            providers = known.items("providers") if has_providers else []
            show_item(_readable(found, {one["id"]: one["name"] for one in providers}), output)


def _readable(found: Item, providers: dict[str, str]) -> Item:
    settings: Item = found["settings"]
    return {
        "route": " -> ".join(found["path"]) + (" (platform)" if found["route"]["is_platform"] else ""),
        "targets": [_target(one, providers) for one in found["targets"]],
        "fallbacks": [_fallback(one) for one in found["fallbacks"]],
        "limits": [_limit(one) for one in found["limits"]],
        "split by": settings["split_by"],
        **{name: settings[name] for name in ("balancing", "timeouts", "retries", "queue", "cache")},
        "is_coalesced": settings["is_coalesced"],
        "is_continued": settings["is_continued"],
    }


def _target(one: Item, providers: dict[str, str]) -> str:
    if one["provider_id"]:
        provider = providers.get(one["provider_id"]) or short_id(one["provider_id"])
        name = f"{provider}/{one['model']}"
    else:
        name = one["deployment_name"] or short_id(one["deployment_id"])
    later = f", when those before have failed (priority {one['priority']})" if one["priority"] else ""
    return f"{one['percent']:g} % {name}{later}"


def _fallback(one: Item) -> str:
    return f"{one['reason']}: {one['route']}" + ("" if one["is_usable"] else " (not for this request)")


def _limit(one: Item) -> str:
    bounds = ", ".join(f"{name} {most}" for name, most in one["bounds"].items())
    per = f" per {' and '.join(one['per'])}" if one["per"] else ""
    return f"{one['name']}{' (platform)' if one['is_platform'] else ''}: {bounds}{per}"
