"""The test tool: any request to the deployment, through the router, and the whole answer as it comes."""

import asyncio
from dataclasses import dataclass, field

import httpx
from nicegui import events, ui

from roundhouse_console.clients.playground_key import playground_key
from roundhouse_console.clients.router_call import open_call
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.domain.testing import (
    CONTENT_TYPES,
    FORM,
    MULTIPART,
    PATHS,
    Call,
    File,
    call_of,
    example,
    shown_body,
)
from roundhouse_console.domain.units import bytes_text
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import Tone, panel
from roundhouse_console.kit.signals import explain, reason

__all__ = ["show"]

_SHOW_EVERY_S = 0.15
_MOST_CHARACTERS = 100_000
_MOST_BYTES = 16 * 2**20
_MOST_FILE_BYTES = 32 * 2**20


@dataclass(slots=True)
class _Fields:
    method: ui.toggle
    path: ui.input
    query: ui.textarea
    headers: ui.textarea
    kind: ui.select
    body: ui.textarea
    files: list[File] = field(default_factory=list)

    def call(self) -> Call:
        """Return the request. Raises ValueError."""
        return call_of(
            str(self.method.value),
            self.path.value or "",
            query=self.query.value or "",
            headers=self.headers.value or "",
            content_type=str(self.kind.value),
            body=self.body.value or "",
            files=self.files,
        )


@dataclass(slots=True)
class _Answer:
    """Where an answer is shown, and what came of it."""

    state: ui.label
    times: ui.label
    headers: ui.label
    body: ui.label
    content: bytearray = field(default_factory=bytearray)
    content_type: str = ""

    def say(self, text: str, tone: Tone, times: str = "") -> None:
        self.state.set_text(text)
        self.state.classes(replace=f"rh-badge rh-{tone}")
        self.times.set_text(times)

    def put(self) -> None:
        self.body.set_text(shown_body(bytes(self.content), self.content_type, _MOST_CHARACTERS))


async def show(model: str) -> None:
    """Build the tab. `model` is what clients send to reach the deployment."""
    with ui.element("div").classes("rh-grid"):
        with panel(t("Request")):
            fields = _request(model)
            with ui.element("div").classes("rh-row"):
                send = ui.button(t("Send"), icon="send").props("unelevated no-caps")
                stop = ui.button(t("Stop"), icon="stop").props("outline no-caps")
            stop.disable()
        with panel(t("Answer")):
            answer = _answer()
    running: list[asyncio.Task[None]] = []

    async def run() -> None:
        try:
            call = fields.call()
        except ValueError as error:
            answer.say(reason(error), "bad")
            return
        send.disable()
        stop.enable()
        words = {"stopped": t("Stopped"), "first": t("first byte"), "all": t("in all")}
        try:
            secret = await playground_key(here().person, here().clock)
            task = asyncio.ensure_future(_run(call, secret, answer, words))
            running.append(task)
            await task
        except ConsoleError as error:
            answer.say(explain(error), "bad")
        except asyncio.CancelledError:
            answer.say(words["stopped"], "quiet", answer.times.text)
        finally:
            running.clear()
            if not send.is_deleted:
                send.enable()
                stop.disable()

    send.on_click(run)
    stop.on_click(lambda: [one.cancel() for one in running])


def _request(model: str) -> _Fields:
    ui.label(t("It is sent to the router with an API key of yours that the console keeps.")).classes("rh-dim")
    with ui.element("div").classes("rh-row rh-nowrap"):
        method = ui.toggle(["POST", "GET"], value="POST").props("no-caps unelevated").classes("rh-toggle")
        path = ui.input(t("Path"), value=PATHS[0], autocomplete=list(PATHS)).props("outlined dense").classes("rh-grow")
    query = _area(t("Parameters, one per line: name=value"))
    headers = _area(t("Headers, one per line: Name: value"))
    with ui.element("div").classes("rh-column") as written:
        kind = ui.select(list(CONTENT_TYPES), value=CONTENT_TYPES[0], label=t("Content type")).props("outlined dense")
        body = _area(t("Body"), example(PATHS[0], model))
    fields = _Fields(method, path, query, headers, kind, body)
    with written:
        upload = _upload(fields)
    written.bind_visibility_from(method, "value", lambda value: value == "POST")
    upload.bind_visibility_from(kind, "value", lambda value: value == MULTIPART)
    offered = [body.value]

    def follow_path() -> None:
        """Keep the example in step with the path until somebody edits it."""
        if body.value == offered[0] and kind.value not in (FORM, MULTIPART):
            offered[0] = example(path.value or "", model)
            body.set_value(offered[0])

    def follow_kind() -> None:
        body.props["label"] = t("Fields, one per line: name=value") if kind.value in (FORM, MULTIPART) else t("Body")
        body.update()
        if body.value == offered[0]:
            as_fields = f"model={model}" if kind.value in (FORM, MULTIPART) else example(path.value or "", model)
            offered[0] = as_fields
            body.set_value(as_fields)

    path.on_value_change(follow_path)
    kind.on_value_change(follow_kind)
    return fields


def _area(label: str, value: str = "") -> ui.textarea:
    made = ui.textarea(label, value=value).props("outlined dense autogrow stack-label rows=1 input-class=rh-code")
    made.props["spellcheck"] = "false"
    return made


def _upload(fields: _Fields) -> ui.element:
    with ui.element("div").classes("rh-column") as holder:
        name = ui.input(t("Field of the files"), value="file").props("outlined dense")

        async def took(event: events.UploadEventArguments) -> None:
            content = await event.file.read()
            fields.files.append(File(name.value or "file", event.file.name, event.file.content_type, content))

        def cleared() -> None:
            fields.files.clear()

        upload = ui.upload(
            label=t("Files"), multiple=True, auto_upload=True, max_file_size=_MOST_FILE_BYTES, on_upload=took
        )
        upload.props("flat bordered").on("removed", cleared)
    return holder


def _answer() -> _Answer:
    with ui.element("div").classes("rh-row"):
        state = ui.label(t("Nothing was sent yet.")).classes("rh-badge rh-quiet").props("role=status")
        times = ui.label().classes("rh-dim")
    ui.label(t("Headers")).classes("rh-strong")
    headers = (
        ui.label("–").classes("rh-log rh-answer-headers").props(f'tabindex=0 aria-label="{t("Headers")}" role=region')
    )
    ui.label(t("Body")).classes("rh-strong")
    body = ui.label("–").classes("rh-log rh-answer-body").props(f'tabindex=0 aria-label="{t("Body")}" role=log')
    answer = _Answer(state, times, headers, body)

    def save() -> None:
        ui.download.content(bytes(answer.content), "answer", answer.content_type or "application/octet-stream")

    with ui.element("div").classes("rh-row"):
        ui.button(t("Download"), icon="download", on_click=save).props("flat no-caps")
    return answer


async def _run(call: Call, secret: str, answer: _Answer, words: dict[str, str]) -> None:
    clock = here().clock
    began = clock.monotonic()
    answer.content, answer.content_type = bytearray(), ""
    answer.say("…", "busy")
    answer.headers.set_text("–")
    answer.put()

    def ms(at: float) -> str:
        return f"{(at - began) * 1000:.0f} ms"

    async with open_call(here().person, call, secret) as got:
        tone = _tone(got)
        answer.content_type = got.headers.get("content-type", "")
        answer.headers.set_text("\n".join(f"{name}: {value}" for name, value in got.headers.multi_items()))
        status, first, shown_at = f"{got.status_code} {got.reason_phrase}", "", began
        answer.say(status, tone, ms(clock.monotonic()))
        async for chunk in got.aiter_bytes():
            now = clock.monotonic()
            first = first or f"{words['first']} {ms(now)}"
            answer.content += chunk
            if answer.body.is_deleted or len(answer.content) > _MOST_BYTES:
                break
            if now - shown_at > _SHOW_EVERY_S:
                shown_at = now
                answer.put()
                answer.say(status, tone, f"{first} · {ms(now)} · {bytes_text(len(answer.content))}")
        answer.put()
        parts = (first, f"{words['all']} {ms(clock.monotonic())}", bytes_text(len(answer.content)))
        answer.say(status, tone, " · ".join(one for one in parts if one))


def _tone(got: httpx.Response) -> Tone:
    return "good" if got.is_success else "warn" if got.status_code < 500 else "bad"
