"""Which devices an engine sees, by its vendor's environment variables."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor

__all__ = ["device_environment", "visible_devices"]

_BY_INDEX: Mapping[DeviceVendor, tuple[str, ...]] = MappingProxyType(
    {
        # To ROCm's runtime CUDA_VISIBLE_DEVICES is another name of HIP_VISIBLE_DEVICES; vLLM refuses two that differ.
        DeviceVendor.AMD: ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"),
        DeviceVendor.HYGON: ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"),
        DeviceVendor.ASCEND: ("ASCEND_RT_VISIBLE_DEVICES",),
        DeviceVendor.METAX: ("CUDA_VISIBLE_DEVICES", "MACA_VISIBLE_DEVICES"),
        DeviceVendor.BIREN: ("SUPA_VISIBLE_DEVICES", "BIREN_VISIBLE_DEVICES"),
        DeviceVendor.CAMBRICON: ("MLU_VISIBLE_DEVICES",),
        DeviceVendor.MOORE_THREADS: ("MUSA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"),
        DeviceVendor.ILUVATAR: ("CUDA_VISIBLE_DEVICES",),
        DeviceVendor.T_HEAD: ("CUDA_VISIBLE_DEVICES",),
        DeviceVendor.INTEL: ("ZE_AFFINITY_MASK",),
    }
)
_PCI_ORDER = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
"""Without it CUDA counts the fastest first, and no tool agrees with it about an index."""


def visible_devices(vendor: DeviceVendor, devices: Sequence[DeviceInfo]) -> Mapping[str, str]:
    """Return the variables that let a process see exactly those of `devices` that are this vendor's.

    None hides all of the vendor's: empty, not unset, which would show all.
    """
    own = [device for device in devices if device.vendor is vendor]
    if vendor is DeviceVendor.NVIDIA:
        return {**_PCI_ORDER, "CUDA_VISIBLE_DEVICES": ",".join(device.uuid for device in own)}
    indexes = ",".join(str(device.index) for device in own)
    return dict.fromkeys(_BY_INDEX.get(vendor, ()), indexes)


def device_environment(devices: Sequence[DeviceInfo]) -> Mapping[str, str]:
    """Return the variables that let a process see `devices`, which are of one vendor, and hide all others'.

    Vendors share variables, so what shows a device is set last.
    """
    environment: dict[str, str] = {}
    for vendor in DeviceVendor:
        environment |= visible_devices(vendor, ())
    for vendor in {device.vendor for device in devices}:
        environment |= visible_devices(vendor, devices)
    return environment
