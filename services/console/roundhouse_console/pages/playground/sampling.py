"""How models are asked: the system prompt, sampling, a JSON schema, tools."""

from nicegui import ui

from roundhouse_console.domain.chatting import parsed_schema, parsed_tools
from roundhouse_console.domain.conversations import Sampling
from roundhouse_console.domain.playground import number_of, stops_of
from roundhouse_console.kit.dialogs import form_dialog, until_closed
from roundhouse_console.kit.here import t

__all__ = ["change_sampling"]


async def change_sampling(known: Sampling) -> Sampling | None:
    """Let a person change how the models of a conversation are asked; None: they did not."""
    with form_dialog(t("Settings of this conversation"), button=t("Use"), is_large=True) as (dialog, form):
        system = _area(t("System prompt"), known.system)
        with ui.element("div").classes("rh-row"):
            temperature = _number(t("Temperature"), known.temperature, 0, 2, 0.1)
            top_p = _number("top_p", known.top_p, 0, 1, 0.05)
            max_tokens = _number(t("Most tokens"), known.max_tokens, 1, 10_000_000, 1)
            seed = _number(t("Seed"), known.seed, 0, 2**31 - 1, 1)
            presence = _number(t("Presence penalty"), known.presence_penalty, -2, 2, 0.1)
            frequency = _number(t("Frequency penalty"), known.frequency_penalty, -2, 2, 0.1)
        ui.label(t("Empty fields are left to the model.")).classes("rh-dim")
        stop = _area(t("Stop sequences, one a line"), "\n".join(one.replace("\n", "\\n") for one in known.stop))
        schema = _area(t("Answers follow this JSON schema"), known.schema, is_code=True)
        tools = _area(t("Tools, as a JSON array of function definitions"), known.tools, is_code=True)

    async def use() -> Sampling:
        parsed_schema(schema.value or "")
        parsed_tools(tools.value or "")
        return Sampling(
            system=system.value or "",
            temperature=number_of(temperature.value),
            top_p=number_of(top_p.value),
            max_tokens=_whole(max_tokens.value),
            seed=_whole(seed.value),
            stop=stops_of(stop.value or ""),
            presence_penalty=number_of(presence.value),
            frequency_penalty=number_of(frequency.value),
            schema=schema.value or "",
            tools=tools.value or "",
        )

    form.send = use
    chosen = await until_closed(dialog)
    return chosen if isinstance(chosen, Sampling) else None


def _area(label: str, value: str, *, is_code: bool = False) -> ui.textarea:
    made = ui.textarea(label, value=value).props("outlined dense autogrow")
    return made.classes("rh-code-field") if is_code else made


def _number(label: str, value: float | None, least: float, most: float, step: float) -> ui.number:
    made = ui.number(label, value=value, min=least, max=most, step=step).props("outlined dense clearable")
    return made.classes("rh-number-field")


def _whole(value: object) -> int | None:
    number = number_of(value)
    return None if number is None else int(number)
