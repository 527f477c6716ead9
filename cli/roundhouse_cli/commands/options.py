"""What most commands share: where the server is, how to print, the services to ask."""

import os
from pathlib import Path
from typing import Annotated

import typer

from roundhouse_cli.connection import find_connection
from roundhouse_cli.output import OutputFormat
from roundhouse_cli.rest import Services
from roundhouse_common.runtime import SystemClock

__all__ = ["CLOCK", "Output", "Url", "connect"]

CLOCK = SystemClock()

Url = Annotated[
    str,
    typer.Option(
        "--url",
        metavar="URL",
        help="The router, as http://HOST:PORT; the other services are on the ports after it."
        " Default: $ROUNDHOUSE_URL, $ROUNDHOUSE_CONNECTION (a file), or .roundhouse/connection.json upward from here.",
        show_default=False,
    ),
]

Output = Annotated[OutputFormat, typer.Option("--output", "-o", help="How to print.")]


def connect(url: str) -> Services:
    """Return the services of the Roundhouse that this command is for."""
    return Services(find_connection(url, os.environ, Path.cwd()))
