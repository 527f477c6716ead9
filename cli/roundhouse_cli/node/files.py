"""Moving model files in and out of this host, without a network: the node agent's own module does it."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from roundhouse_cli.errors import Failure
from roundhouse_cli.node.home import NodeHome, default_home

__all__ = ["StateDir", "move_files"]

_MODULE = "roundhouse_node_agent.models.portable"

StateDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="The node agent's state directory. Default: that of `roundhouse up` here, else that of this host's node.",
        show_default=False,
    ),
]


def move_files(verb: str, *arguments: str, state_dir: Path | None) -> None:
    """Run the agent's module to its end, with its words on the terminal. Raises Failure."""
    if find_spec("roundhouse_node_agent") is None:
        raise Failure("The node agent is not installed here; install `roundhouse-cli[node]`.")
    directory = state_dir or _default_state()
    if not directory.is_dir():
        raise Failure(
            f"{directory} is not there; name the node agent's state directory with --state-dir:"
            " `node-agent` in the data directory of `roundhouse up`, or `state` in that of `roundhouse node join`."
        )
    command = [sys.executable, "-m", _MODULE, verb, *arguments, "--state-dir", str(directory)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise Failure(f"It was not {verb}ed; the lines above say why.")


def _default_state() -> Path:
    """Return the state directory of the Roundhouse that commands here are for, else that of this host's node."""
    here = Path.cwd()
    data_dirs = [directory / ".roundhouse" for directory in (here, *here.parents)]
    if connection := os.environ.get("ROUNDHOUSE_CONNECTION"):
        data_dirs.insert(0, Path(connection).absolute().parent)
    for data_dir in data_dirs:
        if (data_dir / "node-agent").is_dir():
            return data_dir / "node-agent"
    return NodeHome(default_home(os.environ, os.getuid()).absolute()).state
