"""Questions before something is done."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nicegui import ui

from roundhouse_console.domain.errors import ConsoleError, SignedOut
from roundhouse_console.kit.here import t
from roundhouse_console.kit.signals import explain, reason

__all__ = ["Form", "confirm", "form_dialog", "gone_when_closed", "show_secret", "until_closed"]


async def confirm(title: str, what: Sequence[str], *, button: str, type_to_confirm: str = "") -> bool:
    """Ask before something is destroyed: `what` says in sentences what will be gone. True: go on.

    Where a lot depends on it, the person types the name of it first.
    """
    with ui.dialog() as dialog, ui.card().classes("rh-dialog").props("role=alertdialog") as card:
        dialog.props["aria-label"] = card.props["aria-label"] = title
        ui.element("h2").classes("rh-panel-title")._text = title
        for sentence in what:
            ui.label(sentence)
        typed: ui.input | None = None
        if type_to_confirm:
            typed = ui.input(t("Type {name} to go on", name=type_to_confirm)).props("outlined dense autofocus")
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Cancel"), on_click=lambda: dialog.submit(False)).props("flat no-caps")
            go = ui.button(button, on_click=lambda: dialog.submit(True)).props("unelevated no-caps color=negative")
        if typed is not None:
            go.bind_enabled_from(typed, "value", lambda value: value == type_to_confirm)
    return await until_closed(dialog) is True


class Form:
    """A dialog with fields that stays open until what it sends was taken."""

    def __init__(self, dialog: ui.dialog, trouble: ui.label) -> None:
        self._dialog = dialog
        self._trouble = trouble
        self.send: Callable[[], Awaitable[object]] | None = None
        """What the button does. It raises ConsoleError, or ValueError with a sentence for the person."""

    async def submit(self) -> None:
        if self.send is None:
            return
        try:
            result = await self.send()
        except SignedOut:
            ui.navigate.to("/login")
        except ConsoleError as error:
            self._say(explain(error))
        except ValueError as error:
            self._say(reason(error))
        else:
            self._dialog.submit(True if result is None else result)

    def _say(self, text: str) -> None:
        self._trouble.set_text(text)
        self._trouble.set_visibility(True)


@contextmanager
def form_dialog(title: str, *, button: str, is_large: bool = False) -> Iterator[tuple[ui.dialog, Form]]:
    """A dialog with a form: build the fields in the block and set `form.send`; then `await until_closed(dialog)`.

    That gives what `send` returned, or None when the person gave up.
    """
    with ui.dialog() as dialog, ui.card().classes("rh-dialog" + (" rh-large" if is_large else "")):
        dialog.props["aria-label"] = title
        ui.element("h2").classes("rh-panel-title")._text = title
        trouble = ui.label().classes("rh-note rh-bad rh-pre").props("role=alert")
        trouble.set_visibility(False)
        form = Form(dialog, trouble)
        with ui.element("div").classes("rh-form"):
            yield dialog, form
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Cancel"), on_click=lambda: dialog.submit(None)).props("flat no-caps")
            sending = ui.button(button).props("unelevated no-caps")

            async def send() -> None:
                sending.disable()
                try:
                    await form.submit()
                finally:
                    sending.enable()

            sending.on_click(send)
    dialog.open()


async def show_secret(title: str, secret: str, why: str, *, use: str = "") -> None:
    """Show a secret once. It is on the page only while the dialog is open. `use` is a command that shows its use."""
    with ui.dialog().props("persistent") as dialog, ui.card().classes("rh-dialog"):
        dialog.props["aria-label"] = title
        ui.element("h2").classes("rh-panel-title")._text = title
        ui.label(why)
        _copyable(secret, t("Copy")).mark("secret")
        if use:
            ui.label(t("To try it:"))
            _copyable(use, t("Copy the command")).classes("rh-pre")
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("I have kept it"), on_click=lambda: dialog.submit(True)).props("unelevated no-caps")
    await until_closed(dialog)


def _copyable(shown: str, label: str) -> ui.label:
    with ui.element("div").classes("rh-copy"):
        made = ui.label(shown).classes("rh-code rh-break")
        copy = ui.button(icon="content_copy", on_click=lambda: ui.clipboard.write(shown)).props("flat dense round")
        copy.props["aria-label"] = label
    return made


async def until_closed(dialog: ui.dialog) -> Any:  # Any: what it was closed with
    """Wait until a dialog was closed, by a button or because the page went on, and take it off the page."""
    answer = await dialog
    if not dialog.is_deleted:
        dialog.delete()
    return answer


def gone_when_closed(dialog: ui.dialog) -> None:
    """Take a dialog that nobody waits for off the page once it was closed."""

    def remove() -> None:
        if not dialog.is_deleted:
            dialog.delete()

    dialog.on("hide", remove)
