"""`roundhouse chat`: talk to a deployed model."""

import sys
from collections.abc import Mapping
from contextlib import closing
from typing import Annotated

import typer

from roundhouse_cli.commands.options import Url, connect
from roundhouse_cli.errors import CliError, Failure
from roundhouse_cli.output import note
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.sse import stream_chat

__all__ = ["chat"]


def chat(
    model: Annotated[str, typer.Argument(help="The name of a deployment, as clients send it.")],
    prompt: Annotated[str, typer.Argument(metavar="[PROMPT]", help="Without it: a session, or standard input.")] = "",
    system: Annotated[str, typer.Option(help="What the model is told before the conversation.")] = "",
    max_tokens: Annotated[int | None, typer.Option(min=1, help="The longest answer.")] = None,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 is the most predictable.")] = 0.2,
    url: Url = "",
) -> None:
    """Chat with a model; the answer is shown as it comes. In a session Ctrl-C ends the answer, Ctrl-D the session."""
    options = {"max_tokens": max_tokens, "temperature": temperature}
    messages: list[Item] = [{"role": "system", "content": system}] if system else []
    if not prompt and not sys.stdin.isatty():
        prompt = sys.stdin.read().strip()
        if not prompt:
            raise Failure("There is no prompt: give one as an argument or on standard input.")
    with connect(url) as services:
        if prompt:
            _answer(services, model, [*messages, {"role": "user", "content": prompt}], options)
        else:
            _session(services, model, messages, options)


def _session(services: Services, model: str, messages: list[Item], options: Mapping[str, object]) -> None:
    """Ask and answer until the end of input. An error ends an answer, not the session."""
    note(f"Talking to {model}. Ctrl-C ends an answer, Ctrl-D the session.")
    while True:
        try:
            prompt = input("> ").strip()
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            note("\nCtrl-D ends the session.")
            continue
        if not prompt:
            continue
        asked = [*messages, {"role": "user", "content": prompt}]
        try:
            messages = [*asked, {"role": "assistant", "content": _answer(services, model, asked, options)}]
        except KeyboardInterrupt:
            print()
        except CliError as error:
            note(str(error))


def _answer(services: Services, model: str, messages: list[Item], options: Mapping[str, object]) -> str:
    """Print one answer as it comes and return it whole."""
    pieces: list[str] = []
    with closing(stream_chat(services.router, model, messages, **options)) as stream:
        for piece in stream:
            pieces.append(piece)
            print(piece, end="", flush=True)
    print()
    return "".join(pieces)
