"""Print docs/reference/settings.md: `.venv/bin/python -m scripts.settings_table > docs/reference/settings.md`."""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

from roundhouse_catalog.settings import CatalogSettings
from roundhouse_common.service import ServiceSettings, SqlSettings
from roundhouse_console.settings import ConsoleSettings
from roundhouse_metering.settings import MeteringSettings
from roundhouse_node_agent.settings import NodeAgentSettings
from roundhouse_router.settings import RouterSettings
from roundhouse_scheduler.settings import SchedulerSettings

__all__ = ["document"]

_SERVICES = (RouterSettings, CatalogSettings, SchedulerSettings, MeteringSettings, NodeAgentSettings, ConsoleSettings)
_HEAD = """# Settings

Generated: `.venv/bin/python -m scripts.settings_table > docs/reference/settings.md`; a test compares the two.

Every setting is an environment variable: the prefix of the service, then the name. A variable with a service's prefix
that is not in these tables is an error at the start, so a typing mistake cannot go unnoticed. `roundhouse up` sets what
differs from the defaults itself.
"""


def document() -> str:
    """Return the whole document."""
    common = [_HEAD, "## Every service\n", _table(_rows(ServiceSettings, frozenset()))]
    inherited = frozenset(ServiceSettings.model_fields)
    sql = ["## Catalog, scheduler, metering and console\n", _table(_rows(SqlSettings, inherited))]
    known = frozenset(SqlSettings.model_fields) - {"port"}
    own = [part for service in _SERVICES for part in (_title(service), _table(_rows(service, known)))]
    return "\n".join([*common, *sql, *own])


def _title(service: type[ServiceSettings]) -> str:
    return f"## {service.service_name()}: `{service.model_config['env_prefix']}*`\n"


def _table(rows: Iterator[str]) -> str:
    return "\n".join(["| name | default | |", "|---|---|---|", *rows]) + "\n"


def _rows(settings: type[ServiceSettings], known: frozenset[str]) -> Iterator[str]:
    words = _docstrings(settings)
    for name, field in settings.model_fields.items():
        if name not in known:
            default = "must be set" if field.is_required() else _shown(field.default)
            yield f"| `{name.upper()}` | {default} | {words.get(name, '')} |"


def _shown(value: Any) -> str:  # Any: the default of any field
    if value in ("", None):
        return "empty"
    if value == sys.executable:
        return "the service's own"
    number = f"{value:g}" if isinstance(value, float) and value < 1e6 else str(value)
    return f"`{number}`"


def _docstrings(settings: type[ServiceSettings]) -> dict[str, str]:
    """Return the text under each field, as one line."""
    body = ast.parse(textwrap.dedent(inspect.getsource(settings))).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for statement, following in zip(body.body, body.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            match following:
                case ast.Expr(value=ast.Constant(value=str() as text)):
                    found[statement.target.id] = " ".join(text.split()).replace("|", "\\|")
    return found


if __name__ == "__main__":
    sys.stdout.write(document())
