"""What the catalog asks the scheduler: which versions are active, and what a model's files say."""

import asyncio

import structlog

from roundhouse_catalog.domain.deployments import Deployment
from roundhouse_catalog.domain.errors import SchedulerAway
from roundhouse_catalog.domain.version_states import States
from roundhouse_common.bus.api import Bus, BusUnavailable, RemoteError
from roundhouse_common.contracts.catalog import REMOTE_SOURCES, ModelSource
from roundhouse_common.contracts.models import InspectModel, ModelInspected
from roundhouse_common.contracts.registry import INSPECT_MODEL, READ_VERSION_STATES
from roundhouse_common.contracts.scheduler import VersionStatesQuery

__all__ = ["Questions"]

_log = structlog.get_logger("roundhouse.catalog")


class Questions:
    """Asks with a deadline. Both raise SchedulerAway when there is no answer: the caller changes nothing then."""

    def __init__(
        self,
        bus: Bus,
        *,
        states_timeout_s: float = 3.0,
        inspect_timeout_s: float = 20.0,
        remote_inspect_timeout_s: float = 40.0,
        attempts: int = 20,
        again_after_s: float = 0.1,
    ) -> None:
        self._bus = bus
        self._states_timeout_s = states_timeout_s
        self._inspect_timeout_s = inspect_timeout_s
        self._remote_inspect_timeout_s = remote_inspect_timeout_s
        self._attempts = attempts
        self._again_after_s = again_after_s

    async def version_states(self, deployment: Deployment) -> States:
        """Return the states of the deployment's versions, from a scheduler that has taken in this generation of it.

        It learns of a change a moment after it was made, so it is asked again for a while.
        """
        query = VersionStatesQuery(deployment_id=deployment.deployment_id)
        seen = 0
        for attempt in range(self._attempts):
            if attempt:
                await asyncio.sleep(self._again_after_s)
            try:
                answer = await self._bus.request(
                    READ_VERSION_STATES, query, deployment.deployment_id, timeout_s=self._states_timeout_s
                )
            except (BusUnavailable, RemoteError) as error:
                raise SchedulerAway(str(error)) from error
            seen = answer.generation
            if seen >= deployment.generation:
                return answer.states
        raise SchedulerAway(f"it knows generation {seen} of the deployment, and {deployment.generation} is the current")

    async def inspect(self, source: ModelSource) -> ModelInspected:
        """Return what some node read in the files, or why none could. Files elsewhere take it longer."""
        timeout_s = self._remote_inspect_timeout_s if source.kind in REMOTE_SOURCES else self._inspect_timeout_s
        try:
            return await self._bus.request(INSPECT_MODEL, InspectModel(source=source), "any", timeout_s=timeout_s)
        except (BusUnavailable, RemoteError) as error:
            _log.info("catalog.model_not_inspected", why=str(error))
            raise SchedulerAway(str(error)) from error
