"""The deployments of the tenant."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.deployments import state_of
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.kit.dialogs import confirm
from roundhouse_console.kit.here import Here, here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import page_head, panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, column, link, spark, state, table, text
from roundhouse_console.pages.deployments.parts import deployment_tabs

__all__ = ["show", "start", "stop"]

_HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class _Found:
    deployments: list[Item]
    statuses: Mapping[str, Item]
    requests: Mapping[str, list[float]]


async def show() -> None:
    with page_head(t("Deployments"), t("Models that run, and how they run.")):
        if here().me.may_anywhere("deployments:write"):
            ui.button(t("Deploy a model"), icon="add", on_click=lambda: ui.navigate.to("/deployments/new")).props(
                "unelevated no-caps"
            )
    deployment_tabs("deployments")
    with panel():
        looks: list[Callable[[], object]] = []
        looks.append(await follow(_found, partial(_table, looks)))


async def _found() -> _Found:
    deployments, statuses, requests = await asyncio.gather(
        here().person.catalog.items("/api/v1/deployments"),
        here().person.scheduler.items("/api/v1/deployment-statuses"),
        _requests(here()),
    )
    return _Found(deployments, {one["deployment_id"]: one for one in statuses}, requests)


async def _requests(found: Here) -> dict[str, list[float]]:
    """Return each deployment's requests in the last hour; none where metering is away, since they only adorn."""
    if not found.me.may_anywhere("usage:read"):
        return {}
    since = datetime.fromtimestamp(found.clock.now() - _HOUR_S, UTC).isoformat()

    async def ask() -> Item:
        return await found.person.metering.get(
            "/api/v1/usage/chart", bucket="5m", by="deployment", metric="requests", top=50, since=since
        )

    try:
        chart = await found.person.cached.get("requests by deployment", ask, for_s=10.0)
    except ConsoleError:
        return {}
    return {one["key"]: one["points"]["requests"] for one in chart["series"]}


def _table(looks: list[Callable[[], object]]) -> Callable[[_Found], None]:
    by_id: dict[str, Item] = {}

    async def act(deployment_id: str, name: str) -> None:
        chosen = by_id[deployment_id]
        changed = await (start(chosen) if name == "start" else stop(chosen))
        if changed:
            for look in looks:
                made = look()
                if asyncio.iscoroutine(made):
                    await made

    put = table(
        [
            column("name", t("Name")),
            column("state", t("State")),
            column("replicas", t("Replicas"), align="right", is_wide=True),
            column("engine", t("Engine"), is_wide=True),
            column("requests", t("Requests, last hour"), is_wide=True),
            column("actions", "", align="right", is_sortable=False),
        ],
        label=t("Deployments"),
        nothing=t("Nothing is deployed yet. Choose a model in the marketplace and deploy it."),
        on_action=act,
        order="name",
    )

    def show_all(found: _Found) -> None:
        by_id.clear()
        by_id.update({one["id"]: one for one in found.deployments})
        put([_row(one, found.statuses.get(one["id"]), found.requests.get(one["id"], ())) for one in found.deployments])

    return show_all


def _row(one: Item, status: Item | None, requests: list[float] | tuple[()]) -> Row:
    version = one["active_version"] or {}
    words, tone = state_of(status["state"]) if status else ("Unknown", "warn")
    ready, wanted = (status["replicas_ready"], status["replicas_wanted"]) if status else (0, one["replicas"])
    buttons = []
    if here().may("deployments:write", one["project_id"]):
        runs = one["desired"] == "run"
        buttons = [action("stop", "stop", t("Stop")) if runs else action("start", "play_arrow", t("Start"))]
    return {
        "id": one["id"],
        "label": one["name"],
        "name": link(one["name"], f"/deployments/{one['id']}", version.get("model_name", "")),
        "state": state(t(words), tone, status["why"] if status else ""),
        "replicas": text(f"{ready} / {wanted}", sort=ready),
        "engine": version.get("engine", ""),
        "requests": spark(requests, str(sum(requests))) if sum(requests) else "",
        "actions": actions(*buttons),
    }


async def start(deployment: Item) -> bool:
    """Let a deployment run again. True: it was done."""
    path = path_of("/api/v1/deployments/{}:start", deployment["id"])
    told = t("{name} starts.", name=deployment["name"])
    return await attempt(lambda: here().person.catalog.post(path), told) is not None


async def stop(deployment: Item) -> bool:
    """Ask, then stop every replica of a deployment. True: it was done."""
    name = deployment["name"]
    what = [
        t("Its replicas finish what they answer and end; requests to it are refused until it is started again."),
        t("Its versions and settings stay."),
    ]
    if not await confirm(t("Stop {name}?", name=name), what, button=t("Stop")):
        return False
    path = path_of("/api/v1/deployments/{}:stop", deployment["id"])
    return await attempt(lambda: here().person.catalog.post(path), t("{name} stops.", name=name)) is not None
