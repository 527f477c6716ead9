"""`roundhouse files`: model files on the nodes: fetch them ahead of need, see how far they are, clean up."""

from pathlib import Path
from typing import Annotated

import typer

from roundhouse_cli.commands.model_arguments import find_model
from roundhouse_cli.commands.node_arguments import find_node
from roundhouse_cli.commands.node_selection import AllNodes, OnLabels, OnNodes, is_for, selection
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.commands.orders import Watched, show_orders, watch
from roundhouse_cli.errors import Failure
from roundhouse_cli.node.files import StateDir, move_files
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age, parse_duration, show_bytes, show_duration

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Model files on the nodes: list, fetch, pause, clean up, export, import.")

_ORDERS = "/api/v1/file-orders"

Model = Annotated[str, typer.Argument(metavar="MODEL", help="A name, an id, or a part of an id.")]
Order = Annotated[str, typer.Option(metavar="ORDER", help="Exactly this order, by its id.")]

_COLUMNS = (
    Column("NODE", lambda found: found["hostname"]),
    Column("MODEL", lambda found: found["name"]),
    Column("STATE", lambda found: found["state"]),
    Column("SIZE", lambda found: show_bytes(found["total_bytes"] or None)),
    Column("HERE", lambda found: _share(found)),
    Column("RATE", lambda found: f"{show_bytes(int(found['rate_bytes_s']))}/s" if found["rate_bytes_s"] else "-"),
    Column("LEFT", lambda found: show_duration(found["left_s"]) if _is_told(found["left_s"]) else "-"),
    Column("IN USE", lambda found: bool(found["is_in_use"])),
    Column("WHERE OR WHY", lambda found: found["detail"] or found["origin"] or found["path"], is_wrapped=True),
)
_ORDER_COLUMNS = (
    Column("ORDER", lambda order: short_id(order["id"])),
    Column("MODEL", lambda order: order["name"]),
    Column("WISH", lambda order: order["wish"]),
    Column("NODES", lambda order: order["for"], is_wrapped=True),
    Column("DONE", lambda order: order["done"]),
    Column("AGE", lambda order: age(order["created_at"], CLOCK)),
)


@app.command("ls")
def list_files(
    node: Annotated[str, typer.Option(metavar="NODE", help="Only on this one.")] = "",
    model: Annotated[str, typer.Option(help="Only of this model, by its name.")] = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """List what nodes have, and how far they are with what they fetch."""
    with connect(url) as services:
        node_id = find_node(services, node)["id"] if node else None
        found = services.scheduler.items("/api/v1/model-files", node=node_id, name=model or None)
        show_items(found, _COLUMNS, output, empty="No node keeps model files.")


@app.command("fetch")
def fetch(
    model: Model,
    node: OnNodes = None,
    label: OnLabels = None,
    all_nodes: AllNodes = False,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Order it and return.")] = False,
    within_s: Annotated[float, typer.Option("--timeout-s", min=0, help="How long to watch at most.")] = 86_400.0,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Have nodes fetch a model's files ahead of need. Ctrl-C stops watching; the fetching goes on."""
    with connect(url) as services:
        found = find_model(services, model)
        source = {name: value for name, value in found["source"].items() if value}
        if found.get("resolved_revision"):
            source["revision"] = found["resolved_revision"]
        body = {
            "name": found["name"],
            "source": source,
            "nodes": selection(services, node, label, is_all=all_nodes),
        }
        order = services.scheduler.post(_ORDERS, body)
        if not detach:
            order = watch(services, _watched(found["name"], order), within_s)
        if output is OutputFormat.JSON:
            show_item(order, output)
        elif detach:
            note(f"{found['name']} is ordered; `roundhouse files ls` shows how far it is.")
        else:
            note(f"{found['name']} is on {len(order['on_nodes'])} node{'' if len(order['on_nodes']) == 1 else 's'}.")


@app.command("orders")
def list_orders(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List what was ordered, and for which nodes."""
    with connect(url) as services:
        show_orders(services, _ORDERS, _ORDER_COLUMNS, output)


@app.command("pause")
def pause(model: Model, order: Order = "", url: Url = "") -> None:
    """Stop fetching for now, and keep what is there."""
    _tell(url, model, order, "pause", "pauses; `roundhouse files resume` goes on where it stopped")


@app.command("resume")
def resume(model: Model, order: Order = "", url: Url = "") -> None:
    """Go on fetching where it stopped."""
    _tell(url, model, order, "resume", "goes on")


@app.command("retry")
def retry(model: Model, order: Order = "", url: Url = "") -> None:
    """Try a failed fetch again; parts that are there are not fetched again."""
    _tell(url, model, order, "retry", "is tried again")


@app.command("cancel")
def cancel(
    model: Model,
    node: OnNodes = None,
    order: Order = "",
    url: Url = "",
) -> None:
    """Take an order back: fetching ends, half a file is dropped, whole models stay."""
    _take_back(url, model, node, order, files="keep", said="is not ordered any more; whole files stay where they are")


@app.command("rm")
def remove(
    model: Model,
    node: OnNodes = None,
    order: Order = "",
    url: Url = "",
) -> None:
    """Take an order back and delete the files, on each node as soon as no replica uses them."""
    _take_back(url, model, node, order, files="remove", said="goes from the nodes when no replica uses it")


@app.command("clean")
def clean(
    node: Annotated[list[str] | None, typer.Option("--node", metavar="NODE", help="May be repeated.")] = None,
    all_nodes: Annotated[bool, typer.Option("--all", help="On every node.")] = False,
    unused_for: Annotated[str, typer.Option(metavar="TIME", help="Unused for so long, e.g. 30d.")] = "30d",
    really: Annotated[bool, typer.Option("--yes", help="Delete; without it, only say what would go.")] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Delete model files that no replica and no order has wanted for a while; says first what would go."""
    if bool(node) == all_nodes:
        raise typer.BadParameter("say on which nodes, with one of --node and --all")
    body = {"unused_for_s": parse_duration(unused_for), "is_dry_run": not really}
    with connect(url) as services:
        known = services.scheduler.items("/api/v1/nodes")
        nodes = [find_node(services, one) for one in node or []] or known
        answers, freed_bytes = [], 0
        for one in nodes:
            said = services.scheduler.post(f"/api/v1/nodes/{one['id']}/model-files:clean", body)
            answers += [{**model, "hostname": one["hostname"], "node_id": one["id"]} for model in said["models"]]
            freed_bytes += said["freed_bytes"]
            if said.get("error"):
                note(f"{one['hostname']}: {said['error']}")
        show_items(answers, _CLEANED, output, empty="There is nothing to clean up.")
        if answers and output is OutputFormat.TABLE:
            freed = show_bytes(freed_bytes)
            note(f"{freed} freed." if really else f"{freed} would be freed; --yes deletes them.")


@app.command("export")
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name or key, as `roundhouse files ls` shows it.")],
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Made if it is not there.")],
    state_dir: StateDir = None,
) -> None:
    """Write a model of this host to a directory, for a host without a network."""
    move_files("export", model, str(directory.absolute()), state_dir=state_dir)


@app.command("import")
def import_(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="As `export` wrote it.")],
    state_dir: StateDir = None,
) -> None:
    """Take a model that was exported elsewhere into this host's files; every digest is checked."""
    move_files("import", str(directory.absolute()), state_dir=state_dir)


_CLEANED = (
    Column("NODE", lambda found: found["hostname"]),
    Column("MODEL", lambda found: found["name"]),
    Column("SIZE", lambda found: show_bytes(found["stored_bytes"])),
    Column("KEY", lambda found: found["key"]),
)


def _tell(url: str, model: str, order: str, verb: str, said: str) -> None:
    with connect(url) as services:
        found = _order(services, model, order, set())
        services.scheduler.post(f"{_ORDERS}/{found['id']}:{verb}")
        note(f"{found['name']} {said}.")


def _take_back(url: str, model: str, node: list[str] | None, order: str, *, files: str, said: str) -> None:
    with connect(url) as services:
        node_ids = {str(find_node(services, one)["id"]) for one in node or []}
        found = _order(services, model, order, node_ids)
        services.scheduler.delete(f"{_ORDERS}/{found['id']}", files=files)
        note(f"{found['name']} {said}.")


def _order(services: Services, model: str, order: str, node_ids: set[str]) -> Item:
    """Return the one order that is meant. Raises Failure when there are several, or none."""
    orders = [one for one in services.scheduler.items(_ORDERS) if one["wish"] in {"fetch", "pause"}]
    if order:
        found = pick(orders, order, "order", name_field="id")
        if found["name"] != model:
            raise Failure(f"The order {short_id(found['id'])} is for {found['name']}, not for {model}.")
        return found
    fit = [one for one in orders if one["name"] == model and is_for(one, node_ids)]
    if len(fit) == 1:
        return fit[0]
    if not fit:
        raise Failure(f"The files of {model!r} were not ordered; `roundhouse files orders` lists what was.")
    names = ", ".join(short_id(one["id"]) for one in fit)
    raise Failure(f"The files of {model!r} were ordered {len(fit)} times: {names}. Say which with --order.")


def _watched(name: str, order: Item) -> Watched:
    return Watched(
        title=f"Fetching {name}",
        path=f"{_ORDERS}/{order['id']}",
        tell=_how_far,
        advice="`roundhouse files ls` tells more",
    )


def _how_far(node: Item) -> str:
    if not node.get("total_bytes"):
        return str(node["state"])
    rate = f", {show_bytes(int(node['rate_bytes_s']))}/s" if node.get("rate_bytes_s") else ""
    eta = f", {show_duration(node['left_s'])} left" if _is_told(node.get("left_s")) else ""
    return f"{show_bytes(node['stored_bytes'])} of {show_bytes(node['total_bytes'])}{rate}{eta}"


def _share(found: Item) -> str:
    if not found["total_bytes"]:
        return "-"
    return f"{min(1.0, found['stored_bytes'] / found['total_bytes']):.0%}"


def _is_told(left_s: float | None) -> bool:
    return left_s is not None and left_s >= 0
