"""What a deployment would be, before it is one: where it goes, what memory it needs, why nodes are no place for it."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.engine_parameters import TABLES
from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.deploying import Shown, command_text, commands_of, dry_run_body, memory_parts
from roundhouse_console.domain.errors import ConsoleError, SignedOut
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import error_note, fact, facts, note
from roundhouse_console.kit.signals import explain, reason
from roundhouse_console.kit.tables import column, state, table, text

__all__ = ["check", "engine_line"]


@dataclass(frozen=True, slots=True)
class _Answer:
    checked: Item
    placed: Item | None
    why: str = ""
    """Why it cannot be said where it would be placed."""


async def check(body: Callable[[], Item], *, is_version: bool) -> bool:
    """Ask and show. True: it can be deployed, though perhaps not at once."""
    with ui.element("div").classes("rh-row") as waiting:
        ui.spinner(size="sm")
        ui.label(t("Checking: the model's files are read where that is needed…")).classes("rh-dim")
    try:
        answer = await _asked(body())
    except SignedOut:
        ui.navigate.to("/login")
        return False
    except ConsoleError as error:
        error_note(error)
        return False
    except ValueError as error:
        note(reason(error), "bad", icon="error_outline")
        return False
    finally:
        if not waiting.is_deleted:
            waiting.delete()
    _summary(answer.checked)
    commands = [] if answer.placed is None else commands_of(answer.placed["placed"])
    _commands(commands) if commands else _told(answer.checked["version"])
    _memory(answer.checked["version"])
    if answer.placed is None:
        note(answer.why)
    else:
        _placement(answer.placed, is_version=is_version)
    return True


async def _asked(body: Item) -> _Answer:
    person = here().person
    checked = await person.catalog.post("/api/v1/deployments:validate", body)
    if not here().me.may_anywhere("nodes:read"):
        return _Answer(
            checked, None, t("Where it is placed is for operators to see; it is decided when it is deployed.")
        )
    try:
        return _Answer(checked, await person.scheduler.post("/api/v1/placements:dryRun", dry_run_body(checked)))
    except ConsoleError as error:
        return _Answer(checked, None, explain(error))


def _summary(checked: Item) -> None:
    version = checked["version"]
    _heading(t("What it is"))
    with facts():
        fact(t("Name"), checked["name"])
        fact(t("Model"), version["model_name"])
        fact(t("Engine"), f"{version['engine']} {version['engine_version']}".strip())
        fact(t("Replicas"), str(checked["replicas"]))
        if version["template"]:
            fact(t("Template"), version["template"])


def _commands(commands: list[Shown]) -> None:
    _heading(t("The command that will run"))
    for shown in commands:
        if len(commands) > 1:
            ui.label(", ".join(shown.places)).classes("rh-dim")
        _command(shown.command)
    if any(one.command["argv"] for one in commands):
        told = [t("Each start picks a free port. Keys are masked.")]
        if any("REPLICA" in repr(one.command) for one in commands):
            told.append(t("REPLICA stands for the replica's id."))
        ui.label(" ".join(told)).classes("rh-dim")


def _command(command: Mapping[str, Any]) -> None:
    if command["error"]:
        note(command["error"], "warn", icon="warning")
        return
    said = command_text(command)
    with ui.element("div").classes("rh-copy"):
        ui.label(said).classes("rh-code rh-pre rh-break-words").props("role=region").props["aria-label"] = t("Command")
        copy = ui.button(icon="content_copy", on_click=lambda: ui.clipboard.write(said)).props("flat dense round")
        copy.props["aria-label"] = t("Copy the command")
    for path, text_of in command["files"].items():
        with ui.expansion(path).classes("rh-break-words").props("dense"):
            ui.label(text_of).classes("rh-log")
    where = [command["engine_version"], command["runs_in"]]
    if any(where):
        ui.label(t("Engine: {found}", found=_joined(*where))).classes("rh-dim")
    if not command["has_engine"]:
        note(t("The engine is installed first; ENGINE stands for the place it will have."))
    if not command["has_files"]:
        note(t("The model's files are fetched first; MODEL_FILES stands for the place they will have."))


def _told(version: Item) -> None:
    _heading(t("What the engine is told"))
    ui.label(engine_line(version)).classes("rh-log")
    told = t("The node adds where the model lies, its own address and key, and what follows from its devices.")
    ui.label(told).classes("rh-dim")


def _memory(version: Item) -> None:
    resources, need = version["resources"], version["memory_need"]
    where = (
        t("on each accelerator, of which it takes {count}", count=resources["device_count"])
        if resources["device_count"]
        else ""
    )
    _heading(t("Memory for each replica"))
    ui.label(f"{bytes_text(resources['memory_bytes'])} {where}".strip()).classes("rh-tile-value")
    if need is None:
        ui.label(t("As stated, by the person, the template or the model.")).classes("rh-dim")
        return
    told = t(
        "{requests|request|requests} at once, of {tokens|token|tokens}",
        requests=need["concurrency"],
        tokens=need["context_tokens"],
    )
    ui.label(told).classes("rh-dim")
    parts = memory_parts(need)
    with ui.element("div").classes("rh-parts").props("aria-hidden=true"):
        for index, (_, _, share) in enumerate(parts):
            ui.element("i").classes(f"rh-part-{index}").style(f"width:{share * 100:.2f}%")
    with ui.element("ul").classes("rh-legend"):
        for index, (words, size, _) in enumerate(parts):
            with ui.element("li"):
                ui.element("i").classes(f"rh-part-{index}").props("aria-hidden=true")
                ui.label(f"{t(words)} {bytes_text(size)}")


def _placement(found: Item, *, is_version: bool) -> None:
    _heading(t("Where it would run now"))
    if found["unplaced"]:
        told = t("Replicas without a place now: {count}. They wait until there is one.", count=found["unplaced"])
        note(f"{told}\n{found['summary']}", "warn", icon="warning")
    if is_version:
        note(t("The version that runs holds its place meanwhile; a rollout frees it replica by replica."))
    if found["placed"]:
        _placed(found["placed"])
    if found["rejections"]:
        _heading(t("Why not elsewhere"))
        _rejected(found["rejections"])


def _placed(placed: list[Item]) -> None:
    columns = [
        column("replica", t("Replica")),
        column("node", t("Node")),
        column("devices", t("Devices")),
        column("files", t("Model files"), is_wide=True),
    ]
    rows = [
        {
            "id": f"{one['replica']}-{one['rank']}",
            "replica": one["replica"],
            "node": text(one["hostname"], sub=_joined(one["region"], one["zone"], one["alternative"])),
            "devices": ", ".join(f"{on['index']}: {on['model']}" for on in one["devices"]) or t("processors"),
            "files": _files(one),
        }
        for one in placed
    ]
    table(columns, rows=rows, label=t("Where it would run now"), search=False)


def _joined(*words: str) -> str:
    return " · ".join(one for one in words if one)


def _files(one: Item) -> Item:
    if one["installs_engine"]:
        return state(t("engine to be installed"), "busy")
    command = one.get("command") or {"error": "unknown"}
    has_files = command["has_files"] if not command["error"] else one["has_files"]
    if has_files is None:
        return text("")
    return state(t("there"), "good") if has_files else state(t("to be fetched"), "busy")


def _rejected(rejections: list[Item]) -> None:
    table(
        [
            column("node", t("Node")),
            column("reason", t("Reason"), is_wide=True),
            column("why", t("Why not"), wraps=True),
        ],
        label=t("Why not elsewhere"),
        search=False,
        rows=[
            {
                "id": str(index),
                "node": text(one["hostname"], sub=one["device_uuid"]),
                "reason": one["reason"],
                "why": one["detail"],
            }
            for index, one in enumerate(rejections)
        ],
    )


def engine_line(version: Item) -> str:
    """Return the engine with what its parameters become: its own flags, or our names where its runner takes these."""
    table_of = TABLES.get(EngineKind(version["engine"]))
    given = version["parameters"]
    words = table_of.arguments(given) if table_of else [f"{name}={value}" for name, value in given.items()]
    return shlex.join([version["engine"], *words])


def _heading(words: str) -> None:
    ui.element("h2").classes("rh-panel-title")._text = words
