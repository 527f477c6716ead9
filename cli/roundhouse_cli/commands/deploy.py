"""`roundhouse deploy`: run a model."""

from typing import Annotated

import typer

from roundhouse_cli.commands.dry_run import dry_run
from roundhouse_cli.commands.launch_options import given, seconds, settings_of, size
from roundhouse_cli.commands.model_arguments import find_model
from roundhouse_cli.commands.node_arguments import find_node
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.output import OutputFormat, note, show_item
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.waiting import wait_until_running

__all__ = ["deploy"]

_PLACE = "Where it may run"
_CHANGE = "How it changes"


def deploy(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name, an id, or a part of an id.")],
    name: Annotated[str, typer.Option(help="What clients send as `model`. Default: the model's name.")] = "",
    template: Annotated[
        str, typer.Option("--template", "-t", metavar="NAME[@N]", help="Take what is not stated here from it.")
    ] = "",
    engine: Annotated[str, typer.Option(help="The inference engine. Default: llama.cpp.")] = "",
    engine_version: Annotated[str, typer.Option(help="Exactly this one. Default: what a node has.")] = "",
    install_engine: Annotated[
        bool, typer.Option("--install-engine", help="Let a node without the engine install it.")
    ] = False,
    replicas: Annotated[int | None, typer.Option(min=0, help="How many copies to run. Default: 1.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An engine parameter; may be repeated.")
    ] = None,
    memory: Annotated[
        str,
        typer.Option(metavar="SIZE", help="Memory of one replica, e.g. 600MiB. Default: what the model's files need."),
    ] = "",
    devices: Annotated[int | None, typer.Option(min=0, help="Accelerators of one replica on each node.")] = None,
    nodes: Annotated[int | None, typer.Option(min=1, help="Nodes that one replica spans.")] = None,
    exclusive: Annotated[bool, typer.Option("--exclusive", help="Share the devices with nothing else.")] = False,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Only on nodes with this label; may be repeated.", rich_help_panel=_PLACE
        ),
    ] = None,
    region: Annotated[str, typer.Option(rich_help_panel=_PLACE)] = "",
    zone: Annotated[str, typer.Option(rich_help_panel=_PLACE)] = "",
    vendor: Annotated[str, typer.Option(help="Of the devices, e.g. nvidia.", rich_help_panel=_PLACE)] = "",
    device_model: Annotated[str, typer.Option(help="With * for any part, e.g. *H100*.", rich_help_panel=_PLACE)] = "",
    on_node: Annotated[
        list[str] | None,
        typer.Option("--node", metavar="NODE", help="Only there; may be repeated.", rich_help_panel=_PLACE),
    ] = None,
    on_device: Annotated[
        list[str] | None,
        typer.Option("--device", metavar="UUID", help="Only these; may be repeated.", rich_help_panel=_PLACE),
    ] = None,
    strategy: Annotated[str, typer.Option(help="spread or pack.", rich_help_panel=_PLACE)] = "",
    rollout: Annotated[str, typer.Option(help="rolling or recreate.", rich_help_panel=_CHANGE)] = "",
    max_surge: Annotated[
        int | None, typer.Option(min=0, help="Replicas too many meanwhile.", rich_help_panel=_CHANGE)
    ] = None,
    max_unavailable: Annotated[
        int | None, typer.Option(min=0, help="Replicas too few meanwhile.", rich_help_panel=_CHANGE)
    ] = None,
    min_ready: Annotated[
        str, typer.Option(metavar="TIME", help="How long ready before it counts, e.g. 10s.", rich_help_panel=_CHANGE)
    ] = "",
    no_rollback: Annotated[
        bool, typer.Option("--no-rollback", help="Leave a failed version as it is.", rich_help_panel=_CHANGE)
    ] = False,
    min_replicas: Annotated[
        int | None, typer.Option("--min", min=0, help="Scale by load, down to this.", rich_help_panel=_CHANGE)
    ] = None,
    max_replicas: Annotated[
        int | None, typer.Option("--max", min=1, help="Scale by load, up to this.", rich_help_panel=_CHANGE)
    ] = None,
    target_in_flight: Annotated[
        float | None, typer.Option(min=0, help="Requests in flight per replica.", rich_help_panel=_CHANGE)
    ] = None,
    idle: Annotated[
        str, typer.Option(metavar="TIME", help="With --min 0: none is left after so long.", rich_help_panel=_CHANGE)
    ] = "",
    evictable: Annotated[
        bool, typer.Option("--evictable", help="While idle, give way to others.", rich_help_panel=_CHANGE)
    ] = False,
    access: Annotated[
        str, typer.Option(metavar="WHOSE", help="API keys that may use it: private, the default, tenant or public.")
    ] = "",
    is_dry: Annotated[
        bool, typer.Option("--dry-run", help="Say where it would go, or why not; change nothing.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return when it runs.")] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Deploy a model."""
    resources = given(memory_bytes=size(memory), device_count=devices, node_count=nodes, is_exclusive=exclusive or None)
    placement = given(
        node_labels=settings_of(label, "--label"),
        region=region or None,
        zone=zone or None,
        device_vendor=vendor or None,
        device_model=device_model or None,
        device_uuids=on_device or None,
        strategy=strategy or None,
    )
    rolled = given(
        strategy=rollout or None,
        max_surge=max_surge,
        max_unavailable=max_unavailable,
        min_ready_s=seconds(min_ready, "--min-ready"),
        is_rolled_back=False if no_rollback else None,
    )
    autoscale = given(
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        target_in_flight=target_in_flight,
        idle_s=seconds(idle, "--idle"),
    )
    if autoscale:
        autoscale.setdefault("max_replicas", max(1, autoscale.get("min_replicas", 1)))
    body = given(
        name=name or None,
        template=template or None,
        engine=engine or None,
        engine_version=engine_version or None,
        installs_engine=install_engine or None,
        replicas=replicas,
        parameters=settings_of(settings, "--set"),
        resources=resources or None,
        placement=placement or None,
        rollout=rolled or None,
        autoscale=autoscale or None,
        is_evictable=evictable or None,
        access=access or None,
    )
    with connect(url) as services:
        body = {"model": find_model(services, model)["id"], **body}
        if on_node:
            node_ids = [find_node(services, one)["id"] for one in on_node]
            body["placement"] = {**body.get("placement", {}), "node_ids": node_ids}
        _deploy(services, body, is_dry=is_dry, wait=wait, output=output)


def _deploy(services: Services, body: Item, *, is_dry: bool, wait: bool, output: OutputFormat) -> None:
    if is_dry:
        dry_run(services, body, output)
        return
    made = services.catalog.post("/api/v1/deployments", body)
    if wait:
        wait_until_running(services, made, CLOCK)
    if output is OutputFormat.JSON:
        show_item(made, output)
    else:
        note(f"{made['name']} {'runs' if wait else 'is deployed; `roundhouse ps` shows how it comes up'}.")
