"""One engine process of one attempt, as it is found on the host, and how it ended."""

from dataclasses import dataclass

from roundhouse_common.contracts.scheduler import Assignment, Reason
from roundhouse_common.runtime import UnixTime

__all__ = ["PORT_IN_USE", "Diagnosis", "EngineExit", "EngineRun", "EngineSample", "Health"]

PORT_IN_USE = "port_in_use"
"""The diagnosis that makes the agent try another port instead of reporting a failure."""
_PLAIN = frozenset({"unknown", "stopped", "vanished"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What a person can act on: a stable class, the cause, what to do, and the lines it was read from."""

    kind: str
    summary: str
    advice: str = ""
    lines: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return class, cause and advice in one sentence."""
        text = f"{self.summary}; {self.advice}" if self.advice else self.summary
        return text if self.kind in _PLAIN else f"{self.kind}: {text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineExit:
    """How an engine ended. `code` is None when a signal ended it or nobody recorded the end."""

    at: UnixTime
    code: int | None
    signal: int | None = None
    stop_reason: Reason | None = None
    """Set when somebody asked for the end: an agent, this one or a former, or `stop-engines`."""
    diagnosis: Diagnosis


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRun:
    """One start of an engine on this host. An attempt has more than one only when its port was taken."""

    replica_id: str
    attempt: int
    launch: int
    """1, 2, ... within the attempt."""
    assignment: Assignment
    epoch: int
    pid: int
    port: int
    base_url: str
    started_at: UnixTime
    ready_at: UnixTime | None = None
    """When it was first seen ready, also by a former agent."""
    stop_reason: Reason | None = None
    """Set when somebody has asked it to end."""
    ended: EngineExit | None = None
    features: tuple[str, ...] = ()
    """Which endpoints its engine has, as values of `Feature`; empty when its host cannot tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One look at an engine's readiness endpoint."""

    is_ready: bool
    detail: str = ""
    """What it answered, or why it did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSample:
    """One sample of an engine's own metrics, in our names."""

    running: int
    waiting: int
    kv_cache_usage: float = 0.0
    input_tokens_total: float | None = None
    """Of prompts since its start, those from its cache included; None: it does not tell, as below."""
    cached_input_tokens_total: float | None = None
    output_tokens_total: float | None = None
