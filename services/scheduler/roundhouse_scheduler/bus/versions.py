"""Answers the catalog: which versions of a deployment are active."""

from roundhouse_common.contracts.scheduler import VersionStates, VersionStatesQuery
from roundhouse_common.database import Database
from roundhouse_common.errors import InvalidInput
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.domain.version_state import version_states
from roundhouse_scheduler.store.pages import any_deployment, replicas_of
from roundhouse_scheduler.store.versions import versions_of

__all__ = ["VersionAnswers"]


class VersionAnswers:
    """Serves `version.states` from SQL."""

    def __init__(self, db: Database, *, rules: Rules) -> None:
        self._db = db
        self._rules = rules

    async def read_states(self, query: VersionStatesQuery, ids: tuple[str, ...]) -> VersionStates:
        """Return the states of all versions that the scheduler has seen; none, at generation 0, for a deployment that
        it has not heard of yet."""
        if ids != (query.deployment_id,):
            raise InvalidInput(f"asked on the subject of {'.'.join(ids)} for the versions of {query.deployment_id}")
        async with self._db.read() as session:
            deployment = await any_deployment(session, query.deployment_id)
            if deployment is None:
                return VersionStates(deployment_id=query.deployment_id, generation=0, states={})
            versions = await versions_of(session, [query.deployment_id])
            replicas = await replicas_of(session, [query.deployment_id])
        failures = {row.version_id: row.failure for row in versions}
        return VersionStates(
            deployment_id=query.deployment_id,
            generation=deployment.generation,
            states=version_states(deployment, failures, replicas, self._rules),
        )
