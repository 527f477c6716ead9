"""The seam every engine fills: pure functions from values to values, so that each has golden files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from roundhouse_common.contracts.catalog import VersionSpec
from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.node import DeviceInfo
from roundhouse_common.contracts.scheduler import GangMembership
from roundhouse_node_agent.domain.engine_run import Diagnosis, EngineSample
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime

__all__ = ["Command", "Ending", "Engine", "Feature", "Probes", "RenderOrder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """Which paths tell how an engine is. Each may need the engine's key."""

    readiness: str
    """GET it: 200 means ready. Empty: the process opens no port, and is ready as long as it runs."""
    ready_words: str = ""
    """What the answer must have in it beside; empty: whatever it says."""
    metrics: str
    """Its Prometheus metrics. Empty: it has none, and a drain ends when nobody is connected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOrder:
    """What a command is rendered from."""

    runtime: EngineRuntime
    version: VersionSpec
    served_name: str
    """What the engine answers to: the deployment's name."""
    model_path: str
    devices: tuple[DeviceInfo, ...]
    host: str
    port: int
    api_key: str
    address: str = "127.0.0.1"
    """Where other nodes reach this one."""
    directory: str = "."
    """Of this run: where the command's files are written."""
    gang: GangMembership | None = None
    """For a member of a replica that spans nodes: its rank and where all members meet."""

    @property
    def rank(self) -> int:
        """Return the member's number; 0 is the head, and whoever is alone."""
        return self.gang.rank if self.gang is not None else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run. Secrets are in `env` only: other users of the machine can read arguments."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    """Contents by name, written to the run's directory before the start, for the agent's user only."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Targets of symbolic links by name, beside the files: for engines that are named after a path."""


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

    def version_command(self, runtime: EngineRuntime) -> tuple[str, ...]:
        """Return a quick command that exits with 0 where this engine is installed; its last word is the version.

        Empty: there is nothing to ask.
        """

    def cannot_run(self, version: VersionSpec) -> str | None:
        """Return what is wrong with the version's parameters, or None."""

    def render(self, order: RenderOrder) -> Command:
        """Return the command. Pure. Only for versions that `cannot_run` has nothing against.

        Raises LaunchFailed where the devices that were found have no room for what the version needs.
        """

    def probes(self, version: VersionSpec, *, served_name: str, rank: int) -> Probes:
        """Return where this engine tells how it is."""

    def capabilities(self, version: VersionSpec) -> frozenset[Feature]:
        """Return the endpoints that it has for this version; what is not in it is never asked of the engine."""

    def sample(self, metrics: Mapping[str, float], version: VersionSpec) -> EngineSample | None:
        """Return the engine's metrics under our names; None when they are not there."""

    def diagnose(self, ending: Ending) -> Diagnosis:
        """Return what a person can do about this ending."""
