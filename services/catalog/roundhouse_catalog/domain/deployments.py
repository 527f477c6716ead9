"""Deployments: what an administrator wants to run. Every function decides; none does."""

from dataclasses import dataclass, fields, replace

from msgspec import UNSET

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.drafts import DeploymentDraft, DeploymentPatch, RolloutDraft
from roundhouse_catalog.domain.errors import DeploymentRunning, VersionActive
from roundhouse_catalog.domain.findings import Findings
from roundhouse_catalog.domain.models import Model
from roundhouse_catalog.domain.settings import Settings, check_manual_scale, check_settings, settings_of
from roundhouse_catalog.domain.version_states import States, is_active, name_states
from roundhouse_catalog.domain.versions import ModelChoice, Version, build_spec, check_for_model, check_version
from roundhouse_common.contracts.catalog import DeploymentChange, DeploymentChanged, DeploymentDesired, Rollout
from roundhouse_common.contracts.scheduler import VersionState
from roundhouse_common.runtime import DeploymentId, UnixTime, VersionId

__all__ = [
    "Decision",
    "Deployment",
    "Stamp",
    "changed",
    "check_deployment",
    "create_deployment",
    "delete_deployment",
    "pause_deployment",
    "resume_deployment",
    "revise_deployment",
    "start_deployment",
    "stop_deployment",
]


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
    settings: Settings
    is_paused: bool = False
    restarts: int = 0
    last_number: int = 1
    """The highest number that any version had: numbers are never used again."""
    previous_number: int = 0
    """The version that was active before, and to which a failure leads back; 0 when there is none."""
    failed_numbers: tuple[int, ...] = ()
    """Versions that failed before they took over: nothing leads back to them by itself."""
    activated_generation: int = 1
    """The generation with which the active version became active or was restarted: older failures are not its own."""
    created_at: UnixTime
    created_by: str
    updated_at: UnixTime
    updated_by: str
    project_id: str = ""
    """Empty: of none."""


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
    added: Version | None = None
    """A version to add."""
    removed: int = 0
    """The number of a version to remove; 0: none."""


def check_deployment(draft: DeploymentDraft, model: ModelChoice, *, unread: str = "") -> str:
    """Return the deployment's name. Raises InvalidInput with every fault."""
    findings = Findings()
    name = draft.name
    if not name and isinstance(model, Model):
        name = shapes.as_deployment_name(model.name)
        if not name:
            findings.add("name", f"nothing found, and {model.name} gives no deployment's name; state one")
    elif name or isinstance(model, Model):
        findings.add("name", shapes.deployment_name_fault(name))
    check_settings(draft, findings)
    check_version(draft.version, findings)
    check_for_model(draft.version, model, findings, unread=unread)
    findings.refuse()
    return name


def create_deployment(
    draft: DeploymentDraft,
    model: ModelChoice,
    *,
    deployment_id: DeploymentId,
    version_id: VersionId,
    tenant_id: str,
    project_id: str = "",
    stamp: Stamp,
    unread: str = "",
) -> Decision:
    """Return the deployment with its first version, to run. Raises InvalidInput with every fault."""
    name = check_deployment(draft, model, unread=unread)
    assert isinstance(model, Model)  # `check_deployment` found a fault otherwise
    spec = build_spec(draft.version, model, version_id=version_id, number=1)
    version = Version(spec=spec, created_at=stamp.at, created_by=stamp.actor)
    deployment = Deployment(
        deployment_id=deployment_id,
        tenant_id=tenant_id,
        name=name,
        desired=DeploymentDesired.RUN,
        replicas=draft.replicas,
        generation=1,
        version=version,
        settings=settings_of(draft),
        created_at=stamp.at,
        created_by=stamp.actor,
        updated_at=stamp.at,
        updated_by=stamp.actor,
        project_id=project_id,
    )
    told = f"model {spec.model_name} on {spec.engine}, replicas {draft.replicas}"
    if spec.template:
        told += f", template {spec.template}"
    return Decision(
        deployment=deployment, event=_event(deployment, DeploymentChange.CREATED, told, stamp), added=version
    )


def revise_deployment(deployment: Deployment, patch: DeploymentPatch, *, stamp: Stamp) -> Decision | None:
    """Return the deployment with other settings, or None when nothing changes. Raises InvalidInput."""
    draft = _patched(deployment, patch)
    findings = Findings()
    check_settings(draft, findings)
    if patch.replicas is not None and draft.autoscale is not None:
        check_manual_scale(patch.replicas, draft.autoscale, findings)
    findings.refuse()
    after = replace(deployment, replicas=draft.replicas, settings=settings_of(draft))
    if after == deployment:
        return None
    told = [] if after.replicas == deployment.replicas else [f"replicas {deployment.replicas} -> {after.replicas}"]
    change = DeploymentChange.SCALED if told else DeploymentChange.UPDATED
    told += _setting_differences(deployment.settings, after.settings)
    return changed(after, change, ", ".join(told), stamp)


def start_deployment(deployment: Deployment, *, stamp: Stamp) -> Decision | None:
    """Return the deployment to run, or None when it is to run already."""
    if deployment.desired is DeploymentDesired.RUN:
        return None
    wanted = replace(deployment, desired=DeploymentDesired.RUN)
    return changed(wanted, DeploymentChange.STARTED, f"replicas {deployment.replicas}", stamp)


def stop_deployment(deployment: Deployment, *, stamp: Stamp) -> Decision | None:
    """Return the deployment to stop, or None when it is to stop already."""
    if deployment.desired is DeploymentDesired.STOP:
        return None
    wanted = replace(deployment, desired=DeploymentDesired.STOP)
    return changed(wanted, DeploymentChange.STOPPED, f"replicas {deployment.replicas} -> 0", stamp)


def pause_deployment(deployment: Deployment, *, stamp: Stamp) -> Decision | None:
    """Return the deployment without rollouts and automatic scaling, or None when it is paused already."""
    if deployment.is_paused:
        return None
    return changed(replace(deployment, is_paused=True), DeploymentChange.PAUSED, "", stamp)


def resume_deployment(deployment: Deployment, *, stamp: Stamp) -> Decision | None:
    """Return the deployment with rollouts and automatic scaling, or None when it is not paused."""
    if not deployment.is_paused:
        return None
    return changed(replace(deployment, is_paused=False), DeploymentChange.RESUMED, "", stamp)


def delete_deployment(deployment: Deployment, states: States, *, stamp: Stamp) -> Decision:
    """Return the deployment as a tombstone.

    Raises DeploymentRunning while it is to run, unless its version is in Error; VersionActive while a version is
    active, e.g. because its replicas still end.
    """
    is_in_error = states.get(deployment.version.spec.version_id) is VersionState.ERROR
    if deployment.desired is DeploymentDesired.RUN and not is_in_error:
        raise DeploymentRunning(deployment.deployment_id, deployment.name)
    if any(is_active(state) for state in states.values()):
        raise VersionActive(
            f'The deployment "{deployment.name}" has a version that is {name_states(states)}. '
            "Wait until it is Stopped, then delete."
        )
    return changed(replace(deployment, desired=DeploymentDesired.DELETE), DeploymentChange.DELETED, "", stamp)


def changed(deployment: Deployment, change: DeploymentChange, detail: str, stamp: Stamp) -> Decision:
    """Return the deployment in its next generation with the event that tells of it."""
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


def _patched(deployment: Deployment, patch: DeploymentPatch) -> DeploymentDraft:
    settings = deployment.settings
    return DeploymentDraft(
        name=deployment.name,
        replicas=deployment.replicas if patch.replicas is None else patch.replicas,
        disconnect_grace_s=_pick(patch.disconnect_grace_s, settings.disconnect_grace_s),
        drain_timeout_s=_pick(patch.drain_timeout_s, settings.drain_timeout_s),
        rollout=_rollout_draft(settings.rollout) if patch.rollout is None else patch.rollout,
        autoscale=settings.autoscale if patch.autoscale is UNSET else patch.autoscale,
        is_evictable=settings.is_evictable if patch.is_evictable is None else patch.is_evictable,
        wake_timeout_s=_pick(patch.wake_timeout_s, settings.wake_timeout_s),
        failure_budget=settings.failure_budget if patch.failure_budget is None else patch.failure_budget,
        access=settings.access.value if patch.access is None else patch.access,
    )


def _rollout_draft(rollout: Rollout) -> RolloutDraft:
    return RolloutDraft(
        strategy=rollout.strategy.value,
        max_surge=rollout.max_surge,
        max_unavailable=rollout.max_unavailable,
        min_ready_s=rollout.min_ready_s,
        progress_deadline_s=rollout.progress_deadline_s,
        is_rolled_back=rollout.is_rolled_back,
    )


def _setting_differences(before: Settings, after: Settings) -> list[str]:
    """Return what changed: numbers from what to what, everything else by its name."""
    told = []
    for one in fields(Settings):
        old, new = getattr(before, one.name), getattr(after, one.name)
        if old == new:
            continue
        if isinstance(new, int | float) and not isinstance(new, bool):
            told.append(f"{one.name} {old:g} -> {new:g}")
        elif isinstance(new, bool):
            told.append(f"{one.name} {str(old).lower()} -> {str(new).lower()}")
        else:
            told.append(one.name if new is not None else f"{one.name} off")
    return told


def _pick(new: float | None, old: float) -> float:
    return old if new is None else new
