"""A directory that looks like sysfs's list of PCI devices."""

from pathlib import Path

__all__ = ["plug_in"]


def plug_in(
    root: Path,
    address: str,
    *,
    vendor: str,
    pci_class: str = "038000",
    device_id: str = "1234",
    video_memory_bytes: int | None = None,
) -> None:
    """Add one card, as the kernel lists it."""
    device = root / address
    device.mkdir(parents=True)
    (device / "vendor").write_text(f"0x{vendor}\n")
    (device / "device").write_text(f"0x{device_id}\n")
    (device / "class").write_text(f"0x{pci_class}\n")
    if video_memory_bytes is not None:
        (device / "mem_info_vram_total").write_text(f"{video_memory_bytes}\n")
