"""Outside providers: where they are, their keys, and whether they answer."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from nicegui import ui

from roundhouse_console.clients.rest import Item, path_of
from roundhouse_console.domain.labels import labels_of, labels_text
from roundhouse_console.kit.dialogs import confirm, form_dialog, gone_when_closed, until_closed
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.live import follow
from roundhouse_console.kit.panels import Tone, page_head, panel
from roundhouse_console.kit.signals import attempt
from roundhouse_console.kit.tables import Row, action, actions, column, state, table, text
from roundhouse_console.pages.traffic.parts import traffic_tabs

__all__ = ["show"]

_PATH = "/api/v1/providers"
_FORMATS: Final[dict[str, str]] = {
    "openai": "OpenAI",
    "anthropic": "Anthropic",
    "ollama": "Ollama",
    "replicate": "Replicate",
}
_TONES: Final[dict[str, Tone]] = {"ok": "good", "limited": "warn"}
_SHOWN_KEYS: Final = 3
_SHOWN_MODELS: Final = 50
Look = Callable[[], Awaitable[None]]


async def show() -> None:
    looks: list[Look] = []

    async def add() -> None:
        if await _ask_new():
            await _again(looks)

    with page_head(t("Providers"), t("Outside APIs that routes can lead to, with their keys.")):
        if here().me.may_anywhere("providers:write"):
            ui.link(t("Import from LiteLLM"), "/traffic/import").classes("rh-button-quiet")
            ui.button(t("Add a provider"), icon="add", on_click=add).props("unelevated no-caps")
    traffic_tabs("providers")
    with panel():
        looks.append(await follow(lambda: here().person.catalog.items(_PATH), lambda: _table(looks)))


async def _again(looks: list[Look]) -> None:
    here().person.cached.clear()
    for look in looks:
        await look()


def _table(looks: list[Look]) -> Callable[[list[Item]], None]:
    by_id: dict[str, Item] = {}
    acts: dict[str, Callable[[Item], Awaitable[bool]]] = {
        "check": _check,
        "keys": _keys,
        "change": _change,
        "remove": _remove,
    }

    async def act(provider_id: str, name: str) -> None:
        if await acts[name](by_id[provider_id]):
            await _again(looks)

    put = table(
        [
            column("name", t("Name")),
            column("url", t("Address")),
            column("keys", t("Keys"), is_wide=True),
            column("bound", t("Requests at once"), align="right", is_wide=True),
            column("of", t("Of"), is_wide=True),
            column("actions", "", align="right", is_sortable=False),
        ],
        label=t("Providers"),
        order="name",
        on_action=act,
        nothing=t("There are no providers. Add one, and routes can lead to its models when yours are full or fail."),
    )

    def put_all(found: list[Item]) -> None:
        by_id.clear()
        by_id.update({one["id"]: one for one in found})
        put([_row(one) for one in found])

    return put_all


def _row(provider: Item) -> Row:
    buttons = []
    if here().me.may_anywhere("providers:write"):
        buttons = [
            action("check", "network_check", t("Ask for its models")),
            action("keys", "key", t("Keys")),
            action("change", "edit", t("Change")),
            action("remove", "delete", t("Remove"), is_destructive=True),
        ]
    endings = [_ending(one) for one in provider["keys"]]
    more = f" +{len(endings) - _SHOWN_KEYS}" if len(endings) > _SHOWN_KEYS else ""
    return {
        "id": provider["id"],
        "label": provider["name"],
        "name": text(provider["name"], sub=_FORMATS.get(str(provider["format"]), "")),
        "url": provider["base_url"],
        "keys": " ".join(endings[:_SHOWN_KEYS]) + more or t("none"),
        "bound": provider["in_flight_most"] or t("no bound"),
        "of": state(t("platform"), "busy") if provider["is_platform"] else state(t("tenant"), "quiet"),
        "actions": actions(*buttons),
    }


def _ending(key: Item) -> str:
    return f"…{key['last_four']}" if key["last_four"] else "…"


def _line(label: str, value: str = "", example: str = "") -> ui.input:
    return ui.input(label, value=value, placeholder=example or None).props("outlined dense stack-label")


def _secret(label: str) -> ui.input:
    return ui.input(label, password=True).props("outlined dense stack-label autocomplete=off")


async def _ask_new() -> bool:
    catalog = here().person.catalog
    with form_dialog(t("Add a provider"), button=t("Add")) as (dialog, form):
        name = _line(t("Name"), example="together").props("autofocus")
        kind = ui.select(_FORMATS, value="openai", label=t("The API that it speaks")).props("outlined dense")
        url = _line(t("Address"), example="https://api.together.xyz/v1")
        url.props["hint"] = t("Where the API's paths begin")
        key = _secret(t("API key of the provider"))
        key.props["hint"] = t("Nobody can read it again; more can be added later")
        read = _rest_fields(None)
        platform = ui.switch(t("For routes of every tenant")) if here().may("platform:admin") else None

        async def send() -> bool:
            body: Item = {
                "name": (name.value or "").strip(),
                "format": kind.value,
                "base_url": (url.value or "").strip(),
                "keys": [{"secret": key.value}] if key.value else [],
                **read(),
                "is_platform": bool(platform is not None and platform.value),
            }
            await catalog.post(_PATH, body)
            return True

        form.send = send
    return await until_closed(dialog) is True


def _rest_fields(provider: Item | None) -> Callable[[], Item]:
    """Build what is rarely stated; returns what reads it."""
    most = ui.number(t("Requests at once from one router"), value=provider["in_flight_most"] if provider else 0, min=0)
    most.props("outlined dense stack-label").props["hint"] = t("0: no bound")
    headers = _line(t("Headers"), labels_text(provider["headers"]) if provider else "", example="x-title=Roundhouse")
    headers.props["hint"] = t("Sent with every request, and shown: no place for secrets")

    def read() -> Item:
        return {"in_flight_most": int(most.value or 0), "headers": labels_of(headers.value or "")}

    return read


async def _change(provider: Item) -> bool:
    catalog, path = here().person.catalog, path_of("/api/v1/providers/{}", provider["id"])
    found = await attempt(lambda: catalog.with_etag(path))
    if found is None:
        return False
    current, etag = found
    with form_dialog(t("Change {name}", name=current["name"]), button=t("Save")) as (dialog, form):
        url = _line(t("Address"), current["base_url"])
        read = _rest_fields(current)

        async def send() -> bool:
            await catalog.patch(path, {"base_url": (url.value or "").strip(), **read()}, etag=etag)
            return True

        form.send = send
    return await until_closed(dialog) is True


async def _keys(provider: Item) -> bool:
    """Show the keys by their endings: one can be added, others removed. True: something was changed."""
    catalog, path = here().person.catalog, path_of("/api/v1/providers/{}/keys", provider["id"])
    gone: set[str] = set()
    with form_dialog(t("Keys of {name}", name=provider["name"]), button=t("Add the key")) as (dialog, form):
        if not provider["keys"]:
            ui.label(t("It has no keys: it is asked without one.")).classes("rh-dim")
        for key in provider["keys"]:
            with ui.element("div").classes("rh-copy") as row:
                ui.label(f"{_ending(key)}  {key['name']}").classes("rh-code")
                remove = ui.button(icon="delete").props("flat dense round color=negative")
                remove.props["aria-label"] = t("Remove the key {ending}", ending=_ending(key))
                remove.on_click(_remover(provider, key, row, gone))
        secret, name = _secret(t("A further key")), _line(t("Its name, for people"))

        async def send() -> bool:
            if not secret.value:
                raise ValueError(t("Type the key that is to be added."))
            await catalog.post(path, {"secret": secret.value, "name": (name.value or "").strip()})
            return True

        form.send = send
    return await until_closed(dialog) is True or bool(gone)


def _remover(provider: Item, key: Item, row: ui.element, gone: set[str]) -> Callable[[], Awaitable[None]]:
    path = path_of("/api/v1/providers/{}/keys/{}", provider["id"], key["id"])

    async def remove() -> None:
        what = [t("Routers stop using it within a second or so. The provider's other keys stay.")]
        title = t("Remove the key {ending}?", ending=_ending(key))
        if not await confirm(title, what, button=t("Remove")):
            return

        async def work() -> bool:
            await here().person.catalog.delete(path)
            return True

        if await attempt(work):
            gone.add(key["id"])
            row.delete()

    return remove


async def _check(provider: Item) -> bool:
    """Ask it for its models with each key, and show what it says."""
    path = path_of("/api/v1/providers/{}:check", provider["id"])
    with ui.dialog() as dialog, ui.card().classes("rh-dialog rh-large"):
        ui.element("h2").classes("rh-panel-title")._text = dialog.props["aria-label"] = t(
            "What {name} says", name=provider["name"]
        )
        holder = ui.element("div").classes("rh-column").props("aria-live=polite")
        with holder:
            ui.label(t("It is asked for its models, once with each key …")).classes("rh-dim")
        with ui.element("div").classes("rh-dialog-buttons"):
            ui.button(t("Close"), on_click=dialog.close).props("flat no-caps")
    gone_when_closed(dialog)
    dialog.open()
    said = await attempt(lambda: here().person.catalog.post(path))
    if not holder.is_deleted:
        holder.clear()
        with holder:
            _said(said)
    return False


def _said(said: dict[str, Any] | None) -> None:
    if said is None:
        ui.label(t("It could not be asked.")).classes("rh-dim")
        return
    rows: list[Row] = [
        {
            "id": one["key_id"] or "none",
            "key": _ending(one) if one["key_id"] else t("without a key"),
            "result": state(t(one["result"]), _TONES.get(one["result"], "bad")),
            "detail": one["detail"],
        }
        for one in said["checks"]
    ]
    columns = [column("key", t("Key")), column("result", t("Result")), column("detail", t("Detail"))]
    table(columns, label=t("Result"), rows=rows, search=False)
    if said["models"]:
        ui.element("h3").classes("rh-h3")._text = t("Models")
        ui.label(", ".join(said["models"][:_SHOWN_MODELS])).classes("rh-code rh-break-words")


async def _remove(provider: Item) -> bool:
    name, catalog = provider["name"], here().person.catalog
    what = [t("It goes with its keys, which nobody can read again. It is refused while a route leads to it.")]
    if not await confirm(t("Remove {name}?", name=name), what, button=t("Remove")):
        return False

    async def remove() -> bool:
        await catalog.delete(path_of("/api/v1/providers/{}", provider["id"]))
        return True

    return bool(await attempt(remove, t("{name} is removed.", name=name)))
