"""How a program calls the model: with the real address and one of the person's keys, whose secret stays out."""

from nicegui import ui

from roundhouse_console.clients.rest import Item
from roundhouse_console.domain.errors import ConsoleError, SignedOut
from roundhouse_console.domain.examples import KEY_VARIABLE, LANGUAGES, example
from roundhouse_console.domain.models import Uses
from roundhouse_console.kit.here import here, t
from roundhouse_console.kit.panels import note, panel

__all__ = ["ask_keys", "examples"]


async def ask_keys() -> list[Item]:
    """Return the person's own keys that are good; none where they may have none."""
    if not here().may("keys:read"):
        return []
    person, me = here().person, here().me
    try:
        found = await person.cached.get(
            "own keys", lambda: person.catalog.items("/api/v1/api-keys", user_id=me.id), for_s=10.0
        )
    except SignedOut:
        raise
    except ConsoleError:
        return []
    return [one for one in found if not one["is_revoked"]]


def examples(model: Item, uses: Uses, keys: list[Item]) -> None:
    """Build the panel with programs to copy."""
    names = list(dict.fromkeys([*([uses.trial] if uses.trial else []), *(one["name"] for one in uses.running)]))
    with panel(t("Call it from a program")):
        if not names:
            note(t("Nothing serves this model yet. Deploy it; the deployment's name is what programs send as `model`."))
        with ui.element("div").classes("rh-row"):
            name = ui.select(names or [model["name"]], value=(names or [model["name"]])[0], label=t("Deployment"))
            name.props("outlined dense").classes("rh-field")
            name.set_visibility(len(names) > 1)
            key = ui.select(
                {"": t("Any of your keys"), **{one["id"]: _key_text(one) for one in keys}}, value="", label=t("API key")
            )
            key.props("outlined dense").classes("rh-field")
        with ui.tabs().props("dense align=left no-caps").classes("rh-tabs") as tabs:
            for language in LANGUAGES:
                ui.tab(language)
        tabs.set_value(LANGUAGES[0])
        with ui.element("div").classes("rh-copy"):
            shown = ui.label().classes("rh-code rh-pre").mark("example")
            ui.button(icon="content_copy", on_click=lambda: ui.clipboard.write(shown.text)).props(
                f'flat dense round aria-label="{t("Copy")}"'
            )

        def draw() -> None:
            meant = next((_key_text(one) for one in keys if one["id"] == key.value), t("one of your API keys"))
            shown.set_text(
                example(
                    str(tabs.value),
                    kind=model["kind"],
                    name=str(name.value),
                    router_url=here().person.addresses.router_public,
                    key=t("set {variable} to the secret of {key}", variable=KEY_VARIABLE, key=meant),
                )
            )

        for one in (tabs, name, key):
            one.on_value_change(draw)
        draw()


def _key_text(key: Item) -> str:
    return f"{key['name']} ({key['prefix']}…{key['last_four']})"
