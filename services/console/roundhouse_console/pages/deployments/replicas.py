"""The replicas of a deployment, and the versions they come from."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.deployments import fetch_text, fetches_of, phase_of, replica_facts, state_of
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.times import instant
from roundhouse_console.kit.dialogs import confirm
from roundhouse_console.kit.here import ago, here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, column, state, table, text
from roundhouse_console.pages.deployments.asking import version_states

__all__ = ["hostnames", "show"]


@dataclass(frozen=True, slots=True)
class _Found:
    replicas: list[Item]
    versions: list[Item]
    states: dict[str, Item]
    hosts: dict[str, str]
    fetches: list[Item]
    now_s: int


async def show(deployment_id: str) -> None:
    looks: list[Callable[[], object]] = []
    looks.append(await follow(lambda: _found(deployment_id), lambda: _tables(deployment_id, looks)))


async def _found(deployment_id: str) -> _Found:
    person = here().person
    replicas, versions, states, hosts = await asyncio.gather(
        person.scheduler.items("/api/v1/replicas", deployment_id=deployment_id),
        person.catalog.items(path_of("/api/v1/deployments/{}/versions", deployment_id)),
        version_states(deployment_id),
        hostnames(),
    )
    states_by_id = {one["version_id"]: one for one in states}
    return _Found(replicas, versions, states_by_id, hosts, await _fetches(replicas, versions), int(here().clock.now()))


async def _fetches(replicas: list[Item], versions: list[Item]) -> list[Item]:
    """Return the downloads that replicas wait for; none where the person may not see nodes."""
    if not any(one["phase"] == "fetching" for one in replicas) or not here().me.may_anywhere("nodes:read"):
        return []
    try:
        files = await here().person.scheduler.items("/api/v1/model-files")
    except ConsoleError:
        return []
    return [dict(one) for one in fetches_of(replicas, {one["id"]: one["source"] for one in versions}, files)]


async def hostnames() -> dict[str, str]:
    """Return the names of nodes by id; none where the person may not see nodes."""
    person = here().person
    if not here().me.may_anywhere("nodes:read"):
        return {}
    try:
        nodes = await person.cached.get("nodes", lambda: person.scheduler.items("/api/v1/nodes"), for_s=10.0)
    except ConsoleError:
        return {}
    return {one["id"]: one["hostname"] for one in nodes}


def _tables(deployment_id: str, looks: list[Callable[[], object]]) -> Callable[[_Found], None]:
    with panel(t("Replicas")):
        fetches = ui.element("div").classes("rh-column")
        fetches.set_visibility(False)
        put_replicas = table(
            [
                column("phase", t("Phase")),
                column("where", t("Node")),
                column("version", t("Version"), align="right", is_wide=True),
                column("load", t("Running + waiting"), align="right", is_wide=True),
                column("memory", t("Memory"), align="right", is_wide=True),
                column("age", t("Since"), align="right", is_wide=True),
            ],
            label=t("Replicas"),
            nothing=t("No replica runs. Start the deployment, or look at the events for the reason."),
            search=False,
        )

    async def act(number: str, name: str) -> None:
        await _change_version(deployment_id, int(number), name)
        for look in looks:
            made = look()
            if asyncio.iscoroutine(made):
                await made

    with panel(t("Versions")):
        put_versions = table(
            [
                column("number", t("Version")),
                column("state", t("State")),
                column("why", t("Reason"), is_wide=True, wraps=True),
                column("model", t("Model"), is_wide=True),
                column("engine", t("Engine"), is_wide=True),
                column("created", t("Created"), is_wide=True),
                column("actions", "", align="right", is_sortable=False),
            ],
            label=t("Versions"),
            search=False,
            on_action=act,
            order="number",
            is_descending=True,
        )

    def put(found: _Found) -> None:
        fetches.clear()
        fetches.set_visibility(bool(found.fetches))
        with fetches:
            for one in found.fetches:
                _fetch(one)
        put_replicas([_replica(one, found) for one in found.replicas])
        put_versions([_version(one, found.states.get(one["id"])) for one in found.versions])

    return put


def _fetch(one: Item) -> None:
    """How far a node is with fetching the model; why it waits or failed."""
    with ui.element("div").classes("rh-progress"):
        ui.label(t("{host} fetches the model", host=one["hostname"])).classes("rh-strong")
        share = one["stored_bytes"] / one["total_bytes"] if one["total_bytes"] else None
        bar = ui.linear_progress(value=share or 0, show_value=False, size="8px").props("rounded")
        bar.props["aria-label"] = fetch_text(one)
        if share is None:
            bar.props("indeterminate")
        ui.label(" · ".join(x for x in (fetch_text(one), one["origin"], one["detail"]) if x)).classes("rh-dim")


def _replica(one: Item, found: _Found) -> Row:
    told = replica_facts(one, found.hosts, found.now_s)
    words, tone = phase_of(one["phase"])
    return {
        "id": one["id"],
        "label": one["id"],
        "phase": state(t(words), tone, told["why"]),
        "where": text(told["where"], sub=told["why"]),
        "version": one["version_number"],
        "load": told["load"],
        "memory": text(told["memory"], sort=told["memory_bytes"]),
        "age": text(told["age"], sort=one["since"]),
    }


def _version(one: Item, status: Item | None) -> Row:
    words, tone = state_of(status["state"] if status else "Stopped")
    buttons: list[Row] = []
    is_idle = words == "Error" or (words == "Stopped" and not (status and status["is_active"]))
    if here().me.may_anywhere("deployments:write") and is_idle:
        buttons = [action("start", "play_arrow", t("Start this version"))]
        if not one["is_active"]:
            buttons.append(action("delete", "delete", t("Delete"), is_destructive=True))
    return {
        "id": str(one["number"]),
        "label": str(one["number"]),
        "number": one["number"],
        "state": state(t(words), tone, status["why"] if status else ""),
        "why": (status["failure"] or {}).get("detail") or status["why"] if status else "",
        "model": one["model_name"],
        "engine": f"{one['engine']} {one['engine_version']}".strip(),
        "created": text(ago(instant(one["created_at"])), sort=one["created_at"]),
        "actions": actions(*buttons),
    }


async def _change_version(deployment_id: str, number: int, name: str) -> None:
    person, path = here().person, path_of("/api/v1/deployments/{}/versions/{}", deployment_id, str(number))
    if name == "start":
        await attempt(lambda: person.catalog.post(f"{path}:start"), t("Version {number} starts.", number=number))
        return
    what = [t("Its settings and what it was are gone for good; logs and usage stay.")]
    if await confirm(t("Delete version {number}?", number=number), what, button=t("Delete")):
        await attempt(lambda: person.catalog.delete(path), t("Version {number} is deleted.", number=number))
