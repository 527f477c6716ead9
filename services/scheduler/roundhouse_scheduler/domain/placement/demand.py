"""What one replica asks for. Replicas that ask for the same share one `Shape`, however many deployments they are of."""

import fnmatch
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from roundhouse_common.contracts.catalog import Alternative, EngineKind, Placement, Resources, VersionSpec
from roundhouse_scheduler.domain.provisioning.preparing import files_key
from roundhouse_scheduler.domain.records import Replica

__all__ = ["Demand", "Option", "Shape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to run: the version's own, or one of its alternatives."""

    name: str
    """Of the alternative; empty for the version's own."""
    resources: Resources
    vendors: tuple[str, ...] = ()
    """A device must be of all of these."""
    models: tuple[str, ...] = ()
    """A device's model must match all of these patterns."""

    def takes_model(self, model: str) -> bool:
        """Return whether a device of this model will do."""
        return not self.models or all(_matches(pattern, model) for pattern in self.models)

    @property
    def device_words(self) -> str:
        """Name the devices that will do, e.g. `nvidia devices like *H100*`."""
        kind = " ".join(sorted(set(self.vendors)))
        like = f" like {' and '.join(self.models)}" if self.models else ""
        return f"{kind} devices{like}".strip()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """Everything that decides which nodes will do, apart from where its siblings are and who refused it."""

    key: bytes
    engine: str
    engine_version: str
    """Empty: any."""
    installs_engine: bool
    """A node that lacks the engine may install it."""
    options: tuple[Option, ...]
    """In order of preference, never empty."""
    placement: Placement
    node_ids: frozenset[str]
    device_uuids: frozenset[str]

    @staticmethod
    def of(version: VersionSpec) -> "Shape":
        """Return what a version asks for."""
        return Shape.asking(
            version.engine,
            version.resources,
            version.placement,
            version.alternatives,
            engine_version=version.engine_version,
            installs_engine=version.installs_engine,
        )

    @staticmethod
    def asking(
        engine: EngineKind,
        resources: Resources,
        placement: Placement,
        alternatives: tuple[Alternative, ...] = (),
        *,
        engine_version: str = "",
        installs_engine: bool = False,
    ) -> "Shape":
        """Return what a version of this kind would ask for."""
        asked = (engine, resources, placement, alternatives, engine_version, installs_engine)
        return _shape(msgspec.msgpack.encode(asked))


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one replica asks for now."""

    deployment_id: str
    version_id: str
    shape: Shape
    refusals: Mapping[str, str] = field(default_factory=dict)
    """Nodes that refused it lately, and why; they are not asked."""
    files: str = ""
    """Key of the model files that a node must have or fetch; empty: they are on its disk."""

    @staticmethod
    def of(replica: Replica, version: VersionSpec, *, now: float) -> "Demand":
        """Return the demand of a replica."""
        return Demand(
            deployment_id=replica.deployment_id,
            version_id=replica.version_id,
            shape=Shape.of(version),
            refusals={item.node_id: item.detail for item in replica.refusals if item.until > now},
            files=files_key(version),
        )


class _Asked(msgspec.Struct, array_like=True):
    engine: str
    resources: Resources
    placement: Placement
    alternatives: tuple["_Way", ...]
    engine_version: str
    installs_engine: bool


class _Way(msgspec.Struct):
    name: str
    resources: Resources
    device_vendor: str = ""
    device_model: str = ""


@functools.lru_cache(maxsize=4096)
def _shape(key: bytes) -> Shape:
    asked = msgspec.msgpack.decode(key, type=_Asked)
    placement = asked.placement
    ways = asked.alternatives or (_Way(name="", resources=asked.resources),)
    return Shape(
        key=key,
        engine=asked.engine,
        engine_version=asked.engine_version,
        installs_engine=asked.installs_engine,
        options=tuple(
            Option(
                name=way.name,
                resources=way.resources,
                vendors=tuple(item for item in (placement.device_vendor, way.device_vendor) if item),
                models=tuple(item for item in (placement.device_model, way.device_model) if item),
            )
            for way in ways
        ),
        placement=placement,
        node_ids=frozenset(placement.node_ids),
        device_uuids=frozenset(placement.device_uuids),
    )


@functools.lru_cache(maxsize=4096)
def _matches(pattern: str, model: str) -> bool:
    return fnmatch.fnmatchcase(model.casefold(), pattern.casefold())
