"""Somebody who may be asked, and what came of asking."""

import enum

from roundhouse_common.contracts.routing import ProviderRecord, RouteTarget
from roundhouse_common.contracts.scheduler import DeploymentEndpoints, Endpoint
from roundhouse_router.domain.choosing.standing import Standing

__all__ = ["Candidate", "Verdict"]


class Candidate:
    """An endpoint with its deployment, or a provider."""

    __slots__ = (
        "deployment",
        "endpoint",
        "is_probe",
        "model",
        "prefix",
        "provider",
        "salt",
        "sent_at",
        "standing",
        "target",
    )

    def __init__(
        self,
        target: RouteTarget,
        model: str,
        standing: Standing,
        deployment: DeploymentEndpoints | None = None,
        endpoint: Endpoint | None = None,
        provider: ProviderRecord | None = None,
        prefix: tuple[int, ...] = (),
        salt: bytes = b"",
    ) -> None:
        self.target = target
        self.model = model
        """What it is sent as `model`."""
        self.standing = standing
        self.deployment = deployment
        self.endpoint = endpoint
        self.provider = provider
        self.prefix = prefix
        """Hashes of the beginnings of the prompt, the shortest first, where the strategy goes by them."""
        self.salt = salt
        """What keeps the tenant's prompts apart in the engine's cache; empty: nobody else may use the deployment."""
        self.sent_at = 0.0
        """When it was asked last; the chooser's own, like the next one."""
        self.is_probe = False
        """It was ejected when it was asked."""

    @property
    def endpoint_id(self) -> str:
        """Its replica id, or its provider id."""
        return self.standing.endpoint_id


class Verdict(enum.Enum):
    """What an attempt says about the endpoint."""

    OK = "ok"
    """It answered the request."""
    FAILED = "failed"
    """It could not be reached, broke off, timed out, or said 5xx."""
    BUSY = "busy"
    """It said 429: no failure, but it wants to be left alone."""
    CLIENT = "client"
    """The request was at fault, which says nothing."""
    ABANDONED = "abandoned"
    """The client left, which says nothing."""
