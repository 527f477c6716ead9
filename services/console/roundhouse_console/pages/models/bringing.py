"""An upload from this browser: announced at the catalog, sent in pieces, and gone on with after a break."""

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from roundhouse_console.clients.rest import path_of
from roundhouse_console.domain.adding import announced, same_upload
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.bring import Bring
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import note
from roundhouse_console.kit.signals import attempt

__all__ = ["Bringing"]

Then = Callable[[str, str], Awaitable[None]]
"""Told the id of the whole upload and the name of its first file."""
Files = list[dict[str, Any]]
"""`path`, `size` and, once read, `sha256` of each. Any: as the browser said it."""


class Bringing:
    """Where files are chosen. `rest` is told, with a sentence or nothing, when it comes to an end by itself.

    `say` is told what goes on meanwhile.
    """

    def __init__(self, rest: Callable[[str], None], say: Callable[[str], None]) -> None:
        self._rest = rest
        self._say = say
        self._then: Then | None = None
        self._files: Files = []
        self._upload_id = ""
        self._bring = Bring(
            on_chosen=self._chosen,
            on_read=self._read,
            on_progress=self._progress,
            on_sent=self._sent,
            on_broken=self._broken,
        )
        self._trouble = ui.element("div")
        ui.label(
            t("A GGUF file, or all files of a safetensors model. Interrupted, choose the same files again: it goes on.")
        ).classes("rh-dim")

    def start(self, then: Then) -> None:
        """Read and send what was chosen; `then` is called once all of it is there."""
        self._trouble.clear()
        if why := self._fault():
            self._broken(why)
            return
        self._then = then
        self._progress("reads", 0)
        self._bring.start()

    async def cancel(self) -> None:
        """Stop, and drop what came already."""
        self._bring.stop()
        upload_id, self._upload_id, self._then = self._upload_id, "", None
        if upload_id:
            await attempt(lambda: here().person.catalog.delete(path_of("/api/v1/uploads/{}", upload_id)))

    def _fault(self) -> str:
        most = here().settings.upload_most_bytes
        if not self._files:
            return t("Choose files first.")
        for one in self._files:
            if one["size"] > most:
                size, allowed = bytes_text(one["size"]), bytes_text(most)
                return t("{name} has {size}; {most} are allowed.", name=one["path"], size=size, most=allowed)
        return ""

    def _chosen(self, files: Files) -> None:
        self._files = files
        self._trouble.clear()

    def _progress(self, step: str, percent: int) -> None:
        if self._then is None:
            return  # given up meanwhile
        match step:
            case "reads":
                self._say(t("Reading the files for their digests: {percent} %", percent=percent))
            case "sends":
                self._say(t("Sending the files: {percent} %", percent=percent))
            case "checks":
                self._say(t("Sent: {percent} %. The catalog compares what came with its digest…", percent=percent))

    async def _read(self, files: Files) -> None:
        if self._then is None or any("sha256" not in one for one in files):
            return
        catalog, listed = here().person.catalog, announced(files)

        async def begin() -> Any:
            known = same_upload(await catalog.items("/api/v1/uploads"), listed)
            return known or await catalog.post("/api/v1/uploads", {"files": listed})

        upload = await attempt(begin)
        if upload is None:
            self._then = None
            self._rest("")
            return
        self._upload_id = upload["id"]
        self._bring.send(upload["id"], {one["path"]: one["offset"] for one in upload["files"]})

    async def _sent(self) -> None:
        then, upload_id = self._then, self._upload_id
        self._then, self._upload_id = None, ""
        if then is not None and upload_id:
            await then(upload_id, str(self._files[0]["path"]))

    def _broken(self, why: str) -> None:
        self._then = None
        self._trouble.clear()
        with self._trouble:
            note(why, "bad", icon="error_outline").props("role=alert")
        self._rest("")
