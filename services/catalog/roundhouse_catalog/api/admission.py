"""Whether a token that is true may still be used: asked before every request, since the directory is at hand here."""

from roundhouse_catalog.store.directory import refusal_of
from roundhouse_common.auth import Subject
from roundhouse_common.database import Database
from roundhouse_common.errors import Forbidden
from roundhouse_common.http.permissions import Admission

__all__ = ["admission"]


def admission(db: Database) -> Admission:
    """Return what refuses tokens of tenants that are gone or suspended, and of users that are disabled."""

    async def admit(subject: Subject) -> None:
        async with db.read() as session:
            why = await refusal_of(session, subject)
        if why is not None:
            raise Forbidden(f"{subject.actor} may do nothing here: {why}.")

    return admit
