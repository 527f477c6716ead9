"""Endpoints that routers pass over, and the answers that they keep."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.flow import STANDINGS, reason_of
from roundhouse_console.domain.times import instant, span
from roundhouse_console.domain.units import bytes_text, count
from roundhouse_console.kit.dialogs import confirm
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import fact, facts, panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, column, link, state, table, text

__all__ = ["answer_cache", "passed_over"]

_EVERY_S = 3.0
_CACHE_EVERY_S = 10.0


async def passed_over() -> None:
    """Show who is ejected or rests, with the reason and until when."""
    with panel(t("Passed over")):
        await follow(_ask, _table, every_s=_EVERY_S)


async def _ask() -> Item:
    person = here().person
    return await person.cached.get("passed over", lambda: person.catalog.get("/api/v1/endpoint-states"), for_s=2.0)


def _table() -> Callable[[Item], None]:
    put = table(
        [
            column("endpoint", t("Endpoint")),
            column("state", t("State")),
            column("reason", t("Reason"), wraps=True),
            column("until", t("Until")),
            column("ejections", t("Ejections lately"), is_wide=True),
            column("router", t("Router"), is_wide=True),
        ],
        label=t("Passed over"),
        search=False,
        nothing=t("None: requests go to every endpoint."),
    )
    return lambda found: put([_row(one) for one in found["items"]])


def _row(one: Item) -> Row:
    words, tone = STANDINGS.get(one["state"], (str(one["state"]), "warn"))
    reason, what = reason_of(one["reason"])
    name = text(one["name"], sub=one["endpoint_id"][-6:])
    if one["deployment_id"]:
        name = link(one["name"], path_of("/deployments/{}", one["deployment_id"]), sub=one["endpoint_id"][-6:])
    return {
        "id": f"{one['router_id']}/{one['endpoint_id']}",
        "endpoint": name,
        "state": state(t(words), tone),
        "reason": t(reason, what=what),
        "until": _until(one["until"]),
        "ejections": one["ejections"],
        "router": one["router_id"][-6:],
    }


def _until(at: str | None) -> Row:
    left = max(0.0, instant(at) - here().clock.now()) if at else 0.0
    return text(t("in {span}", span=span(round(left))) if left >= 1 else t("now"), sort=left)


async def answer_cache() -> None:
    """Show how many answers are kept, and let them be forgotten."""
    looks: list[Callable[[], Awaitable[None]]] = []

    async def clear() -> None:
        if await _clear():
            await looks[0]()

    with panel(t("Cache of answers")):
        looks.append(await follow(_kept, _figures, every_s=_CACHE_EVERY_S))
        ui.label(t("Routes with a cache give an answer again to an equal request of the same tenant.")).classes(
            "rh-dim"
        )
        if here().may("routes:write"):
            with ui.element("div").classes("rh-dialog-buttons"):
                ui.button(t("Forget all answers"), icon="delete_sweep", on_click=clear).props("flat no-caps")


async def _kept() -> Item:
    return await here().person.catalog.get("/api/v1/answer-cache")


def _figures() -> Callable[[Item], None]:
    holder = ui.element("div")

    def put(found: Item) -> None:
        holder.clear()
        with holder, facts():
            answers, size = found["answers"], found["size_bytes"]
            fact(t("Answers kept"), t("where they are kept is away") if answers is None else count(answers))
            fact(t("Size"), "–" if size is None else bytes_text(size))
            where = t("in Redis, for all routers") if found["is_shared"] else t("in each router")
            fact(t("Where"), where)
            fact(t("Routers"), str(len(found["routers"])))

    return put


async def _clear() -> bool:
    what = [
        t("Every kept answer of {tenant} goes, on all routers.", tenant=here().me.tenant_name),
        t("The next equal requests are work for the engines again; nothing else changes."),
    ]
    if not await confirm(t("Forget all answers?"), what, button=t("Forget")):
        return False
    cleared = await attempt(lambda: here().person.catalog.post("/api/v1/answer-cache:clear"))
    if cleared is None:
        return False
    if cleared["failed"]:
        told = t("{count|router|routers} could not: their store is away.", count=len(cleared["failed"]))
        ui.notify(told, type="warning", position="bottom")
    else:
        ui.notify(t("{count|answer is|answers are} forgotten.", count=cleared["answers"]), type="positive")
    return True
