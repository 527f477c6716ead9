"""`roundhouse node`: this host as a node of a Roundhouse elsewhere."""

import getpass
import os
from pathlib import Path
from typing import Annotated

import typer

from roundhouse_cli.commands.options import CLOCK
from roundhouse_cli.connection import find_connection
from roundhouse_cli.errors import UsageFault
from roundhouse_cli.local.preflight import check_platform
from roundhouse_cli.node.agent import NodeAgent, unit_text
from roundhouse_cli.node.home import NodeHome, default_home
from roundhouse_cli.node.join import Joining
from roundhouse_cli.node.join import join as join_platform
from roundhouse_cli.output import note
from roundhouse_cli.steps import Steps
from roundhouse_cli.units import parse_settings

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="This host as a node: join a Roundhouse elsewhere, run the node agent.")

StateDir = Annotated[
    Path | None,
    typer.Option(
        help="Where the node keeps its credentials and state. Default: /var/lib/roundhouse/node for root,"
        " else ~/.local/state/roundhouse/node.",
        show_default=False,
    ),
]
Detach = Annotated[bool, typer.Option("--detach", help="Run in the background, and return when it has registered.")]


@app.command("join")
def join(
    url: Annotated[str, typer.Argument(metavar="URL", help="The router of the platform, http://HOST:PORT.")],
    token: Annotated[str, typer.Option(envvar="ROUNDHOUSE_JOIN_TOKEN", help="From `roundhouse nodes join-token`.")],
    state_dir: StateDir = None,
    node_id: Annotated[str, typer.Option("--name", "--node-id", help="Its id, e.g. gpu-7; default: a new one.")] = "",
    label: Annotated[list[str] | None, typer.Option(metavar="K=V", help="May be repeated.")] = None,
    region: Annotated[str, typer.Option(help="Where it is.")] = "",
    zone: Annotated[str, typer.Option(help="Where within the region.")] = "",
    address: Annotated[str, typer.Option(help="Where routers reach its engines. Default: how it reaches URL.")] = "",
    run: Annotated[bool, typer.Option("--run/--no-run", help="Run the agent now, or only get credentials.")] = True,
    detach: Detach = False,
) -> None:
    """Join the platform with a one-time token and run the node agent. Later `roundhouse node run` needs no token."""
    check_platform()
    home = _home(state_dir)
    if not token.strip():
        raise UsageFault("--token is empty; `roundhouse nodes join-token` on the platform makes one.")
    wanted = Joining(
        token=token.strip(),
        node_id=node_id,
        labels=parse_settings(label or (), "--label"),
        region=region,
        zone=zone,
        address=address,
    )
    joined = join_platform(home, find_connection(url, {}, Path.cwd()), wanted)
    note(f"This host is node {joined['node_id']}; its credentials are in {home.path}.")
    if joined["admission"] == "pending":
        note(f"It gets nothing to run until `roundhouse nodes approve {joined['node_id']}` on the platform.")
    if run:
        _run(home, is_detached=detach)
    else:
        note(
            f"Run it with `roundhouse node run --state-dir {home.path}`; `roundhouse node unit` prints a systemd unit."
        )


@app.command("run")
def run(state_dir: StateDir = None, detach: Detach = False) -> None:
    """Run the node agent of a host that has joined. Engines that run are adopted."""
    _run(_home(state_dir), is_detached=detach)


@app.command("stop")
def stop(
    state_dir: StateDir = None,
    engines: Annotated[bool, typer.Option("--engines", help="Stop its engines too; without it they go on.")] = False,
) -> None:
    """Stop a node agent that runs in the background. Safe to repeat."""
    home = _home(state_dir)
    agent = NodeAgent(home, CLOCK)
    note("The node agent has ended." if agent.stop() else f"No node agent of {home.path} runs in the background.")
    if engines:
        agent.stop_engines()


@app.command("unit")
def unit(state_dir: StateDir = None) -> None:
    """Print a systemd unit that runs the node agent of this host."""
    home = _home(state_dir)
    home.environment()
    print(unit_text(home, getpass.getuser()), end="")
    note("Save it as /etc/systemd/system/roundhouse-node.service, then `systemctl enable --now roundhouse-node`.")


def _home(state_dir: Path | None) -> NodeHome:
    return NodeHome((state_dir or default_home(os.environ, os.getuid())).absolute())


def _run(home: NodeHome, *, is_detached: bool) -> None:
    agent = NodeAgent(home, CLOCK)
    if not is_detached:
        agent.run()
    with Steps(CLOCK).step("Starting the node agent") as step:
        agent.start(step)
    note(f"It runs in the background; its log is {home.log}, `roundhouse node stop` ends it.")
