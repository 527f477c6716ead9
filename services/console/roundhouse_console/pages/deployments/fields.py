"""The fields of the wizard: engine and parameters, resources, where and how many."""

from collections.abc import Callable, Mapping
from typing import Any

from nicegui import ui

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.engine_parameters import TABLES
from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.deploying import (
    ENGINES,
    Draft,
    Scaling,
    parameters_of,
    parameters_text,
    scaling_of,
    size_of,
)
from roundhouse_console.domain.labels import labels_of, labels_text
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.here import here, t

__all__ = ["Fields", "access_field", "engine_fields", "number", "place_fields", "scale_fields", "scaling_fields"]

_COMMON = ("context", "parallel")
"""Parameters with a field of their own."""


class Fields:
    """What is in the fields. `read` puts it into the draft and raises ValueError with a sentence."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.readers: list[Callable[[], None]] = []

    def read(self) -> Draft:
        for one in self.readers:
            one()
        return self.draft


def number(label: str, value: float | None, *, least: float = 0, hint: str = "", placeholder: str = "") -> ui.number:
    """A field for a number."""
    made = ui.number(label, value=value, min=least, placeholder=placeholder)
    made.props("outlined dense stack-label").classes("rh-field")
    if hint:
        made.props["hint"] = hint
    return made


def _text(label: str, value: str, *, placeholder: str = "") -> ui.input:
    return ui.input(label, value=value, placeholder=placeholder).props("outlined dense stack-label").classes("rh-field")


def engine_fields(fields: Fields, ready: Mapping[str, int]) -> None:
    """Build engine, version and parameters. `ready` counts the nodes that have an engine; empty: not known."""
    draft = fields.draft
    names = {
        one: one + (" · " + t("{count|node|nodes}", count=ready[one]) if ready.get(one) else "")
        for one in sorted(ENGINES, key=lambda one: -ready.get(one, 0))
    }
    with ui.element("div").classes("rh-wizard-fields"):
        engine = ui.select(names, value=draft.engine, label=t("Engine")).props("outlined dense").classes("rh-field")
        version = _text(t("Engine version"), draft.engine_version, placeholder=t("any"))
        context = number(
            t("Context, tokens"), _whole(draft.parameters.get("context")), placeholder=t("the engine's choice")
        )
        parallel = number(
            t("Requests at once"), _whole(draft.parameters.get("parallel")), placeholder=t("the engine's choice")
        )
    installs = ui.switch(t("A node without the engine may install it"), value=draft.installs_engine)
    rest = {name: value for name, value in draft.parameters.items() if name not in _COMMON}
    lines = ui.textarea(t("Engine parameters, one per line: name=value"), value=parameters_text(rest))
    lines.props("outlined dense autogrow stack-label input-class=rh-code")
    known = ui.label().classes("rh-dim rh-break-words")

    def told() -> None:
        table = TABLES.get(EngineKind(engine.value))
        words = (
            ", ".join(sorted(table.parameters))
            if table
            else "batch, cache_type, chat_template_file, gpu_layers, pooling, threads"
        )
        known.set_text(t("It knows: {names}", names=words))

    def read() -> None:
        draft.engine, draft.engine_version = str(engine.value), (version.value or "").strip()
        draft.installs_engine = bool(installs.value)
        common = {"context": context.value, "parallel": parallel.value}
        draft.parameters = {name: str(int(value)) for name, value in common.items() if value} | parameters_of(
            lines.value or ""
        )

    engine.on_value_change(told)
    told()
    fields.readers.append(read)


def scale_fields(fields: Fields, *, is_version: bool) -> None:
    """Build how many replicas, of what size."""
    draft = fields.draft
    with ui.element("div").classes("rh-wizard-fields"):
        replicas = None if is_version else number(t("Replicas"), draft.replicas)
        devices = number(t("Accelerators for each replica"), draft.device_count, hint=t("0: it runs on processors"))
        nodes = number(t("Nodes for each replica"), draft.node_count, least=1)
        stated = "" if draft.memory_bytes is None else bytes_text(draft.memory_bytes)
        memory = _text(t("Memory for each replica"), stated, placeholder=t("as its files need"))
    exclusive = ui.switch(t("Share the accelerators with nothing else"), value=draft.is_exclusive)
    read_scaling = None if is_version else scaling_fields(draft.scaling, draft.autoscale)

    def read() -> None:
        if replicas is not None:
            draft.replicas = int(replicas.value or 0)
        draft.device_count, draft.node_count = int(devices.value or 0), int(nodes.value or 1)
        if (memory.value or "") != stated:
            draft.memory_bytes = size_of(memory.value or "")
        draft.is_exclusive = bool(exclusive.value)
        if read_scaling is not None:
            draft.scaling = read_scaling()

    fields.readers.append(read)


def scaling_fields(scaling: Scaling | None, autoscale: Mapping[str, Any] | None) -> Callable[[], Scaling | None]:
    """Build the bounds of scaling by load and return what reads them."""
    shown = scaling or (scaling_of(autoscale) if autoscale else Scaling())
    switch = ui.switch(t("Scale by load"), value=scaling is not None)
    with ui.element("div").classes("rh-wizard-fields") as bounds:
        least = number(t("At least"), shown.min_replicas, hint=t("0: none is left while idle"))
        most = number(t("At most"), shown.max_replicas, least=1)
        in_flight = number(t("Requests in flight for each replica"), shown.target_in_flight)
        idle = number(t("Idle for, seconds"), shown.idle_s)
    bounds.bind_visibility_from(switch, "value")

    def read() -> Scaling | None:
        if not switch.value:
            return None
        return Scaling(
            min_replicas=int(least.value or 0),
            max_replicas=int(most.value or 1),
            target_in_flight=float(in_flight.value or 0),
            idle_s=float(idle.value or 0),
        )

    return read


def place_fields(fields: Fields, nodes: list[Item]) -> None:
    """Build where it may run."""
    draft, place = fields.draft, fields.draft.placement
    with ui.element("div").classes("rh-wizard-fields"):
        region = _text(t("Region"), place.get("region", ""), placeholder=t("any"))
        zone = _text(t("Zone"), place.get("zone", ""), placeholder=t("any"))
        vendor = _text(t("Vendor of the accelerators"), place.get("device_vendor", ""), placeholder=t("any"))
        model = _text(t("Model of the accelerators"), place.get("device_model", ""), placeholder="*H100*")
        labels = _text(t("Labels of the node"), labels_text(place.get("node_labels", {})), placeholder="pool=chat")
        names = {"spread": t("Over many nodes"), "pack": t("Onto few nodes")}
        strategy = ui.select(names, value=place.get("strategy") or "spread", label=t("Spread")).props("outlined dense")
        strategy.classes("rh-field")
    hosts = {one["id"]: one["hostname"] for one in nodes}
    chosen = [one for one in place.get("node_ids", []) if one in hosts]
    only = ui.select(hosts, value=chosen, multiple=True, label=t("Only on these nodes")) if hosts else None
    if only is not None:
        only.props("outlined dense use-chips")

    def read() -> None:
        stated = {
            "region": region.value,
            "zone": zone.value,
            "device_vendor": vendor.value,
            "device_model": model.value,
        }
        place.update({name: (value or "").strip() for name, value in stated.items()})
        place["node_labels"] = labels_of(labels.value or "")
        if place.get("strategy") or strategy.value != "spread":
            place["strategy"] = strategy.value
        if only is not None:
            place["node_ids"] = list(only.value or ())
        draft.placement = place

    fields.readers.append(read)


def access_field(value: str, project_id: str) -> ui.radio:
    """Build whose keys may use it; `public` only for those who may open it to everybody."""
    names = {
        "private": t("Its maker's, its project's, and those that name it"),
        "tenant": t("All of {tenant}", tenant=here().me.tenant_name),
        "public": t("All of everybody"),
    }
    if value != "public" and not here().may("platform:admin", project_id):
        del names["public"]
    return ui.radio(names, value=value)


def _whole(text: str | None) -> float | None:
    return float(text) if text and text.isdecimal() else None
