"""What a model's files say, and what else is known of it."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.models import SOURCES, Uses, context_of, files_bytes, parameters_text, precision_of
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import fact, facts, note
from roundhouse_console.pages.models.asking import forget_market, look_at

__all__ = ["model_facts"]

Look = Callable[[], Awaitable[None]]


def model_facts(model: Item, uses: Uses, look: Look) -> None:
    """Show what is known of a model; `look` shows what reading its files brought."""
    found, context, size = model["facts"] or {}, context_of(model), files_bytes(model)
    if not found:
        _unread(model, look, is_running=bool(uses.running))
    with facts():
        fact(t("Architecture"), found.get("architecture", ""))
        fact(t("Parameters"), parameters_text(found))
        fact(t("Weights"), " · ".join(one for one in (precision_of(model), found.get("format", "")) if one))
        fact(t("Context"), t("{count|token|tokens}", count=f"{context:,}".replace(",", " ")) if context else "")
        fact(t("Layers"), _number(found.get("layers", 0)))
        fact(t("Attention heads"), _heads(found))
        if found.get("expert_count"):
            shown = f"{found['expert_count']} · {t('{count} at once', count=found['experts_per_token'])}"
            fact(t("Experts"), shown)
        fact(t("Vocabulary"), _number(found.get("vocab_size", 0)))
        fact(
            t("Files"),
            f"{bytes_text(size)}" + (f" · {model['file_count']}" if model["file_count"] else "") if size else "",
        )
        fact(t("Licence"), model["licence"] or t("licence not stated"))
        fact(t("Source"), t(SOURCES.get(model["source"]["kind"], model["source"]["kind"])))
        fact(t("Address"), model["source"]["uri"], is_code=True)
        if model["resolved_revision"] or model["source"]["revision"]:
            fact(t("Revision"), model["resolved_revision"] or model["source"]["revision"], is_code=True)
    for gap in found.get("gaps", ()):
        note(gap, "warn", icon="help_outline")


def _number(number: int) -> str:
    return f"{number:,}".replace(",", " ") if number else ""


def _heads(found: Item) -> str:
    if not found.get("attention_heads"):
        return ""
    return t("{heads}, {kv} for keys and values", heads=found["attention_heads"], kv=found["kv_heads"])


def _unread(model: Item, look: Look, *, is_running: bool) -> None:
    """Say that nobody has read the files; where an engine runs them they are at hand, so a node reads them now."""
    holder = ui.element("div").classes("rh-column")
    may_read = here().may("models:write")

    async def read() -> None:
        holder.clear()
        with holder:
            note(t("A node reads its files…"), "busy", icon="hourglass_top")
        learnt = await look_at(here().person, model)
        if learnt["facts"]:
            forget_market(here())
            await look()
        elif not holder.is_deleted:
            say("\n".join(learnt.get("notes") or ()))

    def say(why: str = "") -> None:
        holder.clear()
        with holder:
            note("\n".join(filter(None, (t("Its files have not been read yet, so little is known of it."), why))))
            if may_read:
                ui.button(t("Read its files"), icon="find_in_page", on_click=read).props("outline no-caps")

    if may_read and is_running:
        ui.timer(0, read, once=True)
    else:
        say()
