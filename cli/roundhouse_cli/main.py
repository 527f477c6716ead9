"""The `roundhouse` command: every subcommand, and the one place where an error becomes a line and an exit code."""

import os
import sys
import traceback
from collections.abc import Sequence

import typer

from roundhouse_cli.commands import admin, deployments, keys, models, nodes
from roundhouse_cli.commands.chat import chat
from roundhouse_cli.commands.deploy import deploy
from roundhouse_cli.commands.local import down, up
from roundhouse_cli.commands.replicas import ps
from roundhouse_cli.commands.status import status
from roundhouse_cli.commands.usage import usage
from roundhouse_cli.errors import CliError

__all__ = ["app", "main"]

_INTERRUPTED = 130

app = typer.Typer(
    name="roundhouse",
    help="Run large models on your own machines behind one OpenAI-compatible API.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for _command in (up, down, status, deploy, ps, chat, usage):
    app.command()(_command)
for _name, _group in (
    ("nodes", nodes.app),
    ("models", models.app),
    ("deployments", deployments.app),
    ("keys", keys.app),
    ("admin", admin.app),
):
    app.add_typer(_group, name=_name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 refused or failed, 2 wrong usage, 3 nothing answers."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return int(app(given, prog_name="roundhouse", standalone_mode=False) or 0)
    except CliError as error:
        _complain(str(error))
        return error.exit_code
    except typer.TyperException as error:
        _complain(f"{error.format_message()} (`roundhouse --help` lists what there is)")
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left, e.g. `| head`; keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - the boundary: nobody at a terminal is helped by a traceback
        if os.environ.get("ROUNDHOUSE_DEBUG"):
            traceback.print_exc()
        _complain(f"This is a defect: {type(error).__name__}: {error} (ROUNDHOUSE_DEBUG=1 shows where)")
        return 1


def _complain(message: str) -> None:
    line = " ".join(message.split())
    print(f"roundhouse: {line}", file=sys.stderr)
