"""NVIDIA GPUs through nvidia-smi: only where NVML's binding fails, as nvidia-smi asks NVML too."""

from collections.abc import Sequence

from roundhouse_common.contracts.node import DeviceVendor
from roundhouse_node_agent.devices.parsers.card import Card
from roundhouse_node_agent.devices.parsers.nvidia_smi import parse_list, parse_xml
from roundhouse_node_agent.devices.parsers.smi_csv import parse_query
from roundhouse_node_agent.devices.tools import Ask, Tool

__all__ = ["NVIDIA_SMI"]

_FIELDS = (
    "index",
    "uuid",
    "name",
    "pci.bus_id",
    "driver_version",
    "memory.total",
    "memory.used",
    "utilization.gpu",
    "temperature.gpu",
    "power.draw",
    "ecc.errors.uncorrected.volatile.total",
)


def _look(ask: Ask) -> Sequence[Card]:
    cards = parse_query(ask(f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader"), _FIELDS)
    instances = _instances(ask, cards)
    split = {card.parent_uuid for card in instances}
    return [card for card in cards if card.uuid not in split] + instances


def _instances(ask: Ask, cards: Sequence[Card]) -> list[Card]:
    """Return the MIG devices, numbered after the GPUs: their uuids from the list, their memory from the XML."""
    listed = parse_list(ask("-L"))
    gpus = {gpu.pci_address: gpu for gpu in parse_xml(ask("-q", "-x"))} if listed else {}
    parents = {card.index: card for card in cards}
    found = []
    for place, one in enumerate(listed):
        parent = parents.get(one.gpu)
        gpu = gpus.get(parent.pci_address or "") if parent is not None else None
        own = next((each for each in gpu.instances if each.position == one.position), None) if gpu else None
        if parent is not None:
            found.append(
                Card(
                    index=len(cards) + place,
                    uuid=one.uuid,
                    model=f"{parent.model or 'NVIDIA'} MIG {one.profile}",
                    pci_address=parent.pci_address,
                    driver=parent.driver,
                    parent_uuid=parent.uuid,
                    physical_index=own.gpu_instance if own else None,
                    memory_total_bytes=own.memory_total_bytes if own else None,
                    memory_used_bytes=own.memory_used_bytes if own else None,
                    temperature_c=parent.temperature_c,
                    health=parent.health,
                    health_detail=parent.health_detail,
                )
            )
    return found


NVIDIA_SMI = Tool(
    vendor=DeviceVendor.NVIDIA,
    title="NVIDIA",
    pci_vendor="10de",
    pci_classes=("0x03",),
    device_files="nvidia[0-9]*",
    names=("nvidia-smi",),
    directories=("/usr/bin", "/usr/lib/wsl/lib"),
    inventory=_look,
    usage=_look,
)
