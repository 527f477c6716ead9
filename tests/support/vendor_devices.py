"""A vendor's devices on a machine that a test makes up: what PCI shows, and what the vendor's tool prints."""

from collections.abc import Mapping
from pathlib import Path

from roundhouse_node_agent.devices.pci import PciBus
from roundhouse_node_agent.devices.provider import Discovery
from roundhouse_node_agent.devices.tools import Tool, ToolDevices
from tests.support.device_samples import MIB
from tests.support.fake_pci import plug_in
from tests.support.scripted_commands import ScriptedCommands

__all__ = ["devices", "found"]


def devices(
    tmp_path: Path,
    tool: Tool,
    answers: Mapping[str, str],
    *addresses: str,
    pci_class: str = "120000",
    knows_pids: bool = True,
) -> ToolDevices:
    for address in addresses:
        plug_in(tmp_path / "pci", address, vendor=tool.pci_vendor, pci_class=pci_class)
    return ToolDevices(
        tool,
        ScriptedCommands(answers),
        pci=PciBus(tmp_path / "pci"),
        host="host",
        dev=tmp_path / "dev",
        knows_pids=knows_pids,
    )


def found(discovery: Discovery) -> list[tuple[int, str, str, int, int]]:
    assert discovery.errors == ()
    return [
        (one.index, one.uuid, one.model, one.memory_total_bytes // MIB, one.memory_free_bytes // MIB)
        for one in discovery.devices
    ]
