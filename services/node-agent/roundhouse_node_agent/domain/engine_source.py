"""The seam for the engines that a machine has, and may install.

`environments.manager.EngineEnvironments` does it for real; `tests/support/fixed_engines.py` installs none.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from roundhouse_common.contracts.catalog import VersionSpec
from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime

__all__ = ["EngineSource", "lack_of"]


class EngineSource(Protocol):
    """The engines of one machine."""

    def runtimes(self) -> Mapping[tuple[str, str], EngineRuntime]:
        """Return what replicas can run in, by kind and version."""

    def find(self, kind: str, version: str) -> EngineRuntime | None:
        """Return the runtime of this version, or of the newest one when none is named; None when there is none."""

    def versions(self) -> dict[str, tuple[str, ...]]:
        """Return the versions of each engine that states one, the newest first."""

    def installable(self) -> tuple[str, ...]:
        """Return the engines that this machine may and can install."""

    def why_not(self, kind: str, version: str) -> str | None:
        """Return why this machine cannot install an engine for a replica, or None."""

    def see_devices(self, vendors: Iterable[DeviceVendor]) -> None:
        """Tell which accelerators the machine has."""

    def log_dir(self, environment_id: str) -> Path | None:
        """Return where the log of an installation is; None when there is no such environment."""

    async def ensure(self, kind: str, version: str) -> EngineRuntime:
        """Return a runtime, installing it when there is none. Raises EngineUnavailable."""


def lack_of(source: EngineSource, version: VersionSpec, node_id: str) -> str | None:
    """Return why the engine of a version can neither be found nor installed here, and what to do; else None."""
    kind, wanted = version.engine.value, version.engine_version
    if source.find(kind, wanted) is not None:
        return None
    why_not = source.why_not(kind, wanted) if version.installs_engine else ""
    if why_not is None:
        return None
    own = source.versions().get(kind, ())
    others = sorted({found for found, _ in source.runtimes()})
    has = f"{kind} {', '.join(own)}" if own else ", ".join(others) or "none"
    named = f" --version {wanted}" if wanted else ""
    sentence = f"this node has no engine {kind}{f' {wanted}' if wanted else ''}; it has {has}"
    if why_not:
        return f"{sentence}, and cannot install it: {why_not}"
    return f"{sentence}; install it: roundhouse engines install {kind}{named} --node {node_id}"
