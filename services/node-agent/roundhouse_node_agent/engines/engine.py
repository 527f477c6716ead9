"""The seam every engine fills: pure functions from values to values, so that each has golden files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from roundhouse_common.contracts.catalog import VersionSpec
from roundhouse_common.contracts.node import DeviceInfo
from roundhouse_common.contracts.scheduler import GangMembership
from roundhouse_node_agent.domain.engine_run import Diagnosis, EngineSample

__all__ = ["Command", "Ending", "Engine", "RenderOrder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOrder:
    """What a command is rendered from."""

    version: VersionSpec
    served_name: str
    """What the engine answers to: the deployment's name."""
    model_path: str
    devices: tuple[DeviceInfo, ...]
    host: str
    port: int
    api_key: str
    gang: GangMembership | None = None
    """For a member of a replica that spans nodes: its rank and where all members meet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run. Secrets are in `env` only: other users of the machine can read arguments."""

    argv: tuple[str, ...]
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What is known of an engine that ended without being asked to."""

    code: int | None
    signal: int | None
    lines: Sequence[str]
    """The last lines of its log, at most 200."""
    ran_s: float
    """Seconds since its start."""


class Engine(Protocol):
    """One kind of engine. To add one: docs/how-to/add-an-engine.md."""

    @property
    def kind(self) -> str:
        """The value of `EngineKind`."""

    @property
    def readiness_path(self) -> str:
        """GET it: 200 means ready."""

    @property
    def metrics_path(self) -> str:
        """Where its Prometheus metrics are."""

    def availability_command(self) -> tuple[str, ...]:
        """Return a quick command that exits with 0 where this engine is installed."""

    def cannot_run(self, version: VersionSpec) -> str | None:
        """Return what is wrong with the version's parameters, or None."""

    def render(self, order: RenderOrder) -> Command:
        """Return the command. Pure. Only for versions that `cannot_run` has nothing against."""

    def sample(self, metrics: Mapping[str, float]) -> EngineSample | None:
        """Return the engine's metrics under our names; None when they are not there."""

    def diagnose(self, ending: Ending) -> Diagnosis:
        """Return what a person can do about this ending."""
