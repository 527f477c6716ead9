"""A smallest valid instance of any message type, for tests that go over the whole registry."""

import enum
import types
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

__all__ = ["sample"]

# Any below: the types of message fields.
_PLAIN: dict[Any, Any] = {str: "x", int: 1, float: 1.0, bool: True, bytes: b"x", Any: "x"}


def sample(message: Any) -> Any:
    """Return an instance with every field set, optional ones too."""
    if message in _PLAIN:
        return _PLAIN[message]
    if isinstance(message, type) and issubclass(message, enum.Enum):
        return list(message)[-1]
    if isinstance(message, type) and issubclass(message, msgspec.Struct):
        return message(**{name: sample(hint) for name, hint in get_type_hints(message).items() if name[0] != "_"})
    origin, arguments = get_origin(message), get_args(message)
    if origin is tuple:
        return (sample(arguments[0]),)
    if origin is dict:
        return {"x": sample(arguments[1])}
    if origin in (Union, types.UnionType):
        return sample(next(one for one in arguments if one is not type(None)))
    raise TypeError(f"no sample for {message!r}: teach it here")
