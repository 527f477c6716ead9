"""A text file of the browser whose content goes into a field, where it can be looked at."""

from typing import Final

from nicegui import events, ui

from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.here import t

__all__ = ["text_file"]

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
