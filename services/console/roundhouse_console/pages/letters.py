"""Messages that a service could not process: looked at, and processed again."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from roundhouse_console.clients.rest import Item, Rest, path_of
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.letters import SERVICES, letter_text, subject_words
from roundhouse_console.domain.times import instant
from roundhouse_console.kit.dialogs import confirm, gone_when_closed
from roundhouse_console.kit.here import ago, at_time, here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import fact, facts, page_head, panel
from roundhouse_console.kit.signals import attempt, done, explain
from roundhouse_console.kit.tables import Row, action, actions, column, table, text

__all__ = ["show"]

_EVERY_S = 15.0
_PATH = "/api/v1/dead-letters"


async def show() -> None:
    with page_head(
        t("Dead letters"),
        t("Messages that a service gave up on. They wait here for 90 days; nothing else waits for them."),
    ):
        pass
    for service in SERVICES:
        with panel(t("The {service} service", service=service)):
            await _of(getattr(here().person, service))


async def _of(rest: Rest) -> None:
    looks: list[Callable[[], Awaitable[None]]] = []
    looks.append(await follow(lambda: rest.items(_PATH, most=1000), lambda: _table(rest, looks), every_s=_EVERY_S))


def _table(rest: Rest, looks: list[Callable[[], Awaitable[None]]]) -> Callable[[list[Item]], None]:
    known: list[Item] = []
    with ui.element("div").classes("rh-dialog-buttons") as buttons:
        every = ui.button(t("Process all again"), icon="replay").props("flat no-caps")

    async def act(letter_id: str, name: str) -> None:
        if name == "show":
            await _shown(rest, letter_id)
        elif await attempt(lambda: _again(rest, letter_id), t("It was processed.")):
            await looks[0]()

    put = table(
        [
            column("at", t("Since")),
            column("about", t("Message")),
            column("error", t("Why"), wraps=True),
            column("tries", t("Tries"), align="right", is_wide=True),
            column("actions", "", align="right", is_sortable=False),
        ],
        label=t("Dead letters"),
        search=False,
        on_action=act,
        nothing=t("There are none: every message was processed."),
    )

    async def all_again() -> None:
        what = [
            t(
                "{count|message is|messages are} processed again, one after the other, the oldest first.",
                count=len(known),
            )
        ]
        if await confirm(t("Process all again?"), what, button=t("Process")):
            await _all_again(rest, [one["letter_id"] for one in known])
            await looks[0]()

    every.on_click(all_again)

    def show_all(found: list[Item]) -> None:
        known[:] = found
        buttons.set_visibility(len(found) > 1)
        put([_row(one) for one in found])

    return show_all


def _row(one: Item) -> Row:
    return {
        "id": one["letter_id"],
        "label": subject_words(one["subject"]),
        "at": text(ago(instant(one["at"])), sort=one["at"]),
        "about": text(subject_words(one["subject"]), sub=one["consumer"]),
        "error": one["error"],
        "tries": one["deliveries"],
        "actions": actions(action("show", "visibility", t("Show")), action("again", "replay", t("Process again"))),
    }


async def _shown(rest: Rest, letter_id: str) -> None:
    letter = await attempt(lambda: rest.get(path_of(f"{_PATH}/{{}}", letter_id)))
    if letter is None:
        return
    with ui.dialog() as dialog, ui.card().classes("rh-dialog rh-large"):
        dialog.props["aria-label"] = t("Dead letter")
        ui.element("h2").classes("rh-panel-title")._text = t("Dead letter")
        ui.label(letter["error"]).classes("rh-note rh-bad rh-pre")
        with facts():
            fact(t("Subject"), letter["subject"], is_code=True)
            fact(t("Consumer"), letter["consumer"], is_code=True)
            fact(t("Given up"), at_time(instant(letter["at"])))
            fact(t("Place in the stream"), f"{letter['stream']} {letter['stream_sequence']}")
        if letter["headers"]:
            ui.label("\n".join(f"{name}: {value}" for name, value in letter["headers"].items())).classes("rh-log")
        ui.label(letter_text(letter)).classes("rh-log").props("tabindex=0")
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Close"), on_click=dialog.close).props("flat no-caps")
    gone_when_closed(dialog)
    dialog.open()


async def _again(rest: Rest, letter_id: str) -> bool:
    await rest.post(path_of(f"{_PATH}/{{}}:replay", letter_id))
    return True


async def _all_again(rest: Rest, letter_ids: list[str]) -> None:
    """Go on when one is refused again: it stays, and the others need not wait for it."""
    processed, said = 0, ""
    for letter_id in letter_ids:
        try:
            await _again(rest, letter_id)
            processed += 1
        except ConsoleError as error:
            said = explain(error)
    done(t("Processed: {done} of {all}.", done=processed, all=len(letter_ids)))
    if said:
        ui.notify(said, type="negative", timeout=0, close_button=t("Close"), multi_line=True)
