"""Whether the disk has room for what is to be fetched."""

from roundhouse_node_agent.transfers.errors import TransferFailed
from roundhouse_node_agent.transfers.store import FileStore

__all__ = ["check_room"]


def check_room(store: FileStore, missing_bytes: int, headroom_bytes: int, reserved_bytes: int = 0) -> None:
    """Raise TransferFailed unless `headroom_bytes` stay free beside what is still to be fetched, here and by others."""
    free_bytes = store.free_bytes()
    short = missing_bytes + headroom_bytes + reserved_bytes - free_bytes
    if missing_bytes and short > 0:
        others = f", {_gb(reserved_bytes)} are being fetched for other models" if reserved_bytes else ""
        raise TransferFailed(
            f"{_gb(short)} are missing on the disk of {store.layout.root}: {_gb(free_bytes)} are free, "
            f"{_gb(missing_bytes)} are to be fetched{others} and {_gb(headroom_bytes)} must stay free. Make room there"
        )


def _gb(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
