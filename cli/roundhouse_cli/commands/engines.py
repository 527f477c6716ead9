"""`roundhouse engines`: the inference engines that nodes have, and having them installed."""

from typing import Annotated

import typer

from roundhouse_cli.commands.node_arguments import find_node
from roundhouse_cli.commands.node_selection import (
    AllNodes,
    OnLabels,
    OnNodes,
    describe_selection,
    is_for,
    selection,
)
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.commands.orders import Watched, hostnames_of, show_orders, watch
from roundhouse_cli.errors import Failure, UsageFault
from roundhouse_cli.output import Column, OutputFormat, note, show_item, show_items
from roundhouse_cli.resolve import pick, short_id
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.units import age, show_bytes

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Inference engines on the nodes: list, install, remove, read their logs.")

_ORDERS = "/api/v1/engine-orders"

Engine = Annotated[str, typer.Argument(metavar="ENGINE", help="e.g. vllm, sglang, llama.cpp, transformers.")]
Version = Annotated[str, typer.Option(help="Exactly this one. Default: the newest with a recipe.")]

_COLUMNS = (
    Column("NODE", lambda found: found["hostname"]),
    Column("ENGINE", lambda found: found["engine"]),
    Column("VERSION", lambda found: found["version"]),
    Column("VARIANT", lambda found: found["variant"]),
    Column("STATE", lambda found: found["state"]),
    Column("SIZE", lambda found: show_bytes(found["size_bytes"] or None)),
    Column("AGE", lambda found: age(found["since"], CLOCK)),
    Column("ID", lambda found: found["environment_id"]),
    Column("WHERE OR WHY", lambda found: found["detail"] or found["step"] or found["origin"], is_wrapped=True),
)
_ORDER_COLUMNS = (
    Column("ORDER", lambda order: short_id(order["id"])),
    Column("ENGINE", lambda order: order["engine"]),
    Column("VERSION", lambda order: _version(order)),
    Column("VARIANT", lambda order: order["variant"]),
    Column("METHOD", lambda order: order["method"]),
    Column("FROM", lambda order: order["path"] or order["image"], is_wrapped=True),
    Column("NODES", lambda order: order["for"], is_wrapped=True),
    Column("WISH", lambda order: "remove" if order["is_removed"] else "install"),
    Column("DONE", lambda order: order["done"]),
    Column("AGE", lambda order: age(order["created_at"], CLOCK)),
)


@app.command("ls")
def list_engines(
    node: Annotated[str, typer.Option(metavar="NODE", help="Only on this one.")] = "",
    engine: Annotated[str, typer.Option(help="Only this one.")] = "",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """List the engines that nodes have, or are installing."""
    with connect(url) as services:
        node_id = find_node(services, node)["id"] if node else None
        found = services.scheduler.items("/api/v1/engines", node=node_id, engine=engine or None)
        show_items(found, _COLUMNS, output, empty="No node has told of an engine.")


@app.command("install")
def install(
    engine: Engine,
    version: Version = "",
    variant: Annotated[str, typer.Option(help="e.g. cpu or cuda. Default: what fits each node's devices.")] = "",
    path: Annotated[
        str, typer.Option(help="Use what is on the nodes already: an environment, its interpreter, or a program.")
    ] = "",
    image: Annotated[str, typer.Option(help="Run it in a container from this image, by Docker or Podman.")] = "",
    node: OnNodes = None,
    label: OnLabels = None,
    all_nodes: AllNodes = False,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Order it and return.")] = False,
    within_s: Annotated[float, typer.Option("--timeout-s", min=0, help="How long to watch at most.")] = 3600.0,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Have nodes install an engine. Ctrl-C stops watching; the installation goes on."""
    if path and image:
        raise UsageFault("An engine comes from --path or from --image, not from both.")
    method = "path" if path else "image" if image else "environment"
    with connect(url) as services:
        body = {
            "engine": engine,
            "version": version,
            "variant": variant,
            "method": method,
            "path": path,
            "image": image,
            "nodes": selection(services, node, label, is_all=all_nodes),
        }
        order = services.scheduler.post(_ORDERS, body)
        if not detach:
            order = watch(services, _watched(engine, order), within_s)
        if output is OutputFormat.JSON:
            show_item(order, output)
        elif detach:
            note(f"{engine} is ordered; `roundhouse engines ls` shows how far it is.")
        else:
            note(f"{engine} is installed on {_count(order)}.")


@app.command("rm")
def remove(
    engine: Engine,
    version: Annotated[str, typer.Option(help="Only the order of this version.")] = "",
    node: OnNodes = None,
    order: Annotated[str, typer.Option(metavar="ORDER", help="Exactly this order, by its id.")] = "",
    url: Url = "",
) -> None:
    """Take an ordered engine from the nodes again, as soon as no replica runs in it."""
    with connect(url) as services:
        node_ids = {str(find_node(services, one)["id"]) for one in node or []}
        found = _order(services, engine, version, order, node_ids)
        services.scheduler.delete(f"{_ORDERS}/{found['id']}")
        what = " ".join(word for word in (found["engine"], found["version"]) if word)
        where = describe_selection(found["nodes"], hostnames_of(services))
        note(f"{what} goes from {'all nodes' if where == 'all' else where} when nothing runs in it.")


@app.command("retry")
def retry(
    engine: Engine,
    version: Annotated[str, typer.Option(help="Only the order of this version.")] = "",
    order: Annotated[str, typer.Option(metavar="ORDER", help="Exactly this order, by its id.")] = "",
    url: Url = "",
) -> None:
    """Try a failed installation again."""
    with connect(url) as services:
        found = _order(services, engine, version, order, set())
        services.scheduler.post(f"{_ORDERS}/{found['id']}:retry")
        note(f"{engine} is tried again; `roundhouse engines ls` shows how far it is.")


@app.command("orders")
def list_orders(url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """List what was ordered, and for which nodes."""
    with connect(url) as services:
        show_orders(services, _ORDERS, _ORDER_COLUMNS, output)


@app.command("logs")
def logs(
    environment: Annotated[str, typer.Argument(metavar="ID", help="As `roundhouse engines ls` shows it.")],
    node: Annotated[str, typer.Option(metavar="NODE", help="Where; needed when several nodes have it.")] = "",
    tail: Annotated[int, typer.Option(min=1, help="How many of the last lines.")] = 200,
    url: Url = "",
) -> None:
    """Show what the installation of an engine wrote."""
    with connect(url) as services:
        node_id = find_node(services, node)["id"] if node else None
        found = [
            one
            for one in services.scheduler.items("/api/v1/engines", node=node_id)
            if one["environment_id"] == environment
        ]
        if len(found) != 1:
            where = ", ".join(one["hostname"] for one in found)
            raise Failure(
                f"{environment} is on {where}: say which with --node." if found else f"No node has {environment!r}."
            )
        path = f"/api/v1/nodes/{found[0]['node_id']}/engines/{environment}/log"
        chunk = services.scheduler.get(path, tail=tail)
        if chunk.get("error"):
            raise Failure(str(chunk["error"]))
        print(chunk["text"], end="" if chunk["text"].endswith("\n") else "\n")


def _order(services: Services, engine: str, version: str, order: str, node_ids: set[str]) -> Item:
    """Return the one order that is meant. Raises Failure when there are several, or none."""
    orders = [one for one in services.scheduler.items(_ORDERS) if not one["is_removed"]]
    if order:
        found = pick(orders, order, "order", name_field="id")
        if found["engine"] != engine:
            raise Failure(f"The order {short_id(found['id'])} is for {found['engine']}, not for {engine}.")
        return found
    fit = [
        one
        for one in orders
        if one["engine"] == engine and (not version or one["version"] == version) and is_for(one, node_ids)
    ]
    if len(fit) == 1:
        return fit[0]
    if not fit:
        raise Failure(
            f"{engine} {version}was not ordered; `roundhouse engines orders` lists what was.".replace("  ", " ")
        )
    names = ", ".join(f"{one['path'] or one['image'] or _version(one)} ({short_id(one['id'])})" for one in fit)
    raise Failure(f"{engine} was ordered {len(fit)} times: {names}. Say which with --version, --node or --order.")


def _version(order: Item) -> str:
    """What is at a path or in an image has the version that it has."""
    return str(order["version"]) or ("newest" if order["method"] == "environment" else "-")


def _watched(engine: str, order: Item) -> Watched:
    return Watched(
        title=f"Installing {engine}",
        path=f"{_ORDERS}/{order['id']}",
        tell=lambda node: node.get("step") or node["state"],
        advice=f"`roundhouse engines ls --engine {engine}` tells more",
    )


def _count(order: Item) -> str:
    count = len(order["on_nodes"])
    return f"{count} node{'' if count == 1 else 's'}"
