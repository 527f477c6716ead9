"""Files: a text of the browser's that goes into a field, where it can be looked at, and what can be saved."""

from collections.abc import Callable, Iterable
from typing import Final

from nicegui import events, ui

from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.here import t

__all__ = ["export_menu", "text_file"]

_MOST_BYTES: Final = 500_000
"""Of a file; it comes through the page's socket."""
_READ_JS: Final = f"""(event) => {{
  const file = event.target.files[0];
  event.target.value = "";
  if (!file) return;
  if (file.size > {_MOST_BYTES}) emit(null);
  else file.text().then((text) => emit(text));
}}"""


def text_file(field: ui.textarea, *, accept: str) -> None:
    """Offer to choose a file for `field`. `accept` are endings, e.g. `.yaml,.yml`."""
    with ui.element("label").classes("rh-button-quiet rh-fit"):
        ui.label(t("Or choose the file"))
        chosen = ui.element("input").props("type=file").classes("rh-file")
        chosen.props["accept"] = accept

    def taken(event: events.GenericEventArguments) -> None:
        if isinstance(event.args, str):
            field.value = event.args
        else:
            ui.notify(t("The file is too large; {size} are the most.", size=bytes_text(_MOST_BYTES)), type="warning")

    chosen.on("change", taken, js_handler=_READ_JS)


def export_menu(files: Iterable[tuple[str, str]], save: Callable[[str], object]) -> None:
    """Offer files, each by a name and a title; `save` is told the name. Their times are those of the services."""
    with ui.button(t("Export"), icon="download").props("outline no-caps"), ui.menu():
        for name, title in files:
            ui.menu_item(title, on_click=lambda _, one=name: save(one))
        ui.separator()
        ui.label(t("Times in the files are in UTC.")).classes("rh-menu-note")
