"""Secrets from a file, the environment, stdin or a hidden prompt: never from the command line, which others can see."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from roundhouse_cli.errors import Failure, UsageFault

__all__ = ["SecretEnv", "SecretFileOption", "given_secrets", "one_secret"]

SecretFileOption = Annotated[
    list[Path] | None,
    typer.Option("--key-file", help="A file with one secret per line; - reads stdin. May be repeated."),
]
SecretEnv = Annotated[
    list[str] | None,
    typer.Option("--key-env", metavar="NAME", help="An environment variable that holds a secret. May be repeated."),
]


def given_secrets(files: list[Path] | None, names: list[str] | None) -> list[str]:
    """Return the secrets that files and environment hold; none where neither is given."""
    found = [secret for file in files or [] for secret in _lines(file)]
    return found + [_variable(name) for name in names or []]


def one_secret(files: list[Path] | None, names: list[str] | None) -> list[str]:
    """Return the secrets given; without any ask for one, or read stdin where nobody can be asked."""
    found = given_secrets(files, names)
    if not found and sys.stdin.isatty():
        found = [typer.prompt("Key", hide_input=True, err=True)]
    return found or _lines(Path("-"))


def _lines(file: Path) -> list[str]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}.") from error
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if not found:
        raise Failure(f"There is no secret in {'stdin' if str(file) == '-' else file}.")
    return found


def _variable(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise UsageFault(f"The environment variable {name} is not set, or empty.")
    return value
