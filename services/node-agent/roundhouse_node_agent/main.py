"""The composition root: builds the agent from its settings and runs it."""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from functools import partial
from pathlib import Path

import structlog

from roundhouse_common.bus.connected import connected
from roundhouse_common.bus.nats_bus import NatsBus
from roundhouse_common.contracts.base import Service as ServiceName
from roundhouse_common.contracts.catalog import EngineKind, SourceKind
from roundhouse_common.runtime import NodeId, SystemClock, SystemIds, system_random
from roundhouse_common.service.service import Service
from roundhouse_common.service.settings import load_settings
from roundhouse_node_agent.core import AgentOptions, NodeAgent
from roundhouse_node_agent.devices.inventory import Inventory
from roundhouse_node_agent.devices.known import known_devices
from roundhouse_node_agent.devices.meter import DeviceMeters
from roundhouse_node_agent.domain.errors import StateDirUnusable
from roundhouse_node_agent.engines.client import EngineClient
from roundhouse_node_agent.engines.discovery import candidates, verified
from roundhouse_node_agent.engines.engine import Engine
from roundhouse_node_agent.engines.known import all_engines
from roundhouse_node_agent.environments.collector import EnvironmentsCollector
from roundhouse_node_agent.environments.container_tool import ContainerTool
from roundhouse_node_agent.environments.installer import Installer
from roundhouse_node_agent.environments.making import Maker
from roundhouse_node_agent.environments.manager import EngineEnvironments
from roundhouse_node_agent.environments.packages import tools_of
from roundhouse_node_agent.environments.recipe import load_recipes
from roundhouse_node_agent.environments.store import EnvironmentStore
from roundhouse_node_agent.loops import log_lines
from roundhouse_node_agent.metrics import AgentCollector
from roundhouse_node_agent.models.adoption import DiskFinder
from roundhouse_node_agent.models.cleaning import Cleaning
from roundhouse_node_agent.models.collector import FilesCollector
from roundhouse_node_agent.models.keeper import LocalKeeper, NoFileServer
from roundhouse_node_agent.models.path import PathResolver
from roundhouse_node_agent.models.peers import FileServer
from roundhouse_node_agent.models.provision import ModelFiles, ProvisionOptions, limits_for
from roundhouse_node_agent.models.python_package import PythonPackageResolver
from roundhouse_node_agent.models.source import ModelResolver
from roundhouse_node_agent.processes.host_meter import HostMeter
from roundhouse_node_agent.processes.identity import ProcessTable
from roundhouse_node_agent.processes.local_host import HostOptions, LocalHost
from roundhouse_node_agent.processes.run_store import RunStore
from roundhouse_node_agent.processes.state_dir import StateDir
from roundhouse_node_agent.settings import NodeAgentSettings
from roundhouse_node_agent.sources.source import SourceOptions
from roundhouse_node_agent.transfers import runner
from roundhouse_node_agent.transfers.store import FileStore

__all__ = ["EXIT_REMOVED", "EXIT_STATE_DIR", "EXIT_SUPERSEDED", "main"]

EXIT_STATE_DIR = 1
EXIT_SUPERSEDED = 4
"""A newer agent has registered for this node: starting again would only take it back."""
EXIT_REMOVED = 5
"""An administrator removed this node, or took its credentials back: it has to join again."""

_log = structlog.get_logger(__name__)


def main() -> int:
    """Run the agent until a signal or until it is superseded; return the exit code."""
    settings = load_settings(NodeAgentSettings)
    try:
        state_dir = StateDir.open(settings.state_dir, node_id=settings.node_id, ids=SystemIds())
        models = state_dir.place_models(settings.models_dir)
    except StateDirUnusable as error:
        print(f"node-agent: {error.message}", file=sys.stderr)  # noqa: T201 - before logging is configured
        return EXIT_STATE_DIR
    with contextlib.closing(state_dir):
        return _build(settings, state_dir, models).run()


def _build(settings: NodeAgentSettings, state_dir: StateDir, models: Path) -> Service:
    clock, ids, rng = SystemClock(), SystemIds(), system_random()
    service = Service("node-agent", settings, clock=clock, rng=rng)
    bus = NatsBus(
        ServiceName.NODE_AGENT,
        url=settings.nats_url,
        seed_file=settings.nats_seed_file,
        instance=settings.instance,
        clock=clock,
        ids=ids,
        node_id=state_dir.node_id,
        registry=service.registry,
        on_revoked=lambda: agent.context.remove("its credentials were taken back; it has to join again"),
    )
    client = EngineClient()
    devices = known_devices(clock)
    inventory = Inventory(
        devices.providers,
        address=settings.address,
        agent_version=service.version,
        region=settings.region,
        zone=settings.zone,
        labels=settings.labels,
    )
    engines = all_engines()
    containers = ContainerTool()
    environments = _environments(settings, state_dir, engines, containers, lambda: host.environments_in_use())
    meters = DeviceMeters(devices.meters)
    files = _model_files(settings, models, environments)
    host = _host(
        settings, state_dir, inventory, HostMeter(meters, clock), engines, environments, containers, client, files
    )
    offer = _file_server(settings, files)
    agent = NodeAgent(
        node_id=NodeId(state_dir.node_id),
        bus=bus,
        host=host,
        clock=clock,
        ids=ids,
        rng=rng,
        options=_agent_options(settings),
        on_superseded=partial(service.stop, exit_code=EXIT_SUPERSEDED),
        on_removed=partial(service.stop, exit_code=EXIT_REMOVED),
        keeper=LocalKeeper(
            state_dir=state_dir.path,
            files=files,
            cleaning=Cleaning(files, clock),
            environments=environments,
            address=offer or NoFileServer(),
        ),
    )
    service.resource("inventory", _closing(inventory))
    service.resource("device-meters", _closing(meters))
    service.resource("engine-client", client)
    service.resource("engines", _discovered(environments, engines, settings))
    if offer is not None:
        service.resource("file-server", offer)
    service.resource("bus", connected(bus))
    service.resource("agent", _started(agent))
    _add_loops(service, agent, files, lambda: log_lines.run(bus, state_dir.node_id, host.log_feeds))
    service.loop("engine-environments", environments.run)
    service.registry.register(EnvironmentsCollector(environments))
    service.ready_when("bus", lambda: None if bus.is_connected else "no connection to NATS")
    service.ready_when("registration", lambda: None if agent.context.registered else "not registered yet")
    return service


def _add_loops(
    service: Service, agent: NodeAgent, files: ModelFiles, feed_log_lines: Callable[[], Awaitable[None]]
) -> None:
    for name, loop in agent.loops().items():
        service.loop(name, loop)
    service.loop("log-lines", feed_log_lines)
    service.registry.register(AgentCollector(agent.context))
    service.registry.register(FilesCollector(files))


def _host(
    settings: NodeAgentSettings,
    state_dir: StateDir,
    inventory: Inventory,
    meter: HostMeter,
    engines: Mapping[str, Engine],
    environments: EngineEnvironments,
    containers: ContainerTool,
    client: EngineClient,
    files: ModelFiles,
) -> LocalHost:
    return LocalHost(
        state_dir=state_dir,
        store=RunStore(state_dir.path, ProcessTable()),
        inventory=inventory,
        meter=meter,
        engines=engines,
        environments=environments,
        containers=containers,
        resolvers=_resolvers(settings, environments),
        files=files,
        sources=_sources(settings),
        client=client,
        clock=SystemClock(),
        ids=SystemIds(),
        rng=system_random(),
        options=HostOptions(
            engine_host=settings.engine_host,
            address=settings.address,
            port_first=settings.engine_port_first,
            port_last=settings.engine_port_last,
            stop_grace_s=settings.stop_grace_s,
            log_segment_bytes=settings.log_segment_bytes,
            log_segments=settings.log_segments,
            kept_histories=settings.kept_histories,
        ),
    )


def _resolvers(settings: NodeAgentSettings, environments: EngineEnvironments) -> dict[SourceKind, ModelResolver]:
    def pythons() -> list[str]:
        return [runtime.python for runtime in environments.runtimes().values() if runtime.python]

    return {
        SourceKind.PATH: PathResolver(tuple(settings.model_directories)),
        SourceKind.PYTHON_PACKAGE: PythonPackageResolver(pythons),
    }


def _model_files(settings: NodeAgentSettings, root: Path, environments: EngineEnvironments) -> ModelFiles:
    limits = limits_for(
        connections=settings.download_connections,
        rate_bytes_s=settings.download_rate_bytes_s,
        at_once=settings.downloads_at_once,
        headroom_bytes=settings.disk_headroom_bytes,
    )
    return ModelFiles(
        store=FileStore(root),
        fetch=runner.fetch,
        local=_resolvers(settings, environments),
        clock=SystemClock(),
        options=ProvisionOptions(at_once=settings.downloads_at_once, limits=limits, sources=_sources(settings)),
        find_on_disk=DiskFinder(
            model_directories=settings.model_directories, hugging_face_cache=settings.adopts_hugging_face_cache
        ),
    )


def _sources(settings: NodeAgentSettings) -> SourceOptions:
    return SourceOptions(
        hugging_face_endpoints=tuple(settings.hugging_face_endpoints),
        hugging_face_token_file=str(settings.hugging_face_token_file or ""),
        model_scope_endpoints=tuple(settings.model_scope_endpoints),
        model_scope_token_file=str(settings.model_scope_token_file or ""),
        http_tokens_file=str(settings.http_tokens_file or ""),
    )


def _file_server(settings: NodeAgentSettings, files: ModelFiles) -> FileServer | None:
    if not settings.offers_files:
        return None
    return FileServer(files.store, host=settings.engine_host, port=settings.files_port, address=settings.address)


def _agent_options(settings: NodeAgentSettings) -> AgentOptions:
    return AgentOptions(
        start_timeout_s=settings.start_timeout_s,
        probe_interval_s=settings.probe_interval_s,
        probe_failures=settings.probe_failures,
        drain_settle_s=settings.drain_settle_s,
        sample_interval_s=settings.sample_interval_s,
    )


def _environments(
    settings: NodeAgentSettings,
    state_dir: StateDir,
    engines: Mapping[str, Engine],
    containers: ContainerTool,
    in_use: Callable[[], Collection[str]],
) -> EngineEnvironments:
    store = EnvironmentStore(state_dir.path / "engines")
    maker = Maker(
        store=store,
        installer=Installer(silence_s=settings.install_silence_s),
        tools=lambda: tools_of(
            os.environ,
            home=Path.home(),
            index=settings.package_index,
            extra_indexes=settings.package_extra_indexes,
            find_links=settings.package_find_links,
            within_s=settings.install_timeout_s,
        ),
        containers=containers,
        recipes=load_recipes(),
        headroom_bytes=settings.disk_headroom_bytes,
    )
    return EngineEnvironments(
        store=store,
        maker=maker,
        drivers=engines,
        clock=SystemClock(),
        may_install=settings.installs_engines,
        in_use=in_use,
    )


@contextlib.asynccontextmanager
async def _discovered(
    environments: EngineEnvironments, engines: Mapping[str, Engine], settings: NodeAgentSettings
) -> AsyncIterator[None]:
    """Hand over the engines that answer, and take up those that were installed: the node offers no others."""
    known = candidates(
        agent_python=sys.executable,
        stated={EngineKind.LLAMA_CPP.value: settings.llamacpp_python, **settings.engine_programs},
        find_program=shutil.which,
        has_custom=settings.offers_custom_engines,
    )
    looks = [asyncio.to_thread(verified, engines[one.kind], one) for one in known if one.kind in engines]
    found = [runtime for runtime in await asyncio.gather(*looks) if runtime is not None]
    for runtime in found:
        _log.info("engine_found", engine=runtime.kind, version=runtime.version, origin=runtime.origin)
    await environments.open(found)
    yield


@contextlib.asynccontextmanager
async def _started(agent: NodeAgent) -> AsyncIterator[None]:
    """Engines are left running at the end: the next agent adopts them."""
    await agent.start()
    yield


@contextlib.asynccontextmanager
async def _closing(devices: Inventory | DeviceMeters) -> AsyncIterator[None]:
    with contextlib.closing(devices):
        yield
