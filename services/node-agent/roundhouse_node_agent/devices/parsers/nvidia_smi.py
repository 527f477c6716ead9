"""nvidia-smi: `-L`, `-q -x` and `mig -lci`. Its csv is in smi_csv."""

import re
from dataclasses import dataclass
from xml.etree import ElementTree

from roundhouse_node_agent.devices.parsers.figures import address_of, bytes_of, number_of, whole_of

__all__ = ["ListedMig", "MigInstance", "QueriedGpu", "parse_instances", "parse_list", "parse_xml"]


@dataclass(frozen=True, slots=True)
class ListedMig:
    """One MIG device of `-L`."""

    gpu: int
    position: int
    profile: str
    uuid: str


@dataclass(frozen=True, slots=True)
class MigInstance:
    """`position` is 0 to n - 1 on its GPU; the two ids name it to the driver."""

    position: int
    gpu_instance: int | None
    compute_instance: int | None
    memory_total_bytes: int | None
    memory_used_bytes: int | None


@dataclass(frozen=True, slots=True)
class QueriedGpu:
    """One GPU of `-q -x`."""

    pci_address: str
    is_mig: bool
    memory_total_bytes: int | None
    memory_used_bytes: int | None
    temperature_c: float | None
    instances: tuple[MigInstance, ...]


def parse_list(text: str) -> tuple[ListedMig, ...]:
    """Return the MIG devices: they stand indented under their GPU."""
    found: list[ListedMig] = []
    gpu: int | None = None
    for line in text.splitlines():
        head = re.match(r"GPU (\d+):", line)
        below = re.match(r"\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: ([^)]+)\)", line)
        if head is not None:
            gpu = int(head[1])
        elif below is not None and gpu is not None:
            found.append(ListedMig(gpu, int(below[2]), below[1], below[3]))
    return tuple(found)


def parse_xml(text: str) -> tuple[QueriedGpu, ...]:
    """Return the GPUs in the order told; nothing from XML that is broken, as there is no telling what is whose."""
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        return ()
    return tuple(_gpu(gpu) for gpu in root.findall("gpu"))


def _gpu(gpu: ElementTree.Element) -> QueriedGpu:
    return QueriedGpu(
        pci_address=address_of(gpu.get("id", "")),
        is_mig=gpu.findtext("mig_mode/current_mig", "").strip() == "Enabled",
        memory_total_bytes=bytes_of(gpu.findtext("fb_memory_usage/total", "")) or None,
        memory_used_bytes=bytes_of(gpu.findtext("fb_memory_usage/used", "")),
        temperature_c=number_of(gpu.findtext("temperature/gpu_temp", "")),
        instances=tuple(
            MigInstance(
                position=position,
                gpu_instance=whole_of(one.findtext("gpu_instance_id", "")),
                compute_instance=whole_of(one.findtext("compute_instance_id", "")),
                memory_total_bytes=bytes_of(one.findtext("fb_memory_usage/total", "")) or None,
                memory_used_bytes=bytes_of(one.findtext("fb_memory_usage/used", "")),
            )
            for one in gpu.findall("mig_devices/mig_device")
            if (position := whole_of(one.findtext("index", ""))) is not None
        ),
    )


def parse_instances(text: str) -> tuple[tuple[int, int, int, str], ...]:
    """Return GPU, GPU instance, compute instance and profile of `mig -lci`, which only an administrator may ask."""
    rows = re.findall(r"\|\s*(\d+)\s+(\d+)\s+MIG (\S+)\s+\d+\s+(\d+)\s+\d+:\d+\s*\|", text)
    return tuple((int(gpu), int(instance), int(compute), profile) for gpu, instance, profile, compute in rows)
