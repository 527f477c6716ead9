"""What is asked of the time that replicas held something, by every endpoint about it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query

from roundhouse_common.auth import Subject, reach_of
from roundhouse_common.http import Moment, requires
from roundhouse_common.http.times import unix_seconds
from roundhouse_common.runtime import Clock
from roundhouse_metering.domain.spans import By, HeldQuery, held_query

__all__ = ["asked_of_replicas"]

_Reader = Annotated[Subject, Depends(requires("usage:read", in_projects=True))]


def asked_of_replicas(clock: Clock) -> Callable[..., HeldQuery]:
    """Return a dependency that reads the query, of what the caller may see. Raises InvalidInput."""

    def asked(
        subject: _Reader,
        deployment_id: Annotated[str | None, Query(max_length=200)] = None,
        since: Annotated[Moment | None, Query(description="RFC 3339; a day before `until`.")] = None,
        until: Annotated[Moment | None, Query(description="RFC 3339; now.")] = None,
        by: Annotated[By, Query(description="What to sum by.")] = By.DEPLOYMENT,
    ) -> HeldQuery:
        query = held_query(
            tenant_id=subject.tenant_id,
            deployment_id=deployment_id,
            since=None if since is None else unix_seconds(since),
            until=None if until is None else unix_seconds(until),
            by=by,
            now=clock.now(),
        )
        return replace(query, project_ids=reach_of(subject, "usage:read").project_ids)

    return asked
