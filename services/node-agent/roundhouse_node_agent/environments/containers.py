"""An engine's command, run in a container by Docker or Podman. Renders commands, runs none.

The container is on the host's network, so that the engine binds where it would without one. It sees the model's files
and the run's directory, both read-only, and exactly its devices. What the engine's environment holds, its key too, is
handed over by name: the values are in the environment of the client, not in its arguments.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final

from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor
from roundhouse_node_agent.domain.errors import LaunchFailed
from roundhouse_node_agent.engines.engine import Command
from roundhouse_node_agent.processes.identity import COOKIE_VARIABLE

__all__ = [
    "NODE_LABEL",
    "Place",
    "client_environment",
    "contained",
    "container_name",
    "in_image",
    "look_for",
    "places_of",
    "pull",
    "remove",
    "running_of",
    "writable",
]

NODE_LABEL: Final = "roundhouse.node"
_REPLICA_LABEL: Final = "roundhouse.replica"
_ENGINES: Final = Path(__file__).resolve().parent.parent / "engines"
"""Our runners, which are given to the image's interpreter."""
_PYTHON: Final = "python3"
_CLIENT: Final = ("DOCKER_HOST", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "CONTAINER_HOST", "CONTAINERS_CONF", "HOME")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and as what a container runs."""

    tool: str
    """The program of Docker or Podman."""
    image: str
    name: str
    node_id: str
    replica_id: str
    model_places: tuple[str, ...]
    """The model's path, and the directories that links in it lead to."""
    directory: str
    """Of the run."""
    agent_python: str
    """The interpreter that drivers name for our own runners; in the container it is the image's."""
    devices: tuple[DeviceInfo, ...] = ()


def client_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the client of Docker or Podman needs of the agent's environment to find its engine."""
    return {name: environment[name] for name in _CLIENT if name in environment}


def container_name(replica_id: str, attempt: int, launch: int) -> str:
    """Return the name of the container of one run."""
    return f"roundhouse-{replica_id}-{attempt}-{launch}"


def contained(command: Command, place: Place) -> Command:
    """Return the command that runs `command` in a container.

    Raises LaunchFailed for devices that nobody knows how to hand to a container.
    """
    words = [_PYTHON if word == place.agent_python else word for word in command.argv]
    arguments, variables = _devices(place)
    env = {**command.env, **variables}
    argv = [place.tool, "run", "--rm", "--name", place.name]
    argv += ["--label", f"{NODE_LABEL}={place.node_id}", "--label", f"{_REPLICA_LABEL}={place.replica_id}"]
    argv += ["--network", "host", "--ipc", "host", "--stop-signal", "SIGTERM", "--pull", "never", *arguments]
    for source in _read_only(place, words):
        argv += ["--volume", f"{source}:{source}:ro"]
    for source in writable(command, place.directory):
        argv += ["--volume", f"{source}:{source}"]
    for name in (*sorted(env), COOKIE_VARIABLE):
        argv += ["--env", name]
    argv += ["--entrypoint", words[0], place.image, *words[1:]]
    return replace(command, argv=tuple(argv), env=env)


def in_image(tool: str, image: str, command: Sequence[str]) -> tuple[str, ...]:
    """Return the command that runs one short command in a new container of an image."""
    head = (tool, "run", "--rm", "--network", "none", "--pull", "never", "--entrypoint", command[0])
    return (*head, image, *command[1:])


def pull(tool: str, image: str) -> tuple[str, ...]:
    """Return the command that fetches an image."""
    return (tool, "pull", image)


def look_for(tool: str, image: str) -> tuple[str, ...]:
    """Return the command that fails where the image is not on this host."""
    return (tool, "image", "inspect", "--format", "{{.Id}}", image)


def remove(tool: str, name: str) -> tuple[str, ...]:
    """Return the command that ends a container and leaves nothing of it; it may be gone already."""
    return (tool, "rm", "--force", name)


def running_of(tool: str, node_id: str) -> tuple[str, ...]:
    """Return the command that names this node's containers, one a line."""
    return (tool, "ps", "--all", "--filter", f"label={NODE_LABEL}={node_id}", "--format", "{{.Names}}")


def places_of(model_path: str) -> tuple[str, ...]:
    """Return a model's path and the directories that links in it lead to. Reads the disk."""
    model = Path(model_path)
    links = [model] if model.is_file() else [file for file in model.rglob("*") if file.is_symlink()]
    real = sorted({str(link.resolve().parent) for link in links if link.resolve().parent != link.parent})
    return (model_path, *real)


def writable(command: Command, directory: str) -> tuple[str, ...]:
    """Return the directories in the run's own that the driver tells the engine to keep things in."""
    given = {f"{directory}/{name}" for name in (*command.files, *command.links)}
    named = {value for value in command.env.values() if value.startswith(f"{directory}/")}
    return tuple(sorted(named - given))


def _read_only(place: Place, words: Sequence[str]) -> list[str]:
    """Return what the engine reads: the model's files, its run, and our runner if it has one."""
    runners = [str(_ENGINES)] if any(word.startswith(f"{_ENGINES}/") for word in words) else []
    return list(dict.fromkeys([*place.model_places, place.directory, *runners]))


def _devices(place: Place) -> tuple[list[str], dict[str, str]]:
    vendors = {device.vendor for device in place.devices}
    if not vendors:
        return [], {}
    vendor = min(vendors)
    give = _BY_VENDOR.get(vendor)
    if give is None or len(vendors) > 1:
        known = ", ".join(sorted(vendor.value for vendor in _BY_VENDOR))
        raise LaunchFailed(f"devices of {vendor.value} cannot be given to a container; those of {known} can")
    return give(place)


def _nvidia(place: Place) -> tuple[list[str], dict[str, str]]:
    uuids = [device.uuid for device in place.devices]
    if PurePosixPath(place.tool).name.startswith("podman"):
        return [word for uuid in uuids for word in ("--device", f"nvidia.com/gpu={uuid}")], {}
    return ["--gpus", f'"device={",".join(uuids)}"'], {"NVIDIA_VISIBLE_DEVICES": ",".join(uuids)}


def _amd(place: Place) -> tuple[list[str], dict[str, str]]:
    arguments = ["--device", "/dev/kfd", "--device", "/dev/dri", "--group-add", "video"]
    return [*arguments, "--security-opt", "seccomp=unconfined"], {}


def _ascend(place: Place) -> tuple[list[str], dict[str, str]]:
    """Cards are files of devices; inside, they are counted from 0 on again."""
    arguments = []
    for device in place.devices:
        number = device.minor if device.minor >= 0 else device.index
        arguments += ["--device", f"/dev/davinci{number}"]
    for shared in ("/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc"):
        arguments += ["--device", shared]
    arguments += ["--volume", "/usr/local/Ascend/driver:/usr/local/Ascend/driver:ro"]
    return arguments, {"ASCEND_RT_VISIBLE_DEVICES": ",".join(str(number) for number in range(len(place.devices)))}


_BY_VENDOR: Final[Mapping[DeviceVendor, Callable[[Place], tuple[list[str], dict[str, str]]]]] = MappingProxyType(
    {DeviceVendor.NVIDIA: _nvidia, DeviceVendor.AMD: _amd, DeviceVendor.ASCEND: _ascend}
)
