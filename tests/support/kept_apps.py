"""REST applications that are built once per process, and act on what each test gives them.

FastAPI takes every endpoint apart when an application is built and again when its routes are first matched: a tenth of
a second of CPU, more than most tests that ask it something. An application has its routes from the code alone; so a
test borrows one that is there, and puts its own database, bus and clock where those of the last test were.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI

__all__ = ["kept_app"]

_PLAIN = (str, bytes, int, float, frozenset, tuple, type(None))
"""What is looked at while an application is built is in it for good: it suits only tests that have the same."""


class _StandIn:
    """Takes an object's place; every use of it goes to whatever the object is now.

    Any: it stands for objects of all types.
    """

    def __init__(self, seat: "_Seat", find: Callable[[], Any]) -> None:
        self._seat = seat
        self._find = find

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._find(), name)
        return value if self._seat.is_built else self._seat.keep(value, lambda: getattr(self._find(), name))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._find()(*args, **kwargs)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._find())

    def __len__(self) -> int:
        return len(self._find())

    def __bool__(self) -> bool:
        return bool(self._find())


class _Seat:
    """One application, and what it acts on now."""

    def __init__(self, build: Callable[..., FastAPI], given: dict[int | str, Any]) -> None:
        self.is_built = False
        self.given = given
        self._seen: list[tuple[Any, Callable[[], Any]]] = []
        parts = {name: self.keep(value, partial(self._now, name)) for name, value in given.items()}
        positional = [part for name, part in parts.items() if isinstance(name, int)]
        self.app = build(*positional, **{name: part for name, part in parts.items() if isinstance(name, str)})
        self.is_built = True
        self._routes = len(self.app.router.routes)

    def keep(self, value: Any, find: Callable[[], Any]) -> Any:
        """Return what is put into the application for a value that the next test may have another of."""
        if isinstance(value, _PLAIN):
            self._seen.append((value, find))
            return value
        return _StandIn(self, find)

    def _now(self, name: int | str) -> Any:
        return self.given[name]

    def suits(self, given: dict[int | str, Any]) -> bool:
        """Put other objects in, and return whether the application is what would be built from them."""
        self.given = given
        return all(find() == value for value, find in self._seen)

    def is_as_built(self) -> bool:
        return len(self.app.router.routes) == self._routes


_FREE: dict[tuple[Any, ...], list[_Seat]] = {}


@contextmanager
def kept_app(build: Callable[..., FastAPI], *args: Any, **kwargs: Any) -> Iterator[FastAPI]:
    """Yield what `build` returns for these arguments (Any: whatever it takes); it is the test's alone meanwhile."""
    given: dict[int | str, Any] = dict([*enumerate(args), *kwargs.items()])
    free = _FREE.setdefault((build, *given), [])
    seat = next((one for one in free if one.suits(given)), None)
    if seat is None:
        seat = _Seat(build, given)
    else:
        free.remove(seat)
    yield seat.app
    seat.given = {}
    if seat.is_as_built():
        free.append(seat)
