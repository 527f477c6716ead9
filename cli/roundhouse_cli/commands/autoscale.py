"""`roundhouse autoscale`: let the number of replicas follow the load."""

from typing import Annotated

import typer

from roundhouse_cli.commands.deployments import Deployment, find_deployment
from roundhouse_cli.commands.launch_options import given, seconds
from roundhouse_cli.commands.options import Output, Url, connect
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.output import OutputFormat, note, show_item
from roundhouse_cli.rest import Item
from roundhouse_cli.units import parse_duration

__all__ = ["autoscale"]


def autoscale(
    deployment: Deployment,
    min_replicas: Annotated[int | None, typer.Option("--min", min=0, help="0: none is left while it is idle.")] = None,
    max_replicas: Annotated[int | None, typer.Option("--max", min=1)] = None,
    target_in_flight: Annotated[float | None, typer.Option(min=0, help="Requests in flight per replica.")] = None,
    target_queue: Annotated[float | None, typer.Option(min=0, help="Requests waiting in each engine.")] = None,
    target_ttft: Annotated[str, typer.Option(metavar="TIME", help="Mean time to first token, e.g. 2s.")] = "",
    up_after: Annotated[str, typer.Option(metavar="TIME", help="The load must ask for more for so long.")] = "",
    down_after: Annotated[str, typer.Option(metavar="TIME", help="The load must ask for less for so long.")] = "",
    idle: Annotated[str, typer.Option(metavar="TIME", help="With --min 0: none is left after so long.")] = "",
    window: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=CRON,TIME,MIN-MAX[,ZONE]",
            help="Other bounds at certain hours; may be repeated, and replaces all windows."
            ' E.g. "office=0 8 * * mon-fri,10h,2-8,Europe/Berlin".',
        ),
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="The number stays as it is set.")] = False,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Let the number of replicas follow the load; what is not stated stays as it is."""
    stated = given(
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        target_in_flight=target_in_flight,
        target_queue=target_queue,
        target_ttft_s=seconds(target_ttft, "--target-ttft"),
        up_stabilization_s=seconds(up_after, "--up-after"),
        down_stabilization_s=seconds(down_after, "--down-after"),
        idle_s=seconds(idle, "--idle"),
        windows=[_window(one) for one in window] if window else None,
    )
    if off and stated:
        raise UsageFault("--off switches automatic scaling off; it goes with no other option.")
    with connect(url) as services:
        found = find_deployment(services, deployment)
        before = found.get("autoscale")
        if off or stated:
            body = {"autoscale": None if off else _merged(before, stated)}
            before = services.catalog.patch(f"/api/v1/deployments/{found['id']}", body)["autoscale"]
        if output is OutputFormat.JSON:
            show_item({"autoscale": before}, output)
        elif before is None:
            note(f"{found['name']} is not scaled by its load.")
        else:
            show_item(before, output)


def _merged(before: Item | None, stated: Item) -> Item:
    merged = {**(before or {}), **stated}
    least = merged.get("min_replicas", 1)
    if "max_replicas" not in stated and merged.get("max_replicas", 1) < least:
        merged["max_replicas"] = least
    return merged


def _window(text: str) -> Item:
    """Read one window. Commas stand inside of cron lines too, so it is read from its end."""
    wanted = f"--window {text!r} is not of the form NAME=CRON,TIME,MIN-MAX[,ZONE]."
    name, equals, rest = text.partition("=")
    parts = rest.split(",")
    zone = parts.pop() if parts and not parts[-1][-1:].isdigit() else "UTC"
    if not equals or len(parts) < 3:
        raise UsageFault(wanted)
    *cron, duration, bounds = parts
    least, dash, most = bounds.strip().partition("-")
    if not (dash and least.isdigit() and most.isdigit()):
        raise UsageFault(wanted)
    return {
        "name": name.strip(),
        "cron": ",".join(cron).strip(),
        "timezone": zone.strip(),
        "duration_s": parse_duration(duration),
        "min_replicas": int(least),
        "max_replicas": int(most),
    }
