"""Docker or Podman on this host: found, asked, and cleaned up after. Blocking; called in threads."""

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Collection, Sequence
from typing import Final

import structlog

from roundhouse_node_agent.environments.containers import look_for, remove, running_of

__all__ = ["ContainerTool"]

_log = structlog.get_logger(__name__)
_NAMES: Final = ("docker", "podman")
_ANSWERS_WITHIN_S: Final = 10.0
_REMOVES_WITHIN_S: Final = 60.0


class ContainerTool:
    """The first one whose engine answers; a client without its engine is none."""

    def __init__(self, find_program: Callable[[str], str | None] = shutil.which) -> None:
        self._find = find_program
        self._program: str | None = None

    def program(self) -> str:
        """Return the program, or nothing where no container can be run. One that was found stays."""
        if self._program is None:
            for name in _NAMES:
                found = self._find(name)
                if found and _run((found, "info"), _ANSWERS_WITHIN_S) is not None:
                    self._program = found
                    break
        return self._program or ""

    def has_image(self, image: str) -> bool:
        """Whether the image is here: then it is not asked for again, also where no registry can be reached."""
        return self._program is not None and _run(look_for(self._program, image), _ANSWERS_WITHIN_S) is not None

    def remove(self, name: str) -> None:
        """End a container and leave nothing of it."""
        program = self.program()
        if program:
            _run(remove(program, name), _REMOVES_WITHIN_S)

    def remove_strays(self, node_id: str, kept: Collection[str]) -> int:
        """Remove this node's containers but those named; return how many there were.

        Only where containers were run before, this one's life or a former: others are not asked for Docker.
        """
        listed = _run(running_of(self._program, node_id), _ANSWERS_WITHIN_S) if self._program is not None else None
        strays = [name for name in (listed or "").split() if name not in kept]
        for name in strays:
            _log.warning("container_left_behind", container=name)
            self.remove(name)
        return len(strays)


def _run(command: Sequence[str], within_s: float) -> str | None:
    """Return what it said on standard output, or None when it failed."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=within_s, check=False, text=True
        )
        if done.returncode == 0:
            return done.stdout
    return None
