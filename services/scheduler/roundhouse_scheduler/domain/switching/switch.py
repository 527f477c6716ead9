"""A switch as a value: one row of SQL, from "waiting" to an end."""

import enum

import msgspec

from roundhouse_common.contracts.scheduler import Reason

__all__ = ["ELSEWHERE", "ENDED", "Switch", "SwitchState", "SwitchStep", "Victim", "VictimState"]


ELSEWHERE = "a deployment of another tenant"
"""What a tenant is told instead of the name: which others there are, and what they run, is theirs."""


class SwitchState(enum.StrEnum):
    """How far a switch is."""

    WAITING = "waiting"
    """Nothing was evicted yet: for a look, for an idle deployment, or for another switch."""
    EVICTING = "evicting"
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({SwitchState.READY, SwitchState.FAILED, SwitchState.CANCELLED})


class VictimState(enum.StrEnum):
    DRAINING = "draining"
    GONE = "gone"
    """Its engines have ended; the next request for it wakes it."""
    RESTORED = "restored"
    """The switch was cancelled before it was gone."""


class Victim(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment that makes room, and what it was before."""

    deployment_id: str
    name: str
    """`ELSEWHERE` where it belongs to another tenant than the switch."""
    target_replicas: int | None
    target_reason: Reason
    state: VictimState = VictimState.DRAINING


class SwitchStep(msgspec.Struct, frozen=True, kw_only=True):
    """What happened, and when."""

    at: float
    state: SwitchState
    detail: str


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """One operation: make room for a deployment, start it, wait until it is ready."""

    switch_id: str
    tenant_id: str
    deployment_id: str
    actor: str
    """Who asked, e.g. `user:usr_admin`; `service:scheduler` when a request did."""
    state: SwitchState = SwitchState.WAITING
    detail: str
    """The progress in words."""
    began_at: float
    deadline_at: float
    """Without room by then it has failed. Counted anew while its files or its engine come further on a node."""
    ended_at: float | None = None
    was_asleep: bool = True
    """The deployment slept before: cancelling puts it back to sleep."""
    is_cancelling: bool = False
    victims: tuple[Victim, ...] = ()
    steps: tuple[SwitchStep, ...] = ()
    row_version: int = 0

    @property
    def is_open(self) -> bool:
        """Whether anything of it is still to come."""
        return self.ended_at is None
