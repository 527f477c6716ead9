"""The settings of a deployment that are not its version: how it is rolled out, scaled, woken and given up."""

from dataclasses import dataclass

from roundhouse_catalog.domain import shapes
from roundhouse_catalog.domain.drafts import DeploymentDraft, RolloutDraft
from roundhouse_catalog.domain.findings import Findings
from roundhouse_common.contracts.catalog import Autoscale, ReplicaWindow, Rollout, RolloutStrategy
from roundhouse_common.contracts.routing import Access
from roundhouse_common.cron import cron_fault, timezone_fault

__all__ = [
    "ACCESSES",
    "MOST_REPLICAS",
    "ROLLOUT_STRATEGIES",
    "Settings",
    "check_manual_scale",
    "check_settings",
    "settings_of",
]

MOST_REPLICAS = 1000
_DAY_S = 86_400.0
_MOST_WINDOWS = 32
_MOST_TARGET = 1_000_000.0
ACCESSES = {one.value: one for one in Access if one is not Access.UNKNOWN}
ROLLOUT_STRATEGIES = {one.value: one for one in RolloutStrategy if one is not RolloutStrategy.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Checked settings."""

    disconnect_grace_s: float
    drain_timeout_s: float
    rollout: Rollout
    autoscale: Autoscale | None
    is_evictable: bool
    wake_timeout_s: float
    failure_budget: int
    access: Access = Access.PRIVATE
    """Whose API keys may use it by its own name."""


def settings_of(draft: DeploymentDraft) -> Settings:
    """Return the settings of a draft that `check_settings` found no fault in."""
    rollout = draft.rollout
    return Settings(
        disconnect_grace_s=draft.disconnect_grace_s,
        drain_timeout_s=draft.drain_timeout_s,
        rollout=Rollout(
            strategy=RolloutStrategy(rollout.strategy),
            max_surge=rollout.max_surge,
            max_unavailable=rollout.max_unavailable,
            min_ready_s=rollout.min_ready_s,
            progress_deadline_s=rollout.progress_deadline_s,
            is_rolled_back=rollout.is_rolled_back,
        ),
        autoscale=draft.autoscale,
        is_evictable=draft.is_evictable,
        wake_timeout_s=draft.wake_timeout_s,
        failure_budget=draft.failure_budget,
        access=ACCESSES[draft.access],
    )


def check_settings(draft: DeploymentDraft, findings: Findings) -> None:
    """Record every fault of the settings."""
    findings.add("replicas", shapes.range_fault(draft.replicas, 0, MOST_REPLICAS))
    findings.add("disconnect_grace_s", shapes.range_fault(draft.disconnect_grace_s, 0, _DAY_S, unit="seconds"))
    findings.add("drain_timeout_s", shapes.range_fault(draft.drain_timeout_s, 0, _DAY_S, unit="seconds"))
    findings.add("wake_timeout_s", shapes.range_fault(draft.wake_timeout_s, 1, 3600, unit="seconds"))
    findings.add("failure_budget", shapes.range_fault(draft.failure_budget, 1, 1000))
    findings.add("access", shapes.choice_fault(draft.access, ACCESSES))
    _check_rollout(draft.rollout, findings)
    if draft.autoscale is not None:
        _check_autoscale(draft.autoscale, findings)


def check_manual_scale(replicas: int, autoscale: Autoscale, findings: Findings) -> None:
    """Record a number that automatic scaling would leave at once: it only moves within its bounds."""
    least = max(1, min([autoscale.min_replicas, *(window.min_replicas for window in autoscale.windows)]))
    most = max([autoscale.max_replicas, *(window.max_replicas for window in autoscale.windows)])
    if not least <= replicas <= most:
        findings.add(
            "replicas",
            f"{replicas} found; it is scaled automatically, within {least} to {most}: change autoscale, switch it off "
            "with null, or stop the deployment",
        )


def _check_rollout(rollout: RolloutDraft, findings: Findings) -> None:
    findings.add("rollout.strategy", shapes.choice_fault(rollout.strategy, ROLLOUT_STRATEGIES))
    for name in ("max_surge", "max_unavailable"):
        findings.add(f"rollout.{name}", shapes.range_fault(getattr(rollout, name), 0, MOST_REPLICAS))
    findings.add("rollout.min_ready_s", shapes.range_fault(rollout.min_ready_s, 0, 3600, unit="seconds"))
    fault = shapes.range_fault(rollout.progress_deadline_s, 1, _DAY_S, unit="seconds")
    if fault is None and rollout.progress_deadline_s <= rollout.min_ready_s:
        fault = (
            f"{rollout.progress_deadline_s:g} found; more than min_ready_s ({rollout.min_ready_s:g}) is allowed, "
            "since no replica counts before"
        )
    findings.add("rollout.progress_deadline_s", fault)
    if rollout.strategy == RolloutStrategy.ROLLING.value and rollout.max_surge == rollout.max_unavailable == 0:
        findings.add(
            "rollout.max_surge",
            "0 found while max_unavailable is 0: then nothing could ever be replaced; state at least 1 for one of "
            "them, or the strategy recreate",
        )


def _check_autoscale(autoscale: Autoscale, findings: Findings) -> None:
    _check_bounds("autoscale", autoscale.min_replicas, autoscale.max_replicas, findings)
    for name in ("target_in_flight", "target_queue", "target_ttft_s"):
        findings.add(f"autoscale.{name}", shapes.range_fault(getattr(autoscale, name), 0, _MOST_TARGET))
    for name in ("up_stabilization_s", "down_stabilization_s"):
        findings.add(f"autoscale.{name}", shapes.range_fault(getattr(autoscale, name), 0, _DAY_S, unit="seconds"))
    findings.add("autoscale.idle_s", shapes.range_fault(autoscale.idle_s, 1, 7 * _DAY_S, unit="seconds"))
    has_target = any((autoscale.target_in_flight, autoscale.target_queue, autoscale.target_ttft_s))
    if autoscale.max_replicas > max(1, autoscale.min_replicas) and not has_target:
        findings.add(
            "autoscale.max_replicas",
            f"{autoscale.max_replicas} found, but nothing says when to grow; state target_in_flight, target_queue or "
            f"target_ttft_s, or a max_replicas of {max(1, autoscale.min_replicas)}",
        )
    if len(autoscale.windows) > _MOST_WINDOWS:
        findings.add("autoscale.windows", f"{len(autoscale.windows)} windows found; {_MOST_WINDOWS} are allowed")
        return
    names: set[str] = set()
    for index, window in enumerate(autoscale.windows):
        _check_window(f"autoscale.windows.{index}", window, names, findings)
        names.add(window.name)


def _check_window(path: str, window: ReplicaWindow, names: set[str], findings: Findings) -> None:
    findings.add(f"{path}.name", shapes.text_fault(window.name, most=63, what="the name of a window"))
    if window.name in names:
        findings.add(f"{path}.name", f"{window.name} found twice; every window has a name of its own")
    findings.add(f"{path}.cron", cron_fault(window.cron))
    findings.add(f"{path}.timezone", timezone_fault(window.timezone))
    findings.add(f"{path}.duration_s", shapes.range_fault(window.duration_s, 60, 7 * _DAY_S, unit="seconds"))
    _check_bounds(path, window.min_replicas, window.max_replicas, findings)


def _check_bounds(path: str, least: int, most: int, findings: Findings) -> None:
    findings.add(f"{path}.min_replicas", shapes.range_fault(least, 0, MOST_REPLICAS))
    fault = shapes.range_fault(most, 1, MOST_REPLICAS)
    if fault is None and most < least:
        fault = f"{most} found; at least min_replicas ({least}) is allowed"
    findings.add(f"{path}.max_replicas", fault)
