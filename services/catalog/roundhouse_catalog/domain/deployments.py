"""Deployments: what an administrator wants to run. Every function decides; none does."""

from dataclasses import dataclass, field, replace

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.errors import DeploymentRunning
from roundhouse_catalog.domain.findings import Findings
from roundhouse_catalog.domain.models import Model
from roundhouse_catalog.domain.versions import (
    ModelChoice,
    Version,
    VersionDraft,
    VersionPatch,
    apply_patch,
    build_spec,
    check_version,
    version_differences,
)
from roundhouse_common.contracts.catalog import DeploymentChange, DeploymentChanged, DeploymentDesired
from roundhouse_common.runtime import DeploymentId, UnixTime, VersionId

__all__ = [
    "Decision",
    "Deployment",
    "DeploymentDraft",
    "DeploymentPatch",
    "Stamp",
    "add_version",
    "create_deployment",
    "delete_deployment",
    "revise_deployment",
    "start_deployment",
    "stop_deployment",
]

_MOST_REPLICAS = 1000
_MOST_GRACE_S = 86_400.0
_MOST_DRAIN_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment with its active version: at most one version is active, and this is it."""

    deployment_id: DeploymentId
    tenant_id: str
    name: str
    desired: DeploymentDesired
    replicas: int
    generation: int
    """1 at creation; grows by one with every change."""
    version: Version
    disconnect_grace_s: float
    drain_timeout_s: float
    created_at: UnixTime
    created_by: str
    updated_at: UnixTime
    updated_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentDraft:
    """A deployment as the caller wrote it, not yet checked."""

    name: str
    replicas: int = 1
    version: VersionDraft = field(default_factory=VersionDraft)
    disconnect_grace_s: float = 60.0
    drain_timeout_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentPatch:
    """The settings to change; None leaves a setting as it is."""

    replicas: int | None = None
    disconnect_grace_s: float | None = None
    drain_timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Who does it, when, and the id of the event that tells of it."""

    at: UnixTime
    actor: str
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A changed deployment and the event to record with it, in one transaction."""

    deployment: Deployment
    event: DeploymentChanged


def create_deployment(
    draft: DeploymentDraft,
    model: ModelChoice,
    *,
    deployment_id: DeploymentId,
    version_id: VersionId,
    tenant_id: str,
    stamp: Stamp,
) -> Decision:
    """Return the deployment with its first version, to run. Raises InvalidInput with every fault."""
    findings = Findings()
    findings.add("name", shapes.deployment_name_fault(draft.name))
    _check_settings(draft.replicas, draft.disconnect_grace_s, draft.drain_timeout_s, findings)
    check_version(draft.version, model, findings)
    findings.refuse()
    spec = build_spec(draft.version, _found(model), version_id=version_id, number=1)
    deployment = Deployment(
        deployment_id=deployment_id,
        tenant_id=tenant_id,
        name=draft.name,
        desired=DeploymentDesired.RUN,
        replicas=draft.replicas,
        generation=1,
        version=Version(spec=spec, created_at=stamp.at, created_by=stamp.actor),
        disconnect_grace_s=draft.disconnect_grace_s,
        drain_timeout_s=draft.drain_timeout_s,
        created_at=stamp.at,
        created_by=stamp.actor,
        updated_at=stamp.at,
        updated_by=stamp.actor,
    )
    told = f"model {spec.model_name} on {spec.engine}, replicas {draft.replicas}"
    return Decision(deployment=deployment, event=_event(deployment, DeploymentChange.CREATED, told, stamp))


def revise_deployment(deployment: Deployment, patch: DeploymentPatch, *, stamp: Stamp) -> Decision | None:
    """Return the deployment with other settings, or None when nothing changes. Raises InvalidInput."""
    changed = replace(
        deployment,
        replicas=deployment.replicas if patch.replicas is None else patch.replicas,
        disconnect_grace_s=_pick(patch.disconnect_grace_s, deployment.disconnect_grace_s),
        drain_timeout_s=_pick(patch.drain_timeout_s, deployment.drain_timeout_s),
    )
    findings = Findings()
    _check_settings(changed.replicas, changed.disconnect_grace_s, changed.drain_timeout_s, findings)
    findings.refuse()
    if changed == deployment:
        return None
    told = [
        f"{name} {old:g} -> {new:g}"
        for name, old, new in (
            ("replicas", deployment.replicas, changed.replicas),
            ("disconnect_grace_s", deployment.disconnect_grace_s, changed.disconnect_grace_s),
            ("drain_timeout_s", deployment.drain_timeout_s, changed.drain_timeout_s),
        )
        if old != new
    ]
    is_scaled = changed.replicas != deployment.replicas
    change = DeploymentChange.SCALED if is_scaled else DeploymentChange.UPDATED
    return _changed(changed, change, ", ".join(told), stamp)


def add_version(
    deployment: Deployment, patch: VersionPatch, model: ModelChoice, *, version_id: VersionId, stamp: Stamp
) -> Decision:
    """Return the deployment with a new active version; whether it runs stays as it is. Raises InvalidInput."""
    active = deployment.version.spec
    draft = apply_patch(active, model, patch)
    findings = Findings()
    check_version(draft, model, findings)
    findings.refuse()
    spec = build_spec(draft, _found(model), version_id=version_id, number=active.number + 1)
    version = Version(spec=spec, created_at=stamp.at, created_by=stamp.actor)
    told = version_differences(active, spec)
    return _changed(replace(deployment, version=version), DeploymentChange.VERSION_ADDED, told, stamp)


def start_deployment(deployment: Deployment, *, stamp: Stamp) -> Decision | None:
    """Return the deployment to run, or None when it is to run already."""
    if deployment.desired is DeploymentDesired.RUN:
        return None
    wanted = replace(deployment, desired=DeploymentDesired.RUN)
    return _changed(wanted, DeploymentChange.STARTED, f"replicas {deployment.replicas}", stamp)


def stop_deployment(deployment: Deployment, *, stamp: Stamp) -> Decision | None:
    """Return the deployment to stop, or None when it is to stop already."""
    if deployment.desired is DeploymentDesired.STOP:
        return None
    wanted = replace(deployment, desired=DeploymentDesired.STOP)
    return _changed(wanted, DeploymentChange.STOPPED, f"replicas {deployment.replicas} -> 0", stamp)


def delete_deployment(deployment: Deployment, *, stamp: Stamp) -> Decision:
    """Return the deployment as a tombstone. Raises DeploymentRunning while it is to run."""
    if deployment.desired is DeploymentDesired.RUN:
        raise DeploymentRunning(deployment.deployment_id, deployment.name)
    return _changed(replace(deployment, desired=DeploymentDesired.DELETE), DeploymentChange.DELETED, "", stamp)


def _changed(deployment: Deployment, change: DeploymentChange, detail: str, stamp: Stamp) -> Decision:
    advanced = replace(deployment, generation=deployment.generation + 1, updated_at=stamp.at, updated_by=stamp.actor)
    return Decision(deployment=advanced, event=_event(advanced, change, detail, stamp))


def _event(deployment: Deployment, change: DeploymentChange, detail: str, stamp: Stamp) -> DeploymentChanged:
    return DeploymentChanged(
        event_id=stamp.event_id,
        at=stamp.at,
        deployment_id=deployment.deployment_id,
        generation=deployment.generation,
        change=change,
        actor=stamp.actor,
        detail=detail,
    )


def _check_settings(replicas: int, disconnect_grace_s: float, drain_timeout_s: float, findings: Findings) -> None:
    findings.add("replicas", shapes.range_fault(replicas, 0, _MOST_REPLICAS))
    findings.add("disconnect_grace_s", shapes.range_fault(disconnect_grace_s, 0, _MOST_GRACE_S, unit="seconds"))
    findings.add("drain_timeout_s", shapes.range_fault(drain_timeout_s, 0, _MOST_DRAIN_S, unit="seconds"))


def _found(model: ModelChoice) -> Model:
    assert isinstance(model, Model)  # `check_version` found a fault otherwise
    return model


def _pick(new: float | None, old: float) -> float:
    return old if new is None else new
