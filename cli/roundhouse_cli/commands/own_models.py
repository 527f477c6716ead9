"""Own models: from files of this machine, from a Modelfile, from another model; and what their callers get."""

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from roundhouse_cli.commands.launch_options import settings_of
from roundhouse_cli.commands.model_arguments import Model, find_model
from roundhouse_cli.commands.options import CLOCK, Output, Url, connect
from roundhouse_cli.errors import Failure, Refused, UsageFault
from roundhouse_cli.output import OutputFormat, note, show_item
from roundhouse_cli.rest import Item, Services
from roundhouse_cli.uploads import upload

__all__ = ["add_to", "looked_at"]

_MODELS = "/api/v1/models"
_FETCHED = frozenset({"hugging-face", "model-scope", "http", "upload"})
_FROM = re.compile(r"^[ \t]*FROM[ \t]+(.+?)[ \t]*$", re.IGNORECASE | re.MULTILINE)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What clients and `roundhouse deploy` call it.")]
Kind = Annotated[str, typer.Option(help="chat, completion, embedding, rerank, ...")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to `roundhouse models`."""
    for name, command in (
        ("create", create),
        ("upload", bring),
        ("copy", copy),
        ("modelfile", modelfile),
        ("defaults", defaults),
        ("inspect", inspect),
    ):
        app.command(name)(command)


def create(
    name: Name,
    file: Annotated[Path, typer.Option("--file", "-f", help="The Modelfile.")] = Path("Modelfile"),
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Add a model as a Modelfile describes it. Files of this machine that FROM names (./ or ../) are uploaded."""
    text = _read(file)
    with connect(url) as services:
        body = {"name": name, "modelfile": _with_uploads(services, text, file.absolute().parent)}
        _made(services.catalog.post(f"{_MODELS}:from-modelfile", body), output)


def bring(
    name: Name,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A GGUF file, or a directory with safetensors.")],
    kind: Kind = "chat",
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Upload a model's files from this machine, and add it. Interrupted, the same command goes on."""
    with connect(url) as services:
        upload_id = upload(services.catalog, path, CLOCK)
        body = {"name": name, "kind": kind, "source": {"kind": "upload", "uri": upload_id}}
        _made(looked_at(services, services.catalog.post(_MODELS, body)), output)


def copy(model: Model, name: Name, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Add the same model under another name; its files are not copied."""
    with connect(url) as services:
        found = find_model(services, model)
        _made(services.catalog.post(f"{_MODELS}/{found['id']}:copy", {"name": name}), output)


def modelfile(model: Model, url: Url = "") -> None:
    """Print a model as a Modelfile."""
    with connect(url) as services:
        found = find_model(services, model)
        print(services.catalog.text(f"{_MODELS}/{found['id']}/modelfile"), end="")


def defaults(
    model: Model,
    system: Annotated[str | None, typer.Option(help="The system message; an empty one takes it away.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A sampling parameter, e.g. temperature=0.2; may be repeated."),
    ] = None,
    unset: Annotated[list[str] | None, typer.Option(metavar="KEY", help="Take one away; may be repeated.")] = None,
    chat_template: Annotated[Path | None, typer.Option(help="A file with a Jinja chat template.")] = None,
    url: Url = "",
    output: Output = OutputFormat.TABLE,
) -> None:
    """Set what callers get whose requests do not say otherwise. Versions that exist keep what they were made with."""
    if not (settings or unset) and system is None and chat_template is None:
        raise UsageFault(
            "Say what to change, with --system, --set, --unset or --chat-template; `models show` shows it."
        )
    with connect(url) as services:
        found = find_model(services, model)
        known = found.get("defaults") or {"system_message": "", "parameters": {}, "chat_template": ""}
        parameters = {**known["parameters"], **_values(settings)}
        for name in unset or []:
            if parameters.pop(name, None) is None:
                raise Failure(f"{found['name']} has no parameter {name!r}; it has {', '.join(parameters) or 'none'}.")
        wanted = {
            "system_message": known["system_message"] if system is None else system,
            "parameters": parameters,
            "chat_template": known["chat_template"] if chat_template is None else _read(chat_template),
        }
        changed = services.catalog.patch(f"{_MODELS}/{found['id']}", {"defaults": wanted})
        if output is OutputFormat.JSON:
            show_item(changed, output)
        else:
            note(f"{found['name']} is changed; `roundhouse versions add` takes it into a deployment.")


def inspect(model: Model, url: Url = "", output: Output = OutputFormat.TABLE) -> None:
    """Have a node read what the model's files say: size, context, memory it will need."""
    with connect(url) as services:
        found = find_model(services, model)
        show_item(services.catalog.post(f"{_MODELS}/{found['id']}:inspect"), output)


def _with_uploads(services: Services, text: str, directory: Path) -> str:
    """Return the Modelfile with an upload in the place of each file of this machine that FROM names."""

    def brought(found: re.Match[str]) -> str:
        named = found[1].strip("\"'")
        if not named.startswith(("./", "../")):
            return found[0]
        return f"FROM {upload(services.catalog, directory / named, CLOCK)}"

    return _FROM.sub(brought, text)


def _values(settings: list[str] | None) -> Item:
    """Read KEY=VALUE pairs whose values are JSON where they can be: numbers, lists; else text."""
    values: Item = {}
    for name, text in (settings_of(settings, "--set") or {}).items():
        try:
            values[name] = json.loads(text, parse_constant=str)  # NaN and Infinity are no JSON
        except ValueError:
            values[name] = text
    return values


def looked_at(services: Services, added: Item) -> Item:
    """Return the model with what its files say; where no node could read them say why: a typing error shows at once."""
    if added["source"]["kind"] not in _FETCHED or added.get("facts"):
        return added
    try:
        return services.catalog.post(f"{_MODELS}/{added['id']}:inspect")
    except Refused as refusal:
        note(f"{added['name']} is added, but cannot be deployed yet. {refusal}")
        return added


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageFault(f"{path} cannot be read: {error}.") from None


def _made(model: Item, output: OutputFormat) -> None:
    for said in model.get("notes") or []:
        note(said)
    show_item(model, output)
