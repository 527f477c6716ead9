"""What the router counts per deployment for the scheduler: numbers that requests touch when they begin and end."""

from collections.abc import Iterable

from roundhouse_common.contracts.demand import DeploymentDemand

__all__ = ["DemandLedger", "Tally"]


class Tally:
    """One deployment's numbers since the router started; `in_flight` and `held` are those of now."""

    __slots__ = ("held", "in_flight", "started", "told_started", "ttft_count", "ttft_sum_s")

    def __init__(self) -> None:
        self.in_flight = 0
        self.held = 0
        self.started = 0
        self.ttft_count = 0
        self.ttft_sum_s = 0.0
        self.told_started = 0
        """`started` when the scheduler was last told."""

    @property
    def is_news(self) -> bool:
        """Whether the scheduler must hear of it: something is there, or was since it was last told."""
        return bool(self.in_flight or self.held or self.started != self.told_started)


class DemandLedger:
    """Tallies by deployment. A deployment that is gone keeps a few numbers until the router ends."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}

    def of(self, deployment_id: str) -> Tally:
        """Return a deployment's tally."""
        tally = self._tallies.get(deployment_id)
        if tally is None:
            tally = self._tallies[deployment_id] = Tally()
        return tally

    def held(self) -> Iterable[tuple[str, int]]:
        """Yield how many requests each deployment has waiting, for those that have any."""
        return [(deployment_id, tally.held) for deployment_id, tally in self._tallies.items() if tally.held]

    def tell(self) -> tuple[DeploymentDemand, ...]:
        """Return what is to be told now; what was started up to now counts as told."""
        told = []
        for deployment_id, tally in self._tallies.items():
            if tally.is_news:
                tally.told_started = tally.started
                told.append(
                    DeploymentDemand(
                        deployment_id=deployment_id,
                        in_flight=tally.in_flight,
                        held=tally.held,
                        started_total=tally.started,
                        ttft_count_total=tally.ttft_count,
                        ttft_sum_s_total=tally.ttft_sum_s,
                    )
                )
        return tuple(told)
