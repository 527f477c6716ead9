"""Reads the YAML of a LiteLLM configuration within bounds. Anchors and aliases are taken: such files use them."""

from typing import Final

import yaml

from roundhouse_common.errors import FieldError, InvalidInput

__all__ = ["MOST_BYTES", "read_litellm_yaml"]

MOST_BYTES: Final = 1_048_576
_MOST_NODES: Final = 100_000
_MOST_DEPTH: Final = 32


def read_litellm_yaml(text: str) -> object:
    """Return the one document in the text. Raises InvalidInput.

    An alias stands for all that it names, so a small text can mean a very large one: what it means is counted.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _count(node, depth=0, left=_MOST_NODES)
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise _fault(f"it is not YAML: {error.problem or error.context}{where}") from None
    except RecursionError:
        raise _fault(f"it is nested deeper than {_MOST_DEPTH} levels") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise _fault(f"it is not YAML: {(str(error).splitlines() or [type(error).__name__])[0]}") from None


def _count(node: yaml.Node, *, depth: int, left: int) -> int:
    """Return how many nodes may still come. Raises InvalidInput."""
    if left <= 0:
        raise _fault(f"it means more than {_MOST_NODES} values, aliases counted for all that they stand for")
    if depth > _MOST_DEPTH:
        raise _fault(f"it is nested deeper than {_MOST_DEPTH} levels")
    left -= 1
    if isinstance(node, yaml.ScalarNode) and not _is_text(node.value):
        line = node.start_mark.line + 1
        raise _fault(f"line {line}: it has a NUL character, or half of a surrogate pair; write the text itself")
    if isinstance(node, yaml.SequenceNode):
        for one in node.value:
            left = _count(one, depth=depth + 1, left=left)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            left = _count(key, depth=depth + 1, left=left)
            left = _count(value, depth=depth + 1, left=left)
    return left


def _is_text(value: str) -> bool:
    """Whether it can be stored and shown: escapes in YAML can say what no text may hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _fault(message: str) -> InvalidInput:
    return InvalidInput(f"config: {message}", FieldError("config", message))
