"""What the drivers share when they render a command."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from roundhouse_common.contracts.catalog import EngineKind
from roundhouse_common.sizing import MemoryShare, Unfit, memory_share
from roundhouse_node_agent.devices.visibility import device_environment
from roundhouse_node_agent.domain.engine_runtime import EngineRuntime
from roundhouse_node_agent.domain.errors import LaunchFailed
from roundhouse_node_agent.engines.engine import RenderOrder
from roundhouse_node_agent.engines.serving import own_template

__all__ = [
    "KEY_VARIABLE",
    "OFFLINE",
    "chat_template",
    "package_version",
    "share_flag",
    "visible_devices",
    "with_key",
]

KEY_VARIABLE: Final = "ROUNDHOUSE_ENGINE_API_KEY"
"""Where the runners beside the drivers find the key."""
OFFLINE: Final[Mapping[str, str]] = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "DO_NOT_TRACK": "1"}
"""Model files are on the node already: an engine that asks a hub would wait for an answer it does not need."""

_KEY_RUNNER = Path(__file__).with_name("key_runner.py")
_MOST_SHARE = 0.98
_TEMPLATE = "chat_template.jinja"
"""SGLang takes a name with another ending for a template of its own format."""
_VERSION_OF = """
import importlib.metadata as metadata, sys
for name in sys.argv[1:]:
    try:
        print(metadata.version(name))
        sys.exit(0)
    except metadata.PackageNotFoundError:
        pass
sys.exit(1)
"""


def package_version(runtime: EngineRuntime, *distributions: str) -> tuple[str, ...]:
    """Return a command that prints the version of the first of these that is installed, without importing it."""
    return (runtime.python, "-I", "-c", _VERSION_OF, *distributions)


def with_key(order: RenderOrder, flag: str, module: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return arguments for an engine that takes its key only as a flag: a runner adds it inside the process.

    Other users of the machine can read the arguments of a process, not what it makes of them.
    """
    return (order.runtime.python, "-I", "-u", str(_KEY_RUNNER), flag, module, *arguments)


def visible_devices(order: RenderOrder) -> dict[str, str]:
    """Name exactly the devices it may use. Empty hides all: unset would show all."""
    return dict(device_environment(order.devices))


def chat_template(order: RenderOrder) -> tuple[dict[str, str], dict[str, str]]:
    """Return the parameter that names the model's own chat template, and the file it is in; nothing without one."""
    text = own_template(order.version)
    if not text:
        return {}, {}
    return {"chat_template_file": f"{order.directory}/{_TEMPLATE}"}, {_TEMPLATE: text}


def share_flag(engine: EngineKind, order: RenderOrder, *, flag: str) -> tuple[str, ...]:
    """Return the flag for the share of each device's memory, sized to the need, or nothing without devices.

    Nothing either where the version states the share itself. A need that somebody stated is a share of the whole
    device. A version that has its devices for itself and no known need keeps the engine's own share.
    Raises LaunchFailed where there is no room.
    """
    if not order.devices or "memory_share" in order.version.parameters:
        return ()
    total = min(device.memory_total_bytes for device in order.devices)
    need = order.version.memory_need
    if need is None:
        resources = order.version.resources
        if resources.is_exclusive or resources.memory_bytes <= 0 or total <= 0:
            return ()
        return (flag, f"{min(_MOST_SHARE, resources.memory_bytes / total):.4f}")
    free = min(device.memory_free_bytes for device in order.devices)
    match memory_share(engine, need, device_total_bytes=total, device_free_bytes=free):
        case MemoryShare(flag=""):
            return (flag, f"{min(_MOST_SHARE, need.total_bytes / total):.4f}")
        case MemoryShare(value=value):
            return (flag, f"{value:.4f}")
        case Unfit() as unfit:
            raise LaunchFailed(str(unfit))
