"""What happens to the versions of a deployment: added, started, restarted, deleted, and rolled back by a failure."""

from dataclasses import dataclass, replace

from roundhouse_catalog.domain.deployments import Decision, Deployment, Stamp, changed
from roundhouse_catalog.domain.drafts import VersionPatch
from roundhouse_catalog.domain.errors import LastVersion, VersionActive
from roundhouse_catalog.domain.findings import Findings
from roundhouse_catalog.domain.models import Model
from roundhouse_catalog.domain.version_states import States, is_active
from roundhouse_catalog.domain.versions import (
    ModelChoice,
    Version,
    apply_patch,
    build_spec,
    check_for_model,
    check_version,
    version_differences,
)
from roundhouse_common.contracts.catalog import DeploymentChange, DeploymentDesired
from roundhouse_common.contracts.scheduler import VersionFailed, VersionState
from roundhouse_common.runtime import VersionId

__all__ = [
    "Ignored",
    "add_version",
    "delete_version",
    "note_failure",
    "restart_version",
    "roll_back",
    "rollback_number",
    "start_version",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A failure that changes nothing, and why."""

    why: str


def add_version(
    deployment: Deployment,
    patch: VersionPatch,
    model: ModelChoice,
    *,
    is_activated: bool,
    version_id: VersionId,
    stamp: Stamp,
    unread: str = "",
) -> Decision:
    """Return the deployment with a new version, active or not; whether it runs stays as it is. Raises InvalidInput."""
    active = deployment.version.spec
    draft = apply_patch(active, model, patch)
    findings = Findings()
    check_version(draft, findings)
    check_for_model(draft, model, findings, unread=unread)
    findings.refuse()
    assert isinstance(model, Model)  # a fault was found otherwise
    number = deployment.last_number + 1
    spec = build_spec(draft, model, version_id=version_id, number=number)
    version = Version(spec=spec, created_at=stamp.at, created_by=stamp.actor)
    told = version_differences(active, spec)
    after = replace(deployment, last_number=number)
    if is_activated:
        after = _activated(after, version)
    else:
        told += f"; {active.number} stays active"
    decision = changed(after, DeploymentChange.VERSION_ADDED, told, stamp)
    return replace(decision, added=version)


def start_version(deployment: Deployment, version: Version, *, stamp: Stamp) -> Decision | None:
    """Return the deployment to run this version in place of the one before; None when that is wanted already."""
    is_wanted = _is_wanted(deployment, version)
    if is_wanted and deployment.desired is DeploymentDesired.RUN:
        return None
    number, before = version.spec.number, deployment.version.spec.number
    told = f"version {number}" if is_wanted else f"version {before} -> {number}"
    after = _activated(replace(deployment, desired=DeploymentDesired.RUN), version)
    return changed(after, DeploymentChange.VERSION_STARTED, told, stamp)


def restart_version(deployment: Deployment, version: Version, states: States, *, stamp: Stamp) -> Decision:
    """Return the deployment to run this version, its failures forgotten. Raises VersionActive unless it is inactive."""
    _refuse_active(
        deployment, version, states, what="restarted", instead="stop the deployment, or start another version"
    )
    after = _activated(replace(deployment, desired=DeploymentDesired.RUN, restarts=deployment.restarts + 1), version)
    return changed(after, DeploymentChange.VERSION_RESTARTED, f"version {version.spec.number}", stamp)


def delete_version(
    deployment: Deployment, version: Version, states: States, *, successor: Version | None, stamp: Stamp
) -> Decision:
    """Return the deployment without this version.

    `successor` is what takes its place when it is the active one, which only a version in Error or of a stopped
    deployment can be; the deployment is then stopped. Raises LastVersion without one, VersionActive unless inactive.
    """
    if successor is None:
        raise LastVersion(deployment.deployment_id, deployment.name)
    _refuse_active(deployment, version, states, what="deleted", instead="start another version, or stop the deployment")
    number = version.spec.number
    after = replace(
        deployment,
        previous_number=0 if deployment.previous_number == number else deployment.previous_number,
        failed_numbers=tuple(one for one in deployment.failed_numbers if one != number),
    )
    told = f"version {number}"
    if _is_wanted(deployment, version):
        told += f"; it is stopped, and version {successor.spec.number} is the next to start"
        after = replace(_activated(after, successor), desired=DeploymentDesired.STOP, previous_number=0)
    return replace(changed(after, DeploymentChange.VERSION_DELETED, told, stamp), removed=number)


def note_failure(deployment: Deployment, failed: VersionFailed) -> Deployment | Ignored:
    """Return the deployment with the failure remembered, or why it is none of its own: the wish has moved on since."""
    active = deployment.version.spec
    if deployment.desired is not DeploymentDesired.RUN:
        return Ignored(why=f"the deployment is to {deployment.desired}")
    if failed.version_id != active.version_id:
        return Ignored(why=f"version {active.number} is active by now")
    if failed.generation < deployment.activated_generation:
        return Ignored(why=f"version {active.number} was started again since")
    if active.number in deployment.failed_numbers:
        return Ignored(why="it is known")
    return replace(deployment, failed_numbers=(*deployment.failed_numbers, active.number))


def rollback_number(noted: Deployment, failed: VersionFailed) -> int:
    """Return the number of the version to go back to: the one that serves still, else the one that was active before.

    They differ when a version was replaced before it took over: then nobody knows whether it works.
    """
    is_proven = failed.serving_number and failed.serving_number not in noted.failed_numbers
    return failed.serving_number if is_proven else noted.previous_number


def roll_back(
    noted: Deployment, failed: VersionFailed, previous: Version | None, *, stamp: Stamp
) -> Decision | Ignored:
    """Return the deployment with an earlier version as the active one. `noted` is what `note_failure` returned.

    It never leads back twice: the version before has no version before it by this decision.
    """
    if not noted.settings.rollout.is_rolled_back:
        return Ignored(why="rollout.is_rolled_back is false")
    if noted.is_paused:
        return Ignored(why="the deployment is paused")
    if previous is None or previous.spec.number in noted.failed_numbers:
        return Ignored(why="there is no version that worked before it")
    after = replace(noted, version=previous, previous_number=0, activated_generation=noted.generation + 1)
    told = f"version {failed.version_number} -> {previous.spec.number}: {failed.detail or failed.reason}"
    return changed(after, DeploymentChange.ROLLED_BACK, told, stamp)


def _activated(deployment: Deployment, version: Version) -> Deployment:
    """Return the deployment with this active version, which is given another chance if it failed before."""
    before, number = deployment.version.spec.number, version.spec.number
    previous = deployment.previous_number
    if before != number and before not in deployment.failed_numbers:
        previous = before
    if previous == number:
        previous = 0
    return replace(
        deployment,
        version=version,
        previous_number=previous,
        failed_numbers=tuple(one for one in deployment.failed_numbers if one != number),
        activated_generation=deployment.generation + 1,
    )


def _is_wanted(deployment: Deployment, version: Version) -> bool:
    return deployment.version.spec.version_id == version.spec.version_id


def _refuse_active(deployment: Deployment, version: Version, states: States, *, what: str, instead: str) -> None:
    state = states.get(version.spec.version_id, VersionState.STOPPED)
    if is_active(state):
        raise VersionActive(
            f'Version {version.spec.number} of "{deployment.name}" is {state.value}: only a version that is Stopped or '
            f"in Error can be {what}. To make it so, {instead}, and wait until it has shut down."
        )
