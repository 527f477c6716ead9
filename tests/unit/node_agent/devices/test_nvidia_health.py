"""What makes an NVIDIA card degraded or failed, and what says nothing about it."""

from collections.abc import Callable
from typing import Any

import pynvml
import pytest

from roundhouse_common.contracts.node import DeviceHealth
from roundhouse_node_agent.devices.nvidia_health import health_of

HEALTHY: dict[str, Any] = {"TotalEccErrors": 0, "RemappedRows": (0, 0, 0, 0), "RetiredPagesPendingStatus": 0}
WAITS = "bad memory is replaced at its next reset"


def driver(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any]) -> None:
    """Let the driver answer so; None is a function that the card does not support."""

    def function(answer: object) -> Callable[..., object]:
        def call(*_: object) -> object:
            if answer is None:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return answer

        return call

    for name, answer in (HEALTHY | answers).items():
        monkeypatch.setattr(pynvml, f"nvmlDeviceGet{name}", function(answer))


@pytest.mark.contract("A12")
@pytest.mark.parametrize(
    ("answers", "health", "detail"),
    [
        ({}, DeviceHealth.OK, ""),
        (dict.fromkeys(HEALTHY), DeviceHealth.OK, ""),
        ({"RemappedRows": (9, 0, 0, 0)}, DeviceHealth.OK, ""),
        ({"RemappedRows": (0, 1, 1, 0)}, DeviceHealth.DEGRADED, WAITS),
        ({"RemappedRows": None, "RetiredPagesPendingStatus": 1}, DeviceHealth.DEGRADED, WAITS),
        (
            {"TotalEccErrors": 2},
            DeviceHealth.DEGRADED,
            "2 uncorrected memory errors since its driver was loaded",
        ),
        (
            {"RemappedRows": (0, 1, 1, 1)},
            DeviceHealth.FAILED,
            "a memory row could not be replaced: the card has to be",
        ),
    ],
)
def test_memory_decides(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], health: DeviceHealth, detail: str
) -> None:
    driver(monkeypatch, answers)
    assert health_of(0, ()) == (health, detail)


def test_faults_that_the_kernel_saw_degrade_and_do_not_hide_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    driver(monkeypatch, {})
    assert health_of(0, (79,)) == (DeviceHealth.DEGRADED, "it fell off the bus (Xid 79)")
    driver(monkeypatch, {"RemappedRows": (0, 1, 0, 1)})
    assert health_of(0, (79,))[0] is DeviceHealth.FAILED
