"""The logs of a deployment's replicas, live, also of those that have ended."""

from dataclasses import dataclass, field

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.deployments import phase_of
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import once
from roundhouse_console.kit.panels import empty, panel
from roundhouse_console.kit.signals import explain
from roundhouse_console.pages.deployments.replicas import hostnames

__all__ = ["show"]

_TAIL = 300
_MOST_CHARACTERS = 200_000
"""What a page holds of a log, at the most: older lines are in the download."""
_EVERY_S = 1.0


@dataclass(slots=True)
class _Tail:
    """What is shown of one replica's log, read on from where the last read ended."""

    replica_id: str = ""
    offset: int = -1
    text: str = ""
    is_paused: bool = False
    trouble: str = ""
    reading: bool = field(default=False)

    def choose(self, replica_id: str) -> None:
        self.replica_id, self.offset, self.text, self.trouble = replica_id, -1, "", ""


async def show(deployment_id: str) -> None:
    with panel(t("Logs")):
        await once(lambda: _replicas(deployment_id), _log)


async def _replicas(deployment_id: str) -> list[tuple[Item, str]]:
    person, hosts = here().person, await hostnames()
    alive = await person.scheduler.items("/api/v1/replicas", deployment_id=deployment_id)
    ended = await person.scheduler.items("/api/v1/replicas", deployment_id=deployment_id, ended=True, most=200)
    seen = {one["id"] for one in alive}
    ordered = [*reversed(alive), *(one for one in reversed(ended) if one["id"] not in seen)]
    return [(one, hosts.get(one["node_id"], one["node_id"] or "–")) for one in ordered]


async def _log(found: list[tuple[Item, str]]) -> None:
    if not found:
        empty(t("No replica has run yet, so there is no log."), icon="subject")
        return
    tail = _Tail()
    names = {one["id"]: f"{one['id'][-6:]} · {t(phase_of(one['phase'])[0])} · {host}" for one, host in found}
    with ui.element("div").classes("rh-row"):
        chosen = (
            ui.select(names, value=found[0][0]["id"], label=t("Replica"))
            .props("outlined dense")
            .classes("rh-wide-field")
        )
        find = ui.input(t("Only lines with")).props("outlined dense clearable debounce=200")
        pause = ui.switch(t("Follow"), value=True)
        ui.button(t("Download"), icon="download", on_click=lambda: _download(tail)).props("flat no-caps")
    shown = ui.label().classes("rh-log rh-log-tall").props(f'tabindex=0 role=log aria-label="{t("Log")}"')

    def put() -> None:
        words = (find.value or "").lower()
        lines = [line for line in tail.text.split("\n") if words in line.lower()] if words else None
        text = tail.text if lines is None else "\n".join(lines)
        shown.set_text(text or tail.trouble or t("(no lines yet)"))

    async def look() -> None:
        if await _read(tail):
            put()
            ui.run_javascript(
                f"(() => {{ const e = getHtmlElement({shown.id}); if (e) e.scrollTop = e.scrollHeight; }})()"
            )

    async def choose() -> None:
        tail.choose(str(chosen.value))
        await look()

    def hold() -> None:
        tail.is_paused = not pause.value

    chosen.on_value_change(choose)
    find.on_value_change(put)
    pause.on_value_change(hold)
    await choose()
    ui.timer(_EVERY_S, look, immediate=False)


async def _read(tail: _Tail) -> bool:
    """Read what came since. True: something is to be shown anew."""
    if tail.is_paused or tail.reading:
        return False
    replica_id, tail.reading = tail.replica_id, True
    place = {"tail": _TAIL} if tail.offset < 0 else {"offset": tail.offset}
    try:
        chunk = await here().person.scheduler.get(path_of("/api/v1/replicas/{}/log", replica_id), **place)
    except ConsoleError as error:
        changed, tail.trouble = tail.trouble != explain(error), explain(error)
        return changed
    finally:
        tail.reading = False
    if tail.replica_id != replica_id:
        return False
    is_first, tail.offset = tail.offset < 0, chunk["next_offset"]
    tail.trouble = chunk.get("error") or ""
    if chunk["text"]:
        tail.text = (tail.text + chunk["text"])[-_MOST_CHARACTERS:]
    return bool(chunk["text"]) or is_first


async def _download(tail: _Tail) -> None:
    ui.download.content(tail.text, f"{tail.replica_id}.log", "text/plain")
