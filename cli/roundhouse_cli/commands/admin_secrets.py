"""`roundhouse admin secrets`: replace the key that secrets of outside providers are sealed with."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from roundhouse_cli.commands.options import Url, connect
from roundhouse_cli.errors import Failure
from roundhouse_cli.local.files import write_private
from roundhouse_cli.local.layout import DataDir, default_data_dir
from roundhouse_cli.local.secrets import Secrets
from roundhouse_cli.output import note
from roundhouse_cli.rest import Item, Services
from roundhouse_common.secret_box import SecretBoxFault, SecretFile, new_secrets_key

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The key that secrets of outside providers are sealed with.")

KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        help="The file of keys that catalog and routers read. Default: the one of the data directory here.",
        show_default=False,
    ),
]


@app.command("rotate")
def rotate(file: KeyFile = None, url: Url = "") -> None:
    """Put a new key first and have every secret sealed with it. The old ones still open: `prune` removes them."""
    path = _existing(file)
    with connect(url) as services:
        lines = path.read_text(encoding="utf-8")
        write_private(path, f"{new_secrets_key(secrets.token_bytes)}\n{lines}")
        done = _reseal(services)
    if done["resealed"] < done["total"]:
        raise Failure(
            f"The catalog does not seal with the new key of {path}: it reads another file. Give that one with --file."
        )
    note(f"A new key is first in {path}. When every router has had a minute, run `roundhouse admin secrets prune`.")


@app.command("prune")
def prune(file: KeyFile = None, url: Url = "") -> None:
    """Have every secret sealed with the first key, and remove all others from the file."""
    path = _existing(file)
    with connect(url) as services:
        if _reseal(services)["resealed"]:
            raise Failure(
                "Some secrets were sealed with older keys until now, and routers have to hear of it: "
                "nothing is removed yet. Run this again in a minute."
            )
    keys = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and line.lstrip()[0] != "#"]
    write_private(path, f"{keys[0]}\n")
    note(f"{len(keys) - 1} older keys are removed from {path}.")


def _reseal(services: Services) -> Item:
    """Have the catalog seal anew and return how many secrets needed it, of how many."""
    done = services.catalog.post("/api/v1/providers:reseal")
    note(f"{done['resealed']} of {done['total']} secrets are sealed anew.")
    return done


def _existing(file: Path | None) -> Path:
    """Return the file of keys, which must be good. Raises Failure."""
    path = file or Secrets(DataDir(default_data_dir(Path.cwd())).secrets).provider_keys
    try:
        SecretFile(path, setting="--file").box()
    except SecretBoxFault as error:
        raise Failure(error.message) from error
    return path
