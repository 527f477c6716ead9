"""The Chinese words of the console, by their English ones: one module per part, each with a table `CHINESE`.

Words that come from services, such as states, are in a table `FROM_SERVICES` beside it: no text of the code has them.
What services refuse with has a title by its code in `REFUSALS`.
"""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from roundhouse_console.words.refusals import REFUSALS

__all__ = ["CHINESE", "FROM_SERVICES", "REFUSALS"]


def _all() -> tuple[Mapping[str, str], Mapping[str, str]]:
    found: dict[str, str] = {}
    from_services: dict[str, str] = {}
    for module in iter_modules(__path__):
        part = import_module(f"{__name__}.{module.name}")
        found.update(part.CHINESE)
        from_services.update(getattr(part, "FROM_SERVICES", {}))
    return MappingProxyType({**from_services, **found}), MappingProxyType(from_services)


CHINESE, FROM_SERVICES = _all()
