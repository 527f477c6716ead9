"""The `roundhouse` command: every subcommand, and the one place where an error becomes a line and an exit code."""

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType

import typer

from roundhouse_cli.errors import CliError

__all__ = ["command_line", "main"]

_INTERRUPTED = 130
_COMMANDS = {
    "up": "local",
    "down": "local",
    "status": "status",
    "deploy": "deploy",
    "pause": "rollout",
    "resume": "rollout",
    "autoscale": "autoscale",
    "switch": "switch",
    "switches": "switch",
    "ps": "replicas",
    "chat": "chat",
    "usage": "usage",
    "login": "login",
    "logout": "login",
    "whoami": "login",
    "give": "ownership",
    "passwd": "login",
}
"""Command to its module in `commands`, where a function has its name."""
_GROUPS = {
    "nodes": "nodes",
    "node": "node",
    "models": "models",
    "engines": "engines",
    "files": "files",
    "deployments": "deployments",
    "versions": "versions",
    "rollout": "rollout",
    "templates": "templates",
    "replicas": "replica_top",
    "keys": "keys",
    "routers": "routers",
    "routes": "routes",
    "limits": "limits",
    "prices": "prices",
    "budgets": "budgets",
    "webhooks": "webhooks",
    "providers": "providers",
    "tenants": "tenants",
    "projects": "projects",
    "users": "users",
    "roles": "roles",
    "service-accounts": "service_accounts",
    "sessions": "sessions",
    "login-providers": "login_providers",
    "tokens": "tokens",
    "admin": "admin",
    "audit": "audit",
    "request-log": "request_log",
}
"""Group of commands to its module, where the group is `app`."""


def command_line(first: str = "") -> typer.Typer:
    """Return the command line. When `first` is a command only its module is loaded: that halves the time to start."""
    app = typer.Typer(
        name="roundhouse",
        help="Run large models on your own machines behind one OpenAI-compatible API.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_no_option)
    is_known = first in _COMMANDS or first in _GROUPS
    for name, module in _COMMANDS.items():
        if not is_known or name == first:
            app.command(name)(getattr(_load(module), name))
    for name, module in _GROUPS.items():
        if not is_known or name == first:
            app.add_typer(_load(module).app, name=name)
    return app


def _load(module: str) -> ModuleType:
    return importlib.import_module(f"roundhouse_cli.commands.{module}")


def _no_option() -> None:
    """Run large models on your own machines behind one OpenAI-compatible API."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 refused or failed, 2 wrong usage, 3 nothing answers."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app = command_line(given[0] if given else "")
        return int(app(given, prog_name="roundhouse", standalone_mode=False) or 0)
    except CliError as error:
        _complain(str(error))
        return error.exit_code
    except typer.TyperException as error:
        return _explain_usage(error, given)
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


def _explain_usage(error: typer.TyperException, given: Sequence[str]) -> int:
    """Say what is wrong with the command line. A command without arguments has shown its help already."""
    message = error.format_message().replace("Value error, ", "")
    if message:
        is_early_option = bool(given) and given[0].startswith("-")
        hint = "options come after the command" if is_early_option else "`roundhouse --help` lists what there is"
        _complain(f"{message} ({hint})")
    return error.exit_code


def _complain(message: str) -> None:
    line = " ".join(message.split())
    print(f"roundhouse: {line}", file=sys.stderr)
