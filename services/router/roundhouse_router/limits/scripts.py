"""The Lua that runs on Redis, and how its arguments are laid out."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from roundhouse_router.domain.limits import Reservation, Rule

__all__ = ["ADMIT", "HOLD", "SCRIPTS", "SETTLE", "Script", "budget_keys", "key_of"]

_LUA: Final = Path(__file__).parent / "lua"
_KEY_PREFIX: Final = "{roundhouse-limits}:"
"""One hash tag: a server in cluster mode keeps all keys together, which one script needs."""

Argument = bytes | str | int


class Script:
    """A script, called by its digest."""

    def __init__(self, *files: str) -> None:
        self.text = "\n".join((_LUA / file).read_text() for file in files)
        self.sha1 = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def call(self, keys: Sequence[str], arguments: Sequence[Argument]) -> tuple[Argument, ...]:
        return ("EVALSHA", self.sha1, len(keys), *keys, *arguments)


ADMIT: Final = Script("window.lua", "budget.lua", "admit.lua")
SETTLE: Final = Script("window.lua", "budget.lua", "settle.lua")
HOLD: Final = Script("hold.lua")
SCRIPTS: Final = (ADMIT, SETTLE, HOLD)


def key_of(rule: Rule) -> str:
    """Return the name of a rule's counter on Redis."""
    return _KEY_PREFIX + rule.counter_id


def budget_keys(reservation: Reservation) -> tuple[str, str]:
    """Return the names of a budget's counter and of its leases."""
    name = _KEY_PREFIX + reservation.counter_id
    return name, name + "/leases"
