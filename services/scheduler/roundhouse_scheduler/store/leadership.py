"""One row says which scheduler plans. Its term is checked inside every transaction that only the leader may make."""

from dataclasses import dataclass

from sqlalchemy import select, update

from roundhouse_common.database import ReadSession, WriteSession, upsert
from roundhouse_scheduler.domain.errors import TermSuperseded
from roundhouse_scheduler.store import tables

__all__ = ["NOBODY", "Claim", "check_term", "read_claim", "release", "renew", "take_over"]

_NAME = "planner"
_ROW = select(tables.leadership).where(tables.leadership.c.name == _NAME)
_BEAT = update(tables.leadership).where(tables.leadership.c.name == _NAME).values(beat=tables.leadership.c.beat + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who leads. `beat` grows with every renewal; an empty holder has released it."""

    term: int
    holder: str
    beat: int


NOBODY = Claim(term=0, holder="", beat=0)


async def read_claim(session: ReadSession) -> Claim:
    """Return the claim as it is."""
    row = (await session.execute(_ROW)).first()
    return NOBODY if row is None else Claim(term=row.term, holder=row.holder, beat=row.beat)


async def take_over(session: WriteSession, seen: Claim, holder: str) -> Claim | None:
    """Begin a new term, if the claim still is what was seen; else None."""
    if await read_claim(session) != seen:
        return None
    claim = Claim(term=seen.term + 1, holder=holder, beat=seen.beat + 1)
    await session.execute(
        upsert(session.dialect, tables.leadership, key=["name"], update=["term", "holder", "beat"]),
        [{"name": _NAME, "term": claim.term, "holder": claim.holder, "beat": claim.beat}],
    )
    return claim


async def renew(session: WriteSession, term: int, holder: str) -> Claim:
    """Say that the leader lives. Raises TermSuperseded."""
    await check_term(session, term, holder)
    await session.execute(_BEAT)
    return await read_claim(session)


async def release(session: WriteSession, term: int, holder: str) -> None:
    """Let another scheduler take over at once. Nothing happens when one already has."""
    table = tables.leadership
    mine = update(table).where(table.c.name == _NAME, table.c.term == term, table.c.holder == holder)
    await session.execute(mine.values(holder="", beat=table.c.beat + 1))


async def check_term(session: ReadSession, term: int, holder: str) -> None:
    """Raise TermSuperseded unless this scheduler leads in this term. Writes run one after the other, so within a write
    transaction that stays true until it commits."""
    claim = await read_claim(session)
    if (claim.term, claim.holder) != (term, holder):
        raise TermSuperseded(term=term, current=claim.term, holder=claim.holder)
