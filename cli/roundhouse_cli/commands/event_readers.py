"""`roundhouse admin event-reader` and `republish-events`: the stream of events for programs outside."""

import re
import secrets
from pathlib import Path
from typing import Annotated

import typer

from roundhouse_cli.commands.options import CLOCK, Url, connect
from roundhouse_cli.commands.webhooks import place
from roundhouse_cli.errors import Failure, UsageFault
from roundhouse_cli.local.files import write_private
from roundhouse_cli.local.layout import DataDir, default_data_dir
from roundhouse_cli.local.secrets import Secrets
from roundhouse_cli.output import note
from roundhouse_common.contracts.generate.permissions import reader_inbox
from roundhouse_common.contracts.registry import FINANCE_STREAM
from roundhouse_common.nats_auth.authority import Root
from roundhouse_common.nats_auth.credentials import Credentials
from roundhouse_common.nats_auth.keys import KeyKind, new_seed, public_key

__all__ = ["event_reader", "republish_events"]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def event_reader(
    name: Annotated[str, typer.Argument(help="Of the program, as in ROUNDHOUSE_METERING_EVENT_READERS.")],
    to: Annotated[Path | None, typer.Option("--to", help="The file to write. Default: NAME.creds here.")] = None,
    root: Annotated[
        Path | None,
        typer.Option("--root", help="The file of NATS' root keys. Default: the one of the data directory here."),
    ] = None,
) -> None:
    """Make credentials with which a program outside reads the stream of events for finance tools, and nothing else."""
    if not _NAME.fullmatch(name):
        raise UsageFault(f"{name!r} is no name; write up to 40 lower-case letters, digits and hyphens.")
    path = root or Secrets(DataDir(default_data_dir(Path.cwd())).secrets).nats_root
    target = to or Path(f"{name}.creds")
    if target.exists():
        raise Failure(f"{target} is there already; remove it, or write to another file with --to.")
    try:
        keys = Root.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Failure(f"The root keys of NATS cannot be read: {error}. Give their file with --root.") from error
    seed = new_seed(KeyKind.USER, secrets.token_bytes)
    jwt = keys.reader_jwt(FINANCE_STREAM, name, public_key(seed), at=CLOCK.now())
    write_private(target, Credentials(seed=seed, jwt=jwt).dumps())
    note(
        f"{target} lets a program take from the consumer reader-{name} of the stream {FINANCE_STREAM.name}, with the "
        f"inbox prefix {reader_inbox(name)}. Metering makes the consumer when {name} is in "
        "ROUNDHOUSE_METERING_EVENT_READERS."
    )


def republish_events(
    after: Annotated[str, typer.Option(metavar="CURSOR", help="A place in the feed; 0: all there is.")] = "",
    ago: Annotated[str, typer.Option("--since", metavar="DURATION", help="What came in the last, e.g. 24h.")] = "",
    url: Url = "",
) -> None:
    """Publish events for finance tools again on their stream, with the same ids."""
    body = place(after, ago)
    if not body:
        raise UsageFault("From where? Give --after CURSOR or --since DURATION.")
    with connect(url) as services:
        found = services.metering.post("/api/v1/usage/events:republish", body)
    note(f"Events after {found['cursor']} are published again.")
