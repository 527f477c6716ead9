"""Who wants to know when a connection came up or was lost."""

from collections.abc import Callable

from roundhouse_common.bus.wire import ConnectionCallback

__all__ = ["ConnectionCallbacks"]


class ConnectionCallbacks:
    """A set of callbacks, called in the order they were added."""

    def __init__(self) -> None:
        self._callbacks: dict[object, ConnectionCallback] = {}

    def add(self, callback: ConnectionCallback) -> Callable[[], None]:
        """Return what removes it again; safe to repeat."""
        handle = object()
        self._callbacks[handle] = callback

        def undo() -> None:
            self._callbacks.pop(handle, None)

        return undo

    def tell(self, is_up: bool) -> None:
        """Call everyone."""
        for callback in list(self._callbacks.values()):
            callback(is_up)
