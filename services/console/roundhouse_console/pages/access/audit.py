"""The audit: who did what, before and after, and whether the chain of entries is whole."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from nicegui import ui

from roundhouse_console.clients.names import names_of
from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.audit import change_rows
from roundhouse_console.domain.times import instant
from roundhouse_console.kit.dialogs import until_closed
from roundhouse_console.kit.files import export_menu
from roundhouse_console.kit.here import at_time, here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import fact, facts, note, page_head, panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, column, state, table, text
from roundhouse_console.pages.access.parts import Again, access_tabs, field

__all__ = ["show"]

_PAGE: Final = 200
_TONES: Final = {"done": "good", "refused": "warn", "failed": "bad"}
_SECONDS: Final = {3_600: "1 hour", 86_400: "24 hours", 7 * 86_400: "7 days", 30 * 86_400: "30 days", 0: "ever"}


@dataclass(slots=True)
class _Chosen:
    seconds: int = 7 * 86_400
    actor: str = ""
    action: str = ""
    object_id: str = ""
    outcome: str = ""
    most: int = _PAGE

    def query(self, now: float) -> dict[str, str]:
        since = datetime.fromtimestamp(now - self.seconds, UTC).isoformat() if self.seconds else ""
        told = {"actor": self.actor, "action": self.action, "object_id": self.object_id, "outcome": self.outcome}
        return {name: value for name, value in {**told, "since": since}.items() if value}


async def show() -> None:
    chosen, again = _Chosen(), Again()
    with page_head(t("Audit"), t("Every change and every refusal, each entry chained to the one before.")):
        if here().me.may("platform:admin"):
            ui.button(t("Verify the chain"), icon="verified", on_click=_verify).props("outline no-caps")
        export_menu((("csv", "CSV"), ("ndjson", "JSON Lines")), lambda shape: _save(shape, chosen))
    access_tabs("audit")
    people = await names_of(here().person, "user")
    _filters(chosen, people, again)
    look = await follow(lambda: _ask(chosen), lambda: _build(chosen, people, again), every_s=again.every_s)
    again.add(look)


def _filters(chosen: _Chosen, people: dict[str, str], changed: Callable[[], Awaitable[None]]) -> None:
    with ui.element("div").classes("rh-row"):
        span = ui.select({one: t(name) for one, name in _SECONDS.items()}, value=chosen.seconds, label=t("Time range"))
        actors = {"": t("everybody"), **{f"user:{one}": name for one, name in people.items()}}
        actor = ui.select(actors, value="", label=t("Who"), with_input=True)
        what = field(t("Action"), example="deployment.").tooltip(t("A whole action, or the start of one with its dot."))
        about = field(t("Object id"))
        outcomes = {"": t("any"), **{one: t(one) for one in _TONES}}
        outcome = ui.select(outcomes, value="", label=t("Outcome"))
    for one in (span, actor, outcome):
        one.props("outlined dense").classes("rh-field")
    for line in (what, about):
        line.props("debounce=400 clearable").classes("rh-field")

    async def choose() -> None:
        chosen.seconds, chosen.actor, chosen.most = int(span.value), str(actor.value or ""), _PAGE
        chosen.action, chosen.object_id = (what.value or "").strip(), (about.value or "").strip()
        chosen.outcome = str(outcome.value)
        await changed()

    choices: tuple[ui.select | ui.input, ...] = (span, actor, what, about, outcome)
    for choice in choices:
        choice.on_value_change(choose)


async def _ask(chosen: _Chosen) -> list[Item]:
    query = chosen.query(here().clock.now())
    return await here().person.catalog.items("/api/v1/audit", most=chosen.most, **query)


def _build(chosen: _Chosen, people: dict[str, str], again: Again) -> Callable[[list[Item]], None]:
    by_id: dict[str, Item] = {}

    async def act(entry_id: str, _name: str) -> None:
        await _open(by_id[entry_id], people)

    async def older() -> None:
        chosen.most += _PAGE
        await again()

    with panel():
        put = table(
            [
                column("at", t("Time"), wraps=True),
                column("who", t("Who"), is_wide=True),
                column("what", t("Action"), wraps=True),
                column("about", t("Object"), is_wide=True),
                column("outcome", t("Outcome"), is_wide=True),
                column("actions", "", align="right", is_sortable=False),
            ],
            label=t("Audit"),
            order="at",
            is_descending=True,
            on_action=act,
            nothing=t("No entry fits."),
        )
        more = ui.button(t("Show older"), on_click=older).props("flat no-caps")

    def show_all(entries: list[Item]) -> None:
        by_id.clear()
        by_id.update({str(one["sequence"]): one for one in entries})
        more.set_visibility(len(entries) >= chosen.most)
        put([_row(one, people) for one in entries])

    return show_all


def _row(one: Item, people: dict[str, str]) -> Row:
    return {
        "id": str(one["sequence"]),
        "label": str(one["sequence"]),
        "at": text(at_time(instant(one["at"])), sort=one["sequence"]),
        "who": text(_who(one["actor"], people), sub=one["client_address"]),
        "what": one["action"],
        "about": text(one["object_name"] or one["object_id"], sub=one["object_kind"]),
        "outcome": state(t(one["outcome"]), _TONES.get(one["outcome"], "quiet"), one["reason"]),  # type: ignore[arg-type]  # a literal of the table above
        "actions": actions(action("open", "search", t("Details"))),
    }


def _who(actor: str, people: dict[str, str]) -> str:
    kind, _, actor_id = actor.partition(":")
    return people.get(actor_id, actor) if kind in ("user", "service-account") else actor


async def _open(entry: Item, people: dict[str, str]) -> None:
    with ui.dialog() as dialog, ui.card().classes("rh-dialog rh-large"):
        ui.element("h2").classes("rh-panel-title")._text = dialog.props["aria-label"] = (
            f"{entry['sequence']}: {entry['action']}"
        )
        with facts():
            fact(t("Time"), at_time(instant(entry["at"])))
            fact(t("Who"), _who(entry["actor"], people))
            fact(t("Object"), f"{entry['object_kind']} {entry['object_name']} {entry['object_id']}".strip())
            fact(t("Outcome"), f"{t(entry['outcome'])} {entry['reason']}".strip())
            fact(t("From"), f"{entry['client_address']} {entry['user_agent']}".strip())
            fact(t("Service"), entry["service"])
            fact(t("Request"), entry["request_id"], is_code=True)
            fact(t("Hash"), entry["hash"], is_code=True)
        changes = [
            {"id": name, "name": name, "was": was, "now": now} for name, was, now in change_rows(entry["change"])
        ]
        if changes:
            table(
                [
                    column("name", t("Field")),
                    column("was", t("Before"), wraps=True),
                    column("now", t("After"), wraps=True),
                ],
                label=t("Changes"),
                rows=changes,
                search=False,
                per_page=500,
            )
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Close"), on_click=dialog.close).props("flat no-caps")
    await until_closed(dialog)


async def _verify() -> None:
    """Let the catalog walk over the whole chain, and say what it found."""
    found = await attempt(lambda: here().person.catalog.send("GET", "/api/v1/audit:verify", timeout_s=600.0))
    if found is None:
        return
    told = found.json()
    with ui.dialog() as dialog, ui.card().classes("rh-dialog"):
        ui.element("h2").classes("rh-panel-title")._text = dialog.props["aria-label"] = t("The chain of the audit")
        if told["is_whole"]:
            whole = t("{count|entry holds|entries hold}: none was changed, none is missing.", count=told["checked"])
            note(whole, "good", icon="verified")
            with facts():
                fact(t("It ends with"), f"{told['head']['sequence']}:{told['head']['hash']}", is_code=True)
            ui.label(t("Keep this line elsewhere to check against it later.")).classes("rh-dim")
        else:
            note(t("It is broken at entry {at}: {why}.", at=told["broken_at"], why=told["why"]), "bad",
                 icon="error_outline")  # fmt: skip
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Close"), on_click=dialog.close).props("flat no-caps")
    await until_closed(dialog)


def _save(shape: str, chosen: _Chosen) -> None:
    ui.navigate.to(f"/download/audit/{shape}?" + urlencode(chosen.query(here().clock.now())), new_tab=True)
