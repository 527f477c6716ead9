"""From what a person types to the one thing meant: an id, a name, or a part of an id that only one has."""

import re
from collections.abc import Sequence

from roundhouse_cli.errors import Ambiguous, Failure
from roundhouse_cli.rest import Item

__all__ = ["pick", "short_id"]

_SHORTEST_PART = 4
_MADE = re.compile(r"[a-z]{3}_[0-9a-f]{32}")


def short_id(identifier: str) -> str:
    """Return the last eight digits of a made id: it begins with its time, so the end is what tells it from others.

    An id that a person chose is short already.
    """
    return identifier[-8:] if _MADE.fullmatch(identifier) else identifier


def pick(items: Sequence[Item], wanted: str, what: str, *, name_field: str = "name") -> Item:
    """Return the item whose id or name is `wanted`, or whose id alone begins or ends with it.

    An exact id goes before a name, a name before a part of an id. Raises Failure or Ambiguous, naming what there is.
    """
    exact = [item for item in items if item["id"] == wanted] or [item for item in items if item[name_field] == wanted]
    found = exact or [item for item in items if _is_part(wanted, item["id"])]
    if len(found) == 1:
        return found[0]
    if found:
        candidates = ", ".join(f"{item[name_field]} ({item['id']})" for item in found[:5])
        raise Ambiguous(f"{wanted!r} fits {len(found)} {what}s: {candidates}. Give the whole id.")
    names = ", ".join(sorted({str(item[name_field]) for item in items})[:8]) or "none"
    raise Failure(f"There is no {what} {wanted!r}; there are: {names}.")


def _is_part(wanted: str, identifier: str) -> bool:
    if len(wanted) < _SHORTEST_PART:
        return False
    without_kind = identifier.partition("_")[2]
    return identifier.startswith(wanted) or without_kind.startswith(wanted) or identifier.endswith(wanted)
