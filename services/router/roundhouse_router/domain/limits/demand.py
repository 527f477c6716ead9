"""What a request asks of the limits."""

import msgspec

from roundhouse_common.contracts.routing import RouteTarget
from roundhouse_common.contracts.usage import Operation

__all__ = ["Demand"]


class Demand(msgspec.Struct, frozen=True, gc=False):
    """Who asks, by which route, and for how many tokens. Empty ids are values like others."""

    tenant_id: str
    user_id: str
    key_id: str
    route_id: str
    input_tokens: int
    """An estimate, before any tokenizer has seen the prompt."""
    output_tokens: int | None
    """The most that the request allows; None: it does not say."""
    project_id: str = ""
    operation: Operation = Operation.CHAT
    targets: tuple[RouteTarget, ...] = ()
    """Those that may answer it: what it costs depends on who does."""
    images: int = 0
    """How many are asked for."""
