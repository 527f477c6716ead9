"""A node's inventory: limits of the host and what each vendor's provider found."""

import asyncio
import platform
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from roundhouse_common.contracts.node import NodeInventory
from roundhouse_node_agent.devices.host_limits import read_host_limits
from roundhouse_node_agent.devices.provider import DeviceProvider, Discovery

__all__ = ["Inventory"]


class Inventory:
    """Looks when asked. A vendor's library that hangs costs its devices, not the agent."""

    def __init__(
        self,
        providers: Sequence[DeviceProvider],
        *,
        address: str,
        agent_version: str,
        region: str,
        zone: str = "",
        labels: Mapping[str, str],
        timeout_s: float = 10.0,
    ) -> None:
        self._providers = providers
        self._address = address
        self._agent_version = agent_version
        self._region = region
        self._zone = zone
        self._labels = dict(labels)
        self._timeout_s = timeout_s
        self._looks: dict[str, asyncio.Future[Discovery]] = {}
        self._late: set[str] = set()
        self._threads = ThreadPoolExecutor(max_workers=max(1, len(providers)), thread_name_prefix="devices")

    async def read(self) -> NodeInventory:
        """Return what the host has now, but for its engines."""
        limits = read_host_limits()
        found = await asyncio.gather(*(self._discover(provider) for provider in self._providers))
        return NodeInventory(
            hostname=socket.gethostname(),
            address=self._address,
            cpu_cores=limits.cpu_cores,
            memory_total_bytes=limits.memory_total_bytes,
            memory_available_bytes=limits.memory_available_bytes,
            os=platform.system().lower(),
            arch=platform.machine(),
            agent_version=self._agent_version,
            region=self._region,
            zone=self._zone,
            labels=self._labels,
            devices=tuple(device for discovery in found for device in discovery.devices),
            device_errors=tuple(error for discovery in found for error in discovery.errors),
        )

    def close(self) -> None:
        """Let the threads go; one that hangs in a library is left behind."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _discover(self, provider: DeviceProvider) -> Discovery:
        """Ask one provider; while an earlier question is unanswered no second one is asked, nor waited for again. An
        answer that came too late counts the next time."""
        look = self._looks.get(provider.vendor)
        if look is None or (look.done() and provider.vendor not in self._late):
            look = asyncio.get_running_loop().run_in_executor(self._threads, provider.discover)
            self._looks[provider.vendor] = look
        patience_s = 0.0 if provider.vendor in self._late and not look.done() else self._timeout_s
        try:
            async with asyncio.timeout(patience_s):
                found = await asyncio.shield(look)
        except TimeoutError:
            self._late.add(provider.vendor)
            return Discovery(errors=(f"{provider.vendor}: no answer from its library in {self._timeout_s:g} s",))
        self._late.discard(provider.vendor)
        return found
