"""Options that several commands share, declared once as the fields of a dataclass."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any, get_type_hints

__all__ = ["with_options"]

Command = Callable[..., None]


# Any: a dataclass whose fields are annotated as typer wants them, each with a default.
def with_options(declared: type[Any]) -> Callable[[Command], Command]:
    """Give a command that takes `stated`, an instance of `declared`, one option for each field of it.

    They come after the command's first parameter.
    """
    hints = get_type_hints(declared, include_extras=True)
    shared = [
        inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
        for one in fields(declared)
    ]

    def decorate(command: Command) -> Command:
        mine = [one for one in inspect.signature(command, eval_str=True).parameters.values() if one.name != "stated"]
        first, *others = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in mine]

        @wraps(command)
        def called(**typed: object) -> None:
            stated = declared(**{one.name: typed.pop(one.name) for one in shared})
            command(**typed, stated=stated)

        called.__signature__ = inspect.Signature([first, *shared, *others])  # type: ignore[attr-defined]  # typer reads it
        return called

    return decorate
