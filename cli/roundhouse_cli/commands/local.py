"""`roundhouse up` and `roundhouse down`: a whole Roundhouse on this machine."""

import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from roundhouse_cli.commands.options import CLOCK
from roundhouse_cli.connection import Connection
from roundhouse_cli.errors import CliError, Failure
from roundhouse_cli.local.banner import banner
from roundhouse_cli.local.bring_up import BroughtUp, ServiceFailed, bring_up
from roundhouse_cli.local.demo import model_file
from roundhouse_cli.local.layout import DEFAULT_BASE_PORT, LOOPBACK, DataDir, Ports, default_data_dir
from roundhouse_cli.local.live import live_line, running_model
from roundhouse_cli.local.platform import Platform
from roundhouse_cli.local.preflight import check_directory, check_disk, check_platform, check_ports
from roundhouse_cli.local.prepare import JoinedBefore, prepare
from roundhouse_cli.local.services import nats_server_program
from roundhouse_cli.output import note
from roundhouse_cli.rest import Services
from roundhouse_cli.steps import Steps
from roundhouse_common.runtime import SystemIds

__all__ = ["down", "up"]

_LINE_EVERY_S = 2.0

DataDirOption = Annotated[
    Path | None,
    typer.Option(help="Where everything is kept. Default: .roundhouse in the checkout, or here.", show_default=False),
]


def up(
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when it answers; `roundhouse down` stops it.")
    ] = False,
    data_dir: DataDirOption = None,
    base_port: Annotated[int, typer.Option(help="The router's port; the others follow it.")] = DEFAULT_BASE_PORT,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; 0.0.0.0 lets other hosts join and call.")
    ] = LOOPBACK,
    demo: Annotated[bool, typer.Option("--demo/--no-demo", help="Deploy a small chat model.")] = True,
    console: Annotated[bool, typer.Option("--console/--no-console", help="Start the web console.")] = True,
) -> None:
    """Start Roundhouse on this machine and wait until it answers. Repeating it resumes the same data."""
    check_platform()
    ports = Ports.checked(base_port, listen, has_console=console)
    directory = DataDir((data_dir or default_data_dir(Path.cwd())).absolute())
    check_directory(directory)
    platform = Platform(directory, CLOCK)
    with platform.starting():
        if platform.supervisor() is not None:
            _tell_running(directory)
            return
        _preflight(platform, directory, ports, with_demo=demo)
        _warn(ports, directory)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        supervisor = platform.start(prepare(directory, ports, SystemIds(), CLOCK), is_detached=detach)
        running = _bring_up(platform, directory, ports, with_demo=demo)
    if not detach:
        _watch(supervisor, platform, running)
        return
    print(banner(running.connection, directory, running.model))
    if running.problem:
        raise Failure(running.problem)


def down(data_dir: DataDirOption = None) -> None:
    """Stop the Roundhouse of a data directory: everything, in order. Its data stays. Safe to repeat."""
    directory = DataDir((data_dir or default_data_dir(Path.cwd())).absolute())
    platform = Platform(directory, CLOCK)
    if not directory.run.is_dir() or platform.is_stopped():
        note(f"Nothing runs on {directory.path}.")
        return
    _stop(platform)
    note(f"Stopped; the data stays in {directory.path}.")


def _bring_up(platform: Platform, directory: DataDir, ports: Ports, *, with_demo: bool) -> BroughtUp:
    """Wait until it answers. When services do not come up, or on Ctrl-C, nothing is left running."""
    try:
        return bring_up(directory, ports, CLOCK, with_demo=with_demo)
    except (CliError, KeyboardInterrupt) as error:
        if isinstance(error, ServiceFailed):
            note("\n".join((f"The last lines of {directory.log(error.service)}:", *error.log)))
        _stop(platform)
        raise


def _preflight(platform: Platform, directory: DataDir, ports: Ports, *, with_demo: bool) -> None:
    """Raise Failure for whatever would only go wrong later, when half of it runs."""
    for name in platform.end_leftovers():
        note(f"Ended {name}, a leftover of an earlier start.")
    check_disk(directory)
    check_ports(ports)
    nats_server_program()
    if with_demo:
        model_file()


def _warn(ports: Ports, directory: DataDir) -> None:
    """Say what a person should know before it starts."""
    if ports.is_open:
        note(
            f"Listening on {ports.listen}: everything goes over the network as plain text, prompts, answers, keys and"
            " credentials too. Let only a network that you trust reach these ports, or put TLS in front."
        )
    for node_id in JoinedBefore(directory).take():
        note(
            f"{node_id} joined with an earlier release; its credentials are not taken any more. Let it join again:"
            f" `roundhouse nodes join-token --node-id {node_id}`, then on its host `roundhouse node join URL --token T"
            " --state-dir DIR` with the directory it was given. Its engines go on meanwhile."
        )


def _tell_running(directory: DataDir) -> None:
    """Print again what the `up` that runs already has printed."""
    note(f"Roundhouse runs already on {directory.path}.")
    if not directory.connection.exists():
        raise Failure(f"{directory.connection} is gone; `roundhouse down` and `roundhouse up` write it anew.")
    connection = Connection.load(directory.connection)
    with Services(connection) as services:
        model = running_model(services)
    print(banner(connection, directory, model))


def _watch(supervisor: "subprocess.Popen[bytes]", platform: Platform, running: BroughtUp) -> None:
    """Say how to use it and show a live line until Ctrl-C stops everything, or `roundhouse down` has."""
    try:
        print(banner(running.connection, platform.data_dir, running.model), flush=True)
        if running.problem:
            note(f"roundhouse: {running.problem}")
        console = Console(stderr=True, highlight=False)
        with (
            Services(running.connection) as services,
            Live(console=console, auto_refresh=False, transient=True) as live,
        ):
            while supervisor.poll() is None:
                if console.is_terminal:
                    live.update(Text(f"{live_line(services)}  Ctrl-C stops it."), refresh=True)
                with suppress(subprocess.TimeoutExpired):
                    supervisor.wait(_LINE_EVERY_S)
    except KeyboardInterrupt:
        _stop(platform)
        note("Stopped.")
        return
    if supervisor.returncode != 0:
        raise Failure(f"The supervisor ended with exit code {supervisor.returncode}; see {platform.data_dir.logs}.")
    note("Stopped by `roundhouse down`.")


def _stop(platform: Platform) -> None:
    """Stop everything, showing what it is at. Ctrl-C again hurries: what does not stop at once is killed."""
    with Steps(CLOCK).step("Stopping") as step:
        stopping = platform.stop()
        while True:
            try:
                for doing in stopping:
                    step.note(doing)
                return
            except KeyboardInterrupt:
                platform.hurry()
                stopping = platform.stop()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
