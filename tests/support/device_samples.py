"""What vendors' tools print: the samples in tests/fixtures/devices."""

from pathlib import Path

__all__ = ["DEVICE_SAMPLES", "MIB", "sample"]

DEVICE_SAMPLES = Path(__file__).parents[1] / "fixtures" / "devices"
MIB = 1 << 20


def sample(name: str) -> str:
    """Return one sample by its path below the folder."""
    return (DEVICE_SAMPLES / name).read_text(encoding="utf-8")
