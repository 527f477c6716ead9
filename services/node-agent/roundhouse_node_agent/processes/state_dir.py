"""The agent's directory on its host: usable or refused in one line, held by one agent at a time."""

import contextlib
import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path

from roundhouse_common.contracts.node import EngineCounters
from roundhouse_common.runtime import Ids
from roundhouse_node_agent.domain.errors import StateDirUnusable
from roundhouse_node_agent.processes.records import CountersFile, NodeFile, read_file, write_file

__all__ = ["StateDir"]

_LOCK_TRIES = 40
_LOCK_POLL_S = 0.05


class StateDir:
    """Opened by `open`; the lock goes with the process."""

    def __init__(self, path: Path, lock_fd: int, node: NodeFile) -> None:
        self.path = path
        self._lock_fd = lock_fd
        self._node = node

    @classmethod
    def open(cls, path: Path, *, node_id: str, ids: Ids) -> "StateDir":
        """Make the directory if need be, hold it, and settle the node's id: the given one, else the one kept here.

        Raises StateDirUnusable: not writable, full, held by another agent, or the home of another node.
        """
        path = path.absolute()
        lock_fd = cls.hold(path)
        try:
            known = read_file(path / "node.json", NodeFile)
            if known is None and (path / "node.json").exists():
                raise StateDirUnusable(f"{path / 'node.json'} cannot be read; it holds the node's id and epoch")
            if known is not None and node_id not in ("", known.node_id):
                raise StateDirUnusable(f"{path} belongs to node {known.node_id}, not to {node_id}")
            node = known or NodeFile(node_id=node_id or ids.new("nod"))
            write_file(path / "node.json", node)
        except StateDirUnusable:
            os.close(lock_fd)
            raise
        return cls(path, lock_fd, node)

    @staticmethod
    def hold(path: Path) -> int:
        """Return a descriptor whose lock says that this process works on the directory. Raises StateDirUnusable."""
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.chmod(0o700)
            fd = os.open(path / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateDirUnusable(f"the state directory {path} cannot be used: {error.strerror}") from error
        if not _locked(fd):
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise StateDirUnusable(f"another node agent (process {holder}) works on {path}")
        with contextlib.suppress(OSError):
            os.ftruncate(fd, 0)
            os.pwrite(fd, str(os.getpid()).encode(), 0)
        return fd

    @property
    def node_id(self) -> str:
        return self._node.node_id

    @property
    def highest_epoch(self) -> int:
        return self._node.highest_epoch

    def keep_epoch(self, epoch: int) -> None:
        """Remember the epoch. Raises StateDirUnusable when it cannot be made durable."""
        node = NodeFile(node_id=self._node.node_id, highest_epoch=epoch)
        write_file(self.path / "node.json", node)
        self._node = node

    def kept_counters(self) -> tuple[EngineCounters, ...]:
        """Return what engines that ended had counted."""
        kept = read_file(self.path / "counters.json", CountersFile)
        return kept.ended if kept is not None else ()

    def keep_counters(self, ended: Sequence[EngineCounters]) -> None:
        """Remember it for the agent's next life. What cannot be written is told in this one."""
        with contextlib.suppress(StateDirUnusable):
            write_file(self.path / "counters.json", CountersFile(ended=tuple(ended)))

    @property
    def contact_file(self) -> Path:
        """When the scheduler was last heard, in seconds since boot: engines' guards read it (`shim.py`)."""
        return self.path / "contact"

    def note_contact(self, age_s: float) -> None:
        """Note that the scheduler was heard so long ago. A note that cannot be written makes a guard stricter."""
        heard_at = time.clock_gettime(time.CLOCK_BOOTTIME) - age_s
        with contextlib.suppress(OSError):
            new = self.contact_file.with_suffix(".new")
            new.write_text(f"{heard_at:.3f}\n", encoding="ascii")
            new.replace(self.contact_file)

    def place_models(self, chosen: Path | None) -> Path:
        """Return the root of the model store: `models` here, which leads to the chosen directory if there is one.

        Raises StateDirUnusable: the directory cannot be used, or there are files here that would be left behind.
        """
        root = self.path / "models"
        if chosen is None:
            return root
        try:
            chosen.mkdir(parents=True, exist_ok=True, mode=0o700)
            if root.is_symlink() and root.resolve() != chosen.resolve():
                root.unlink()
            if not root.exists():
                root.symlink_to(chosen.absolute())
        except OSError as error:
            raise StateDirUnusable(f"model files cannot be kept in {chosen}: {error.strerror}") from error
        if root.resolve() != chosen.resolve():
            raise StateDirUnusable(
                f"model files are in {root} and shall be in {chosen}: move what is in it there, then remove {root}"
            )
        return root

    def close(self) -> None:
        """Let another agent have the directory."""
        os.close(self._lock_fd)


def _locked(fd: int) -> bool:
    """Whether the lock could be had, soon: that of an agent that has just gone lives on in a copy of its descriptor.

    The kernel lets go of a lock with the last reference to the open file: a child between its fork and its exec and
    whoever looks through the descriptors of a process hold one for a moment.
    """
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(_LOCK_POLL_S)
        else:
            return True
    return False
