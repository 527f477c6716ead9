"""What happened to a deployment and its replicas."""

from collections.abc import Callable

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.times import instant
from roundhouse_console.kit.here import at_time, here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import panel
from roundhouse_console.kit.tables import column, table, text
from roundhouse_console.pages.deployments.asking import unless_new

__all__ = ["show"]


async def show(deployment_id: str) -> None:
    path = path_of("/api/v1/deployments/{}/events", deployment_id)
    with panel(t("Events")):
        await follow(lambda: unless_new(here().person.scheduler.items(path, most=1000), list[Item]()), _table)


def _table() -> Callable[[list[Item]], None]:
    put = table(
        [
            column("at", t("Time")),
            column("what", t("What")),
            column("detail", t("Detail"), wraps=True),
            column("actor", t("By"), is_wide=True),
        ],
        label=t("Events"),
        order="at",
        is_descending=True,
    )

    def show_all(found: list[Item]) -> None:
        put(
            [
                {
                    "id": one["id"],
                    "at": text(at_time(instant(one["at"])), sort=one["at"]),
                    "what": text(
                        f"{one['before']} → {one['after']}" if one["before"] else one["after"] or one["kind"],
                        sub=one["reason"],
                    ),
                    "detail": one["detail"],
                    "actor": one["actor"],
                }
                for one in found
            ]
        )

    return show_all
