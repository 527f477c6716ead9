"""A machine whose engines are given, and that installs none: the node agent's `EngineSource` for tests."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime, pick
from roundhouse_node_agent.domain.errors import EngineUnavailable

__all__ = ["FixedEngines"]


class FixedEngines:
    """These runtimes, and no others."""

    def __init__(self, *runtimes: EngineRuntime) -> None:
        self._runtimes = runtimes

    def runtimes(self) -> Mapping[tuple[str, str], EngineRuntime]:
        return {(runtime.kind, runtime.version): runtime for runtime in self._runtimes}

    def find(self, kind: str, version: str) -> EngineRuntime | None:
        return pick(self._runtimes, kind, version)

    def versions(self) -> dict[str, tuple[str, ...]]:
        return {runtime.kind: (runtime.version,) for runtime in self._runtimes if runtime.version}

    def installable(self) -> tuple[str, ...]:
        return ()

    def why_not(self, kind: str, version: str) -> str | None:
        return "it installs none"

    def see_devices(self, vendors: Iterable[DeviceVendor]) -> None:
        """Nothing depends on them."""

    def log_dir(self, environment_id: str) -> Path | None:
        return None

    async def ensure(self, kind: str, version: str) -> EngineRuntime:
        runtime = self.find(kind, version)
        if runtime is None:
            raise EngineUnavailable("this machine installs no engines")
        return runtime
