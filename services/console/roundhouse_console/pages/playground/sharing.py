"""A conversation as code and as files."""

from nicegui import ui

from roundhouse_console.domain.chat_export import LANGUAGES, code_of, json_of, markdown_of
from roundhouse_console.domain.conversations import Conversation
from roundhouse_console.kit.dialogs import until_closed
from roundhouse_console.kit.here import here, t

__all__ = ["save_file", "show_code"]


async def show_code(conversation: Conversation) -> None:
    """Show programs that ask the same of the first model; the key is a placeholder."""
    model = conversation.models[0]
    base_url = here().person.addresses.router_public
    with ui.dialog() as dialog, ui.card().classes("rh-dialog rh-large"):
        ui.element("h2").classes("rh-panel-title")._text = dialog.props["aria-label"] = t("The same by API")
        pick = ui.toggle(dict(LANGUAGES), value="curl").props("no-caps unelevated toggle-color=primary dense")
        pick.classes("rh-toggle").props(f'aria-label="{t("Language")}"')
        shown = ui.label().classes("rh-log rh-log-code").props("tabindex=0 role=region").mark("code")
        shown.props["aria-label"] = t("The same by API")

        def show() -> None:
            shown.set_text(code_of(str(pick.value), base_url, conversation, model.id, model.name))

        pick.on_value_change(show)
        show()
        ui.label(t("Put one of your API keys in the place of YOUR_API_KEY.")).classes("rh-dim")
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.link(t("API keys"), "/access").classes("rh-link")
            ui.button(t("Copy"), icon="content_copy", on_click=lambda: ui.clipboard.write(shown.text)).props(
                "flat no-caps"
            )
            ui.button(t("Close"), on_click=dialog.close).props("unelevated no-caps")
    await until_closed(dialog)


def save_file(title: str, conversation: Conversation, *, is_json: bool) -> None:
    """Have the browser save the conversation."""
    name = "".join(one if one.isalnum() else "-" for one in title)[:60].strip("-") or "conversation"
    if is_json:
        ui.download.content(json_of(title, conversation), f"{name}.json", "application/json")
    else:
        ui.download.content(markdown_of(title, conversation), f"{name}.md", "text/markdown")
