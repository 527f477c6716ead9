"""How the NVIDIA GPUs of a host reach each other, as `nvidia-smi topo -m` shows it."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Final

import pynvml

from roundhouse_common.contracts.node import DeviceLink

__all__ = ["links_of"]

_LEVELS: Final[Mapping[int, DeviceLink]] = {
    pynvml.NVML_TOPOLOGY_INTERNAL: DeviceLink.SWITCH,
    pynvml.NVML_TOPOLOGY_SINGLE: DeviceLink.SWITCH,
    pynvml.NVML_TOPOLOGY_MULTIPLE: DeviceLink.SWITCH,
    pynvml.NVML_TOPOLOGY_HOSTBRIDGE: DeviceLink.BRIDGE,
    pynvml.NVML_TOPOLOGY_NODE: DeviceLink.BRIDGE,
    pynvml.NVML_TOPOLOGY_SYSTEM: DeviceLink.SYSTEM,
}


def links_of(handles: Mapping[str, Any], told: Callable[[Callable[[], Any]], Any]) -> dict[str, dict[str, DeviceLink]]:
    """Return for each uuid what lies between it and every other; pairs of which the driver says nothing are left out.

    `told` returns None where the driver does not tell. NVLink counts also through NVSwitch: its peers are told by what
    they can do, not by which card is at the other end.
    """
    links: dict[str, dict[str, DeviceLink]] = {uuid: {} for uuid in handles}
    for (one, first), (other, second) in itertools.combinations(handles.items(), 2):
        found = _between(first, second, told)
        if found is not None:
            links[one][other] = links[other][one] = found
    return links


def _between(first: Any, second: Any, told: Callable[[Callable[[], Any]], Any]) -> DeviceLink | None:
    index = pynvml.NVML_P2P_CAPS_INDEX_NVLINK
    if told(lambda: pynvml.nvmlDeviceGetP2PStatus(first, second, index)) == pynvml.NVML_P2P_STATUS_OK:
        return DeviceLink.DIRECT
    level = told(lambda: pynvml.nvmlDeviceGetTopologyCommonAncestor(first, second))
    return None if level is None else _LEVELS.get(level)
