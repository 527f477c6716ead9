"""Bodies of `/placements:dryRun`. What can never be placed is refused: the field, what was found, what is allowed."""

import enum
from collections.abc import Mapping, Set
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, Field

from roundhouse_common.contracts.catalog import (
    Alternative,
    AntiAffinity,
    EngineKind,
    MemoryNeed,
    Placement,
    PlacementStrategy,
    Resources,
)
from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.http import Body
from roundhouse_common.sizing import Unfit, memory_share
from roundhouse_common.words import quoted
from roundhouse_scheduler.api.command_views import CommandView, WantedCommand
from roundhouse_scheduler.api.order_bodies import SourceToFetch
from roundhouse_scheduler.domain.placement.demand import Shape
from roundhouse_scheduler.domain.placement.search import Choice
from roundhouse_scheduler.domain.placement.trial import Trial
from roundhouse_scheduler.domain.records import Node, RejectionReason

__all__ = ["DryRun", "DryRunView"]

_MOST_REPLICAS = 1000
_MOST_BYTES = 2**50
_FEW = 20
_Text = Annotated[str, Field(max_length=255)]
E = TypeVar("E", bound=enum.StrEnum)


class WantedResources(Body):
    """What one replica claims."""

    memory_bytes: int = Field(ge=1, le=_MOST_BYTES, description="Host memory, or memory on each device.")
    cpu_millis: int = Field(default=0, ge=0, le=4_096_000)
    device_count: int = Field(default=0, ge=0, le=1024)
    node_count: int = Field(default=1, ge=1, le=64)
    is_exclusive: bool = False


class WantedPlacement(Body):
    """Which nodes may run it. Empty means any."""

    node_labels: dict[_Text, _Text] = {}
    region: _Text = ""
    zone: _Text = ""
    device_vendor: _Text = ""
    device_model: _Text = ""
    device_uuids: list[_Text] = Field(default=[], max_length=1024)
    node_ids: list[_Text] = Field(default=[], max_length=1024)
    strategy: str = PlacementStrategy.SPREAD.value
    node_anti_affinity: str = AntiAffinity.PREFERRED.value
    zone_anti_affinity: str = AntiAffinity.PREFERRED.value


class WantedAlternative(Body):
    """How it runs on one class of devices."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    device_vendor: _Text = ""
    device_model: _Text = ""
    resources: WantedResources
    parameters: dict[str, str] = {}


class NeededMemory(Body):
    """What `memory_bytes` is made of, as the catalog computed it."""

    weights_bytes: int = Field(ge=0, le=_MOST_BYTES)
    kv_cache_bytes: int = Field(ge=0, le=_MOST_BYTES)
    activation_bytes: int = Field(ge=0, le=_MOST_BYTES)
    overhead_bytes: int = Field(ge=0, le=_MOST_BYTES)
    total_bytes: int = Field(default=0, ge=0, description="The sum; not looked at.")
    context_tokens: int = Field(ge=0)
    concurrency: int = Field(ge=0)
    devices: int = Field(ge=0)

    def need(self) -> MemoryNeed:
        """Return it as a value."""
        return MemoryNeed(**self.model_dump(exclude={"total_bytes"}))


class DryRun(Body):
    """A version, as far as placement is concerned, and how many replicas of it."""

    engine: str
    engine_version: _Text = Field(default="", description="Empty: any.")
    installs_engine: bool = Field(default=False, description="A node that lacks the engine may install it.")
    source: SourceToFetch | None = Field(
        default=None, description="Of the model: nodes that have its files whole are better than others."
    )
    model_kind: str = ""
    parameters: dict[str, str] = {}
    resources: WantedResources
    placement: WantedPlacement = WantedPlacement()
    alternatives: list[WantedAlternative] = Field(default=[], max_length=32)
    memory_need: NeededMemory | None = Field(default=None, description="For the engines' memory flags in the answer.")
    alternative_needs: dict[_Text, NeededMemory] = Field(default={}, description="The same, by alternative.")
    replicas: int = Field(default=1, ge=1, le=_MOST_REPLICAS)
    command: WantedCommand | None = Field(
        default=None, description="Ask the nodes for the commands, too; needs `deployments:write`."
    )

    def need_of(self, alternative: str) -> MemoryNeed | None:
        """Return the need of one way to run, as far as it is known."""
        found = self.alternative_needs.get(alternative) if alternative else self.memory_need
        return None if found is None else found.need()

    @property
    def files(self) -> str:
        """Key of the files that it needs; empty when that was not said."""
        return "" if self.source is None else self.source.key

    def finds_engine(self, node: Node) -> bool:
        """Return whether a node has the engine in the version that is asked for."""
        versions = node.inventory.engine_versions.get(self.engine, ())
        return self.engine in node.inventory.engines and self.engine_version in ("", *versions)

    def shape(self, nodes: Mapping[str, Node]) -> Shape:
        """Return what is asked for. Raises InvalidInput with every field at fault."""
        faults: list[FieldError] = []
        engine = _choice("engine", self.engine, EngineKind, faults)
        placement = self._placement(nodes, faults)
        for number, item in enumerate(self.alternatives):
            _check_vendor(f"alternatives.{number}.device_vendor", item.device_vendor, faults)
        if faults:
            raise InvalidInput("; ".join(f"{fault.field}: {fault.message}" for fault in faults[:3]), *faults)
        return Shape.asking(
            engine,
            Resources(**self.resources.model_dump()),
            placement,
            tuple(
                Alternative(
                    name=item.name,
                    device_vendor=item.device_vendor,
                    device_model=item.device_model,
                    resources=Resources(**item.resources.model_dump()),
                )
                for item in self.alternatives
            ),
            engine_version=self.engine_version,
            installs_engine=self.installs_engine,
        )

    def _placement(self, nodes: Mapping[str, Node], faults: list[FieldError]) -> Placement:
        wanted = self.placement
        _check_vendor("placement.device_vendor", wanted.device_vendor, faults)
        _check_known("placement.node_ids", wanted.node_ids, sorted(nodes), faults)
        devices = [device.uuid for node in nodes.values() for device in node.inventory.devices]
        _check_known("placement.device_uuids", wanted.device_uuids, sorted(devices), faults)
        counts = [self.resources.device_count, *(item.resources.device_count for item in self.alternatives)]
        if wanted.device_uuids and not any(counts):
            what = "devices are named and 0 found; with named devices 1 or more is allowed"
            faults.append(FieldError("resources.device_count", what))
        return Placement(
            node_labels=dict(wanted.node_labels),
            region=wanted.region,
            zone=wanted.zone,
            device_vendor=wanted.device_vendor,
            device_model=wanted.device_model,
            device_uuids=tuple(wanted.device_uuids),
            node_ids=tuple(wanted.node_ids),
            strategy=_choice("placement.strategy", wanted.strategy, PlacementStrategy, faults),
            node_anti_affinity=_choice("placement.node_anti_affinity", wanted.node_anti_affinity, AntiAffinity, faults),
            zone_anti_affinity=_choice("placement.zone_anti_affinity", wanted.zone_anti_affinity, AntiAffinity, faults),
        )


class MemoryShareView(BaseModel):
    """What the engine's memory flag would have to be there, so that it takes what it needs and no more."""

    flag: str = Field(examples=["--gpu-memory-utilization"])
    value: float


class PlacedDeviceView(BaseModel):
    """A device it would get."""

    uuid: str
    index: int
    model: str
    memory_share: MemoryShareView | None = Field(
        description="Null for an engine without such a flag, and where the memory was stated rather than computed."
    )


class PlacedView(BaseModel):
    """One replica, or one member of one, and where it would go."""

    replica: int = Field(description="1, 2, 3, ... in the order in which they are placed.")
    rank: int = Field(description="Of the member, for a replica that spans nodes.")
    node_id: str
    hostname: str
    region: str
    zone: str
    devices: list[PlacedDeviceView]
    alternative: str = Field(description="The device class that it would run by; empty for the version's own.")
    installs_engine: bool = Field(description="The node lacks the engine and would install it first.")
    has_files: bool | None = Field(description="Whether the node has the model's files whole; null: not asked.")
    score: float = Field(description="Higher is better; only compared with other nodes for the same replica.")
    command: CommandView | None = Field(
        default=None, description="What would be started there; null: not asked, or not one of the first 16."
    )


class TrialRejectionView(BaseModel):
    """Why one node, or one of its devices, cannot take the next replica."""

    node_id: str
    hostname: str
    device_uuid: str = Field(description="Empty when it is about the node as a whole.")
    reason: RejectionReason
    detail: str


class DryRunView(BaseModel):
    """What would happen now."""

    placed: list[PlacedView]
    unplaced: int = Field(description="Replicas for which there is no node.")
    rejections: list[TrialRejectionView] = Field(description="For the first that has none: the nearest misses first.")
    summary: str

    @classmethod
    def of(cls, trial: Trial, nodes: Mapping[str, Node], asked: DryRun, files: Mapping[str, Set[str]]) -> Self:
        """Return the view of a trial. `files` are the keys of what each node has whole."""
        wanted = asked.replicas
        rows = trial.nowhere.rejections if trial.nowhere is not None else ()
        return cls(
            placed=[
                _placed(number, rank, choice, nodes[choice.node_id], asked, files.get(choice.node_id, frozenset()))
                for number, choices in enumerate(trial.placed, start=1)
                for rank, choice in enumerate(choices)
            ],
            unplaced=wanted - len(trial.placed),
            rejections=[
                TrialRejectionView(
                    node_id=row.node_id,
                    hostname=nodes[row.node_id].inventory.hostname,
                    device_uuid=row.device_uuid,
                    reason=row.reason,
                    detail=row.detail,
                )
                for row in rows
            ],
            summary=_summary(trial, wanted),
        )


def _placed(number: int, rank: int, choice: Choice, node: Node, asked: DryRun, files: Set[str]) -> PlacedView:
    chosen = [device for device in node.inventory.devices if device.uuid in choice.device_uuids]
    return PlacedView(
        replica=number,
        rank=rank,
        node_id=node.node_id,
        hostname=node.inventory.hostname,
        region=node.in_region,
        zone=node.in_zone,
        devices=[
            PlacedDeviceView(
                uuid=item.uuid, index=item.index, model=item.model, memory_share=_share(asked, choice.alternative, item)
            )
            for item in chosen
        ],
        alternative=choice.alternative,
        installs_engine=asked.installs_engine and not asked.finds_engine(node),
        has_files=asked.files in files if asked.files else None,
        score=choice.score,
    )


def _share(asked: DryRun, alternative: str, device: DeviceInfo) -> MemoryShareView | None:
    need = asked.need_of(alternative)
    if need is None:
        return None
    found = memory_share(
        EngineKind(asked.engine),
        need,
        device_total_bytes=device.memory_total_bytes,
        device_free_bytes=device.memory_free_bytes,
    )
    if isinstance(found, Unfit) or not found.flag:
        return None
    return MemoryShareView(flag=found.flag, value=found.value)


def _summary(trial: Trial, wanted: int) -> str:
    done = f"{len(trial.placed)} of {wanted} replicas can be placed"
    return done if trial.nowhere is None else f"{done}; for the next one: {trial.nowhere.detail}"


def _choice(field: str, found: str, choices: type[E], faults: list[FieldError]) -> E:
    """Return the value that is meant; record a fault for one that is not known."""
    known = {item.value: item for item in choices if item.value != "unknown"}
    if found not in known:
        faults.append(FieldError(field, f"{quoted(found)} found; allowed are {', '.join(known)}"))
        return next(iter(choices))
    return known[found]


def _check_vendor(field: str, found: str, faults: list[FieldError]) -> None:
    if found:
        _choice(field, found, DeviceVendor, faults)


def _check_known(field: str, found: list[str], known: list[str], faults: list[FieldError]) -> None:
    strange = sorted(set(found) - set(known))
    if strange:
        shown = ", ".join(known[:_FEW]) or "none"
        more = f" and {len(known) - _FEW} more" if len(known) > _FEW else ""
        faults.append(FieldError(field, f"{', '.join(strange[:_FEW])} found; there are {shown}{more}"))
