"""The variables that show an engine its devices, and hide all the others."""

import pytest

from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor
from roundhouse_node_agent.devices.visibility import device_environment, visible_devices

VENDORS = [vendor for vendor in DeviceVendor if vendor is not DeviceVendor.UNKNOWN]


def device(vendor: DeviceVendor, index: int) -> DeviceInfo:
    return DeviceInfo(
        uuid=f"GPU-{index}",
        index=index,
        vendor=vendor,
        model="A",
        memory_total_bytes=1,
        memory_free_bytes=1,
        physical_index=index + 40,
        minor=index + 80,
    )


@pytest.mark.contract("A08")
@pytest.mark.parametrize(
    ("vendor", "expected"),
    [
        (DeviceVendor.NVIDIA, {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "GPU-3,GPU-1"}),
        (DeviceVendor.AMD, {"HIP_VISIBLE_DEVICES": "3,1", "CUDA_VISIBLE_DEVICES": "3,1"}),
        (DeviceVendor.HYGON, {"HIP_VISIBLE_DEVICES": "3,1", "CUDA_VISIBLE_DEVICES": "3,1"}),
        (DeviceVendor.ASCEND, {"ASCEND_RT_VISIBLE_DEVICES": "3,1"}),
        (DeviceVendor.METAX, {"CUDA_VISIBLE_DEVICES": "3,1", "MACA_VISIBLE_DEVICES": "3,1"}),
        (DeviceVendor.BIREN, {"SUPA_VISIBLE_DEVICES": "3,1", "BIREN_VISIBLE_DEVICES": "3,1"}),
        (DeviceVendor.CAMBRICON, {"MLU_VISIBLE_DEVICES": "3,1"}),
        (DeviceVendor.MOORE_THREADS, {"MUSA_VISIBLE_DEVICES": "3,1", "CUDA_VISIBLE_DEVICES": "3,1"}),
        (DeviceVendor.ILUVATAR, {"CUDA_VISIBLE_DEVICES": "3,1"}),
        (DeviceVendor.T_HEAD, {"CUDA_VISIBLE_DEVICES": "3,1"}),
        (DeviceVendor.INTEL, {"ZE_AFFINITY_MASK": "3,1"}),
    ],
)
def test_a_vendors_variables_name_logical_ids_in_the_order_given(
    vendor: DeviceVendor, expected: dict[str, str]
) -> None:
    assert visible_devices(vendor, (device(vendor, 3), device(vendor, 1))) == expected


@pytest.mark.contract("A33")
@pytest.mark.parametrize("vendor", VENDORS)
def test_no_devices_hides_all_of_a_vendor(vendor: DeviceVendor) -> None:
    variables = {name: value for name, value in visible_devices(vendor, ()).items() if name != "CUDA_DEVICE_ORDER"}
    assert variables
    assert set(variables.values()) == {""}


def test_devices_of_other_vendors_are_not_shown() -> None:
    devices = (device(DeviceVendor.AMD, 0), device(DeviceVendor.ASCEND, 5))
    assert visible_devices(DeviceVendor.ASCEND, devices) == {"ASCEND_RT_VISIBLE_DEVICES": "5"}


def test_a_vendor_that_this_version_does_not_know_gets_no_variables() -> None:
    assert visible_devices(DeviceVendor.UNKNOWN, (device(DeviceVendor.UNKNOWN, 0),)) == {}


@pytest.mark.contract("A33")
@pytest.mark.parametrize("vendor", VENDORS)
def test_the_environment_shows_one_vendors_devices_and_hides_the_others(vendor: DeviceVendor) -> None:
    environment = device_environment((device(vendor, 2),))
    shown = visible_devices(vendor, (device(vendor, 2),))
    assert shown.items() <= environment.items()
    hidden = {name: value for name, value in environment.items() if name not in shown}
    assert set(hidden.values()) <= {"", "PCI_BUS_ID"}
    assert set(device_environment(())) == set(environment)
