"""What the planner must look at next, as said by whoever learns something."""

from roundhouse_scheduler.domain.focus import NOTHING, Focus
from roundhouse_scheduler.loops.waking import Waker

__all__ = ["Attention"]


class Attention(Waker):
    """A waker that is told why. Without a word the planner looks at what changed in the record and in the reports."""

    def __init__(self) -> None:
        super().__init__()
        self._focus = NOTHING
        self._is_all = True

    def deployment(self, deployment_id: str) -> None:
        """Something that is not in the record happened to a deployment, e.g. its demand changed."""
        self._focus |= Focus(deployments=frozenset({deployment_id}))
        self.wake()

    def node(self, node_id: str) -> None:
        """Something that is not in the record happened to a node."""
        self._focus |= Focus(nodes=frozenset({node_id}))
        self.wake()

    def everything(self) -> None:
        """Anything may have happened."""
        self._is_all = True
        self.wake()

    def take(self) -> Focus | None:
        """Return what must be looked at (None: everything), and forget it."""
        taken = None if self._is_all else self._focus
        self._focus, self._is_all = NOTHING, False
        return taken

    def put_back(self, focus: Focus | None) -> None:
        """Look at this the next time: it was taken and not looked at. Wakes nobody."""
        if focus is None:
            self._is_all = True
        else:
            self._focus |= focus
