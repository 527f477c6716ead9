"""What lies between two NVIDIA GPUs: NVLink first, else the level at which their PCIe paths meet."""

from collections.abc import Callable
from typing import Any

import pynvml
import pytest

from roundhouse_common.contracts.node import DeviceLink
from roundhouse_node_agent.devices.nvidia_links import links_of

_NOT_SUPPORTED = 5


@pytest.mark.contract("A08")
@pytest.mark.parametrize(
    ("peer", "level", "wanted"),
    [
        (pynvml.NVML_P2P_STATUS_OK, pynvml.NVML_TOPOLOGY_SYSTEM, DeviceLink.DIRECT),
        (_NOT_SUPPORTED, pynvml.NVML_TOPOLOGY_SINGLE, DeviceLink.SWITCH),
        (_NOT_SUPPORTED, pynvml.NVML_TOPOLOGY_MULTIPLE, DeviceLink.SWITCH),
        (_NOT_SUPPORTED, pynvml.NVML_TOPOLOGY_HOSTBRIDGE, DeviceLink.BRIDGE),
        (None, pynvml.NVML_TOPOLOGY_NODE, DeviceLink.BRIDGE),
        (None, pynvml.NVML_TOPOLOGY_SYSTEM, DeviceLink.SYSTEM),
        (None, 999, None),
        (None, None, None),
    ],
)
def test_each_pair_is_told_from_both_sides(
    monkeypatch: pytest.MonkeyPatch, peer: int | None, level: int | None, wanted: DeviceLink | None
) -> None:
    monkeypatch.setattr(pynvml, "nvmlDeviceGetP2PStatus", lambda _one, _other, _index: peer)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTopologyCommonAncestor", lambda _one, _other: level)

    def told(ask: Callable[[], Any]) -> Any:
        return ask()

    links = links_of({"a": 1, "b": 2}, told)
    assert links == ({"a": {}, "b": {}} if wanted is None else {"a": {"b": wanted}, "b": {"a": wanted}})
