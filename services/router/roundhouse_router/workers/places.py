"""Where each worker keeps its state."""

from collections.abc import Iterator
from pathlib import Path

__all__ = ["leftovers", "place_of"]

_FOLDER = "workers"


def place_of(state_dir: Path, worker: int) -> Path:
    """Return the state directory of a worker. The first one's is that of a router without workers."""
    return state_dir / _FOLDER / str(worker) if worker else state_dir


def leftovers(state_dir: Path, workers: int) -> Iterator[Path]:
    """Yield the directories of workers that there were when there were more of them."""
    folder = state_dir / _FOLDER
    if not folder.is_dir():
        return
    for number in sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal()):
        if number >= workers and (folder / str(number) / "spool").is_dir():
            yield folder / str(number)
