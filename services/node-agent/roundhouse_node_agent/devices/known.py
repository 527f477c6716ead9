"""Every vendor whose accelerators are found. A plain CPU needs nothing here: without devices engines run on it."""

from typing import NamedTuple

from roundhouse_common.runtime import Clock
from roundhouse_node_agent.devices.amd import AMD
from roundhouse_node_agent.devices.ascend import ASCEND
from roundhouse_node_agent.devices.biren import BIREN
from roundhouse_node_agent.devices.cambricon import CAMBRICON
from roundhouse_node_agent.devices.commands import Commands
from roundhouse_node_agent.devices.hygon import HYGON
from roundhouse_node_agent.devices.iluvatar import ILUVATAR
from roundhouse_node_agent.devices.intel import INTEL
from roundhouse_node_agent.devices.metax import METAX
from roundhouse_node_agent.devices.meter import DeviceMeter
from roundhouse_node_agent.devices.moore_threads import MOORE_THREADS
from roundhouse_node_agent.devices.nvidia import NvidiaProvider
from roundhouse_node_agent.devices.nvidia_meter import NvidiaMeter, knows_pids
from roundhouse_node_agent.devices.nvidia_smi import NVIDIA_SMI
from roundhouse_node_agent.devices.pci import PciBus
from roundhouse_node_agent.devices.provider import DeviceProvider
from roundhouse_node_agent.devices.t_head import T_HEAD
from roundhouse_node_agent.devices.tools import ToolDevices, host_mark

__all__ = ["TOOLS", "KnownDevices", "known_devices"]

TOOLS = (ASCEND, AMD, METAX, HYGON, CAMBRICON, MOORE_THREADS, ILUVATAR, T_HEAD, BIREN, INTEL)


class KnownDevices(NamedTuple):
    """Who is asked what there is, and who is asked what it does: of one vendor often the same."""

    providers: tuple[DeviceProvider, ...]
    meters: tuple[DeviceMeter, ...]


def known_devices(clock: Clock) -> KnownDevices:
    """Return all vendors, ready to be asked on this host. Asks nothing yet."""
    commands, pci, host, is_told_pids = Commands(clock), PciBus(), host_mark(), knows_pids()
    smi = ToolDevices(NVIDIA_SMI, commands, pci=pci, host=host)
    others = tuple(ToolDevices(tool, commands, pci=pci, host=host, knows_pids=is_told_pids) for tool in TOOLS)
    return KnownDevices(
        providers=(NvidiaProvider(pci=pci, fallback=smi), *others), meters=(NvidiaMeter(fallback=smi), *others)
    )
