"""Places in the feed, as callers name them: by a cursor, or by a time."""

from pydantic import BaseModel, Field

from roundhouse_common.database import ReadSession
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.http import Body, Moment
from roundhouse_metering.domain.feed import FeedCursor
from roundhouse_metering.store.feed import feed_head, feed_since

__all__ = ["FeedPlace", "Redelivery", "place_of", "required_place"]


class Redelivery(Body):
    """From where to send again: one of the two."""

    after: str | None = Field(default=None, max_length=60, description="A cursor of the feed, `0` for all.")
    since: Moment | None = Field(default=None, description="What came then or later.")


class FeedPlace(BaseModel):
    """A place in the feed."""

    cursor: str


async def place_of(session: ReadSession, after: str | None, since: Moment | None) -> FeedCursor | None:
    """Return the place that is asked for. Raises InvalidInput for one that is beyond the end, or for two."""
    if after is not None and since is not None:
        raise InvalidInput("Two places are given.", FieldError("after", "give `after` or `since`, not both"))
    if since is not None:
        return await feed_since(session, since.timestamp())
    if after is None:
        return None
    cursor, head = FeedCursor.parse(after), await feed_head(session)
    if cursor.entry > head.entry or cursor.correction > head.correction or cursor.threshold > head.threshold:
        raise InvalidInput(f"after: {after} is beyond the end, {head}.", FieldError("after", f"{head} at the most"))
    return cursor


async def required_place(session: ReadSession, body: Redelivery) -> FeedCursor:
    """Return the place that is asked for. Raises InvalidInput when none is."""
    cursor = await place_of(session, body.after, body.since)
    if cursor is None:
        raise InvalidInput("From where? Give `after` or `since`.", FieldError("after", "or `since`"))
    return cursor
