"""What NVIDIA's driver and the kernel's log say about a GPU's health."""

from collections.abc import Callable, Sequence
from typing import Any

import pynvml

from roundhouse_common.contracts.node import DeviceHealth
from roundhouse_node_agent.devices.parsers.kernel_log import FAULTS

__all__ = ["health_of"]

_DETAIL = tuple[DeviceHealth, str]


def health_of(handle: Any, xids: Sequence[int]) -> _DETAIL:
    """Return the worst, and all there is to say. Corrected errors are what ECC is for, and say nothing."""
    found = [*_memory(handle), *((DeviceHealth.DEGRADED, f"{FAULTS[xid]} (Xid {xid})") for xid in xids)]
    if not found:
        return DeviceHealth.OK, ""
    is_failed = any(health is DeviceHealth.FAILED for health, _ in found)
    return DeviceHealth.FAILED if is_failed else DeviceHealth.DEGRADED, "; ".join(words for _, words in found)


def _memory(handle: Any) -> list[_DETAIL]:
    found = []
    errors = _number(
        lambda: pynvml.nvmlDeviceGetTotalEccErrors(
            handle, pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC
        )
    )
    if errors:
        found.append((DeviceHealth.DEGRADED, f"{errors} uncorrected memory errors since its driver was loaded"))
    pending, failed = _remapping(handle)
    if failed:
        found.append((DeviceHealth.FAILED, "a memory row could not be replaced: the card has to be"))
    elif pending or _number(lambda: pynvml.nvmlDeviceGetRetiredPagesPendingStatus(handle)):
        found.append((DeviceHealth.DEGRADED, "bad memory is replaced at its next reset"))
    return found


def _remapping(handle: Any) -> tuple[bool, bool]:
    try:
        _corrected, _uncorrected, is_pending, has_failed = pynvml.nvmlDeviceGetRemappedRows(handle)
    except pynvml.NVMLError:
        return False, False
    return bool(is_pending), bool(has_failed)


def _number(ask: Callable[[], int]) -> int:
    try:
        return ask()
    except pynvml.NVMLError:
        return 0
