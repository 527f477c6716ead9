"""New replica ids and engine keys."""

import base64
import random

from roundhouse_common.runtime import Ids

__all__ = ["SystemMint"]

_KEY_BYTES = 32


class SystemMint:
    """Ids that sort by time, and 256-bit keys from the generator it is given (the operating system's in production)."""

    def __init__(self, ids: Ids, rng: random.Random) -> None:
        self._ids = ids
        self._rng = rng

    def replica_id(self) -> str:
        return self._ids.new("rep")

    def switch_id(self) -> str:
        return self._ids.new("swi")

    def engine_api_key(self) -> str:
        return "rhe-" + base64.urlsafe_b64encode(self._rng.randbytes(_KEY_BYTES)).rstrip(b"=").decode("ascii")
