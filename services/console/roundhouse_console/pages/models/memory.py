"""How much memory a replica needs, by context and by requests at once: the catalog computes it as for deployments."""

import asyncio
from dataclasses import dataclass
from typing import Final

from nicegui import ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.errors import Refused
from roundhouse_console.domain.models import context_of
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import note
from roundhouse_console.kit.signals import explain
from roundhouse_console.kit.tables import column, table, text

__all__ = ["Needs", "ask_memory", "memory"]

_CONTEXTS: Final = (2_048, 8_192, 32_768, 131_072)
_AT_ONCE: Final = (1, 4, 16)


@dataclass(frozen=True, slots=True)
class Needs:
    """By context, what a replica needs for so many requests at once; or why that cannot be said."""

    rows: dict[int, dict[int, Item]]
    why: str = ""


async def ask_memory(model: Item) -> Needs:
    """Ask the catalog what deployments of the model would need."""
    longest = context_of(model)
    contexts = [one for one in _CONTEXTS if not longest or one < longest] + ([longest] if longest else [])
    pairs = [(context, at_once) for context in contexts[-4:] for at_once in _AT_ONCE]
    try:
        # The first alone: files that nobody read yet are read once then, and not twelve times.
        first = await _need(model, *pairs[0])
        others = await asyncio.gather(*(_need(model, *pair) for pair in pairs[1:]))
    except Refused as error:
        return Needs({}, explain(error) if not error.faults else "\n".join(one.message for one in error.faults))
    rows: dict[int, dict[int, Item]] = {}
    for (context, at_once), need in zip(pairs, [first, *others], strict=True):
        if need is not None:
            rows.setdefault(context, {})[at_once] = need
    return Needs(rows)


async def _need(model: Item, context: int, at_once: int) -> Item | None:
    body = {"model": model["id"], "parameters": {"context": str(context), "parallel": str(at_once)}}
    person = here().person
    name = f"need {model['id']} {model['generation']} {context} {at_once}"

    async def ask() -> Item:
        return await person.catalog.post("/api/v1/deployments:validate", body)

    version = (await person.cached.get(name, ask, for_s=300.0))["version"]
    need: Item | None = version["memory_need"]
    return need or {"total_bytes": version["resources"]["memory_bytes"], "is_stated": True}


def memory(needs: Needs) -> None:
    """Build the table."""
    if needs.why:
        note(needs.why, "warn")
        return
    ui.label(
        t("Weights, cache of the context, and what the engine itself takes; without devices, of the host.")
    ).classes("rh-dim")
    table(
        [
            column("context", t("Context of a request")),
            *(column(f"n{one}", t("{count} at once", count=one), align="right") for one in _AT_ONCE),
        ],
        label=t("Memory of one replica"),
        search=False,
        rows=[
            {"id": context, "context": f"{context:,}".replace(",", " "), **{f"n{n}": _cell(row[n]) for n in row}}
            for context, row in needs.rows.items()
        ],
    )


def _cell(need: Item) -> Item:
    if need.get("is_stated"):
        return text(bytes_text(need["total_bytes"]), sort=need["total_bytes"], why=t("As stated for the model."))
    why = t(
        "{weights} weights, {cache} cache, {rest} for the engine",
        weights=bytes_text(need["weights_bytes"]),
        cache=bytes_text(need["kv_cache_bytes"]),
        rest=bytes_text(need["activation_bytes"] + need["overhead_bytes"]),
    )
    return text(bytes_text(need["total_bytes"]), sort=need["total_bytes"], why=why)
