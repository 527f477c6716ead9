"""What is plugged in, by sysfs: the cheap question before a vendor's tool is run at all."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ACCELERATOR_CLASSES", "PciBus", "PciCard"]

ACCELERATOR_CLASSES = ("0x03", "0x12", "0x0b40")
"""Display controllers, processing accelerators, co-processors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PciCard:
    """One function of one card."""

    address: str
    """Such as 0000:3c:00.0, lower case."""
    pci_class: str
    device_id: str = ""
    """Such as 0xd802."""
    video_memory_bytes: int | None = None
    """Where its kernel driver tells (amdgpu)."""


class PciBus:
    """`root` is where sysfs lists devices; another place in tests. Reads, and never raises."""

    def __init__(self, root: Path = Path("/sys/bus/pci/devices")) -> None:
        self._root = root

    def cards(self, vendor_id: str, classes: Sequence[str] = ACCELERATOR_CLASSES) -> tuple[PciCard, ...]:
        """Return the vendor's cards of these classes, in the order of their addresses."""
        return tuple(card for path in self._paths() if (card := _card(path, vendor_id, tuple(classes))) is not None)

    def _paths(self) -> list[Path]:
        with contextlib.suppress(OSError):
            return sorted(self._root.iterdir())
        return []


def _card(path: Path, vendor_id: str, classes: tuple[str, ...]) -> PciCard | None:
    if _word(path / "vendor") != f"0x{vendor_id}":
        return None
    pci_class = _word(path / "class")
    if not pci_class.startswith(classes):
        return None
    memory = _word(path / "mem_info_vram_total")
    return PciCard(
        address=path.name.lower(),
        pci_class=pci_class,
        device_id=_word(path / "device"),
        video_memory_bytes=int(memory) if memory.isascii() and memory.isdigit() else None,
    )


def _word(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip().lower()
    except OSError:
        return ""
