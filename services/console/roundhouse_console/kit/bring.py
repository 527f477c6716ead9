"""Files that a person brings from their machine."""

from collections.abc import Callable, Mapping
from typing import Any

from nicegui import events, ui

from roundhouse_console.kit.here import t
from roundhouse_console.kit.own_files import OWN_FILES_URL

__all__ = ["Bring"]


class Bring(ui.element, component="bring.js"):
    """Where files are chosen or dropped. `start` reads them, `send` brings them; `stop` ends either."""

    def __init__(
        self,
        *,
        on_chosen: Callable[[list[dict[str, Any]]], object],
        on_read: Callable[[list[dict[str, Any]]], object],
        on_progress: Callable[[str, int], object],
        on_sent: Callable[[], object],
        on_broken: Callable[[str], object],
    ) -> None:
        """`on_chosen` gets names and sizes, `on_read` digests too, `on_broken` why it cannot go on.

        `on_progress` gets what is done, `reads`, `sends` or `checks`, and how far it is with all files, in percent.
        """
        super().__init__()
        self.props["digests"] = f"{OWN_FILES_URL}/sha256.js"
        self.props["words"] = {
            "ask": t("Choose files, or drop them here"),
            "waits": "",
            "reads": t("reading"),
            "sends": t("sending"),
            "checks": t("being checked"),
            "sent": t("there"),
        }

        async def told(event: events.GenericEventArguments) -> None:
            step = on_read if event.args.get("step") == "read" else on_chosen
            await _awaited(step([_file(one) for one in event.args.get("files", ())]))

        def progress(event: events.GenericEventArguments) -> None:
            on_progress(str(event.args.get("step", "")), int(event.args.get("percent", 0)))

        async def sent(_event: events.GenericEventArguments) -> None:
            await _awaited(on_sent())

        async def broken(event: events.GenericEventArguments) -> None:
            await _awaited(on_broken(str(event.args.get("why", ""))))

        self.on("files", told)
        self.on("progress", progress)
        self.on("sent", sent)
        self.on("broken", broken)

    def start(self) -> None:
        """Read the chosen files for their digests."""
        self.run_method("read")

    def send(self, upload_id: str, offsets: Mapping[str, int]) -> None:
        """Send each file from its offset on."""
        self.run_method("send", upload_id, dict(offsets))

    def stop(self) -> None:
        self.run_method("stop")


def _file(told: Mapping[str, Any]) -> dict[str, Any]:
    found = {"path": str(told.get("path", "")), "size": int(told.get("size", 0))}
    return {**found, "sha256": str(told["sha256"])} if "sha256" in told else found


async def _awaited(made: object) -> None:
    if hasattr(made, "__await__"):
        await made
