"""Conversations in SQL. Every statement names the owner: nobody reads or changes those of others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, delete, insert, select, update

from roundhouse_common.database import ReadSession, WriteSession
from roundhouse_common.runtime import UnixTime
from roundhouse_console.domain.conversations import Conversation, Listed, Stored, searched_words
from roundhouse_console.store.tables import conversations

__all__ = ["Owner", "change", "find", "insert_conversation", "listed", "move", "remove", "rename_folder"]

_C = conversations.c


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose conversations: a person's in one tenant."""

    user_id: str
    tenant_id: str


async def listed(session: ReadSession, owner: Owner, *, words: str, most: int) -> Sequence[Listed]:
    """Return the newest conversations in which all words are, without what they say."""
    query = select(_C.id, _C.title, _C.folder, _C.updated_at).where(_owned(owner))
    for word in words.lower().split():
        query = query.where(_C.words.contains(word, autoescape=True))
    found = await session.execute(query.order_by(_C.updated_at.desc(), _C.id).limit(most))
    return [_listed(row) for row in found]


async def find(session: ReadSession, owner: Owner, conversation_id: str) -> Stored | None:
    query = select(_C.id, _C.title, _C.folder, _C.updated_at, _C.revision, _C.document)
    row = (await session.execute(query.where(_one(owner, conversation_id)))).one_or_none()
    if row is None:
        return None
    document = msgspec.json.decode(row.document, type=Conversation)
    return Stored(listed=_listed(row), revision=row.revision, conversation=document)


async def insert_conversation(session: WriteSession, owner: Owner, made: Stored) -> None:
    one = made.listed
    await session.execute(
        insert(conversations).values(
            id=one.id,
            user_id=owner.user_id,
            tenant_id=owner.tenant_id,
            folder=one.folder,
            title=one.title,
            words=searched_words(one.title, made.conversation),
            document=msgspec.json.encode(made.conversation),
            revision=made.revision,
            created_at=one.updated_at,
            updated_at=one.updated_at,
        )
    )


async def change(session: WriteSession, owner: Owner, changed: Stored) -> bool:
    """Keep what a conversation says now. False: it is gone, or another page changed it since it was read."""
    one = changed.listed
    done = await session.execute(
        update(conversations)
        .where(_one(owner, one.id), _C.revision == changed.revision)
        .values(
            words=searched_words(one.title, changed.conversation),
            document=msgspec.json.encode(changed.conversation),
            revision=changed.revision + 1,
            updated_at=one.updated_at,
        )
    )
    return done.rowcount == 1


async def move(session: WriteSession, owner: Owner, conversation_id: str, *, title: str, folder: str) -> bool:
    """Give a conversation a title and a folder. False: it is gone."""
    found = await find(session, owner, conversation_id)
    if found is None:
        return False
    await session.execute(
        update(conversations)
        .where(_one(owner, conversation_id))
        .values(title=title, folder=folder, words=searched_words(title, found.conversation))
    )
    return True


async def rename_folder(session: WriteSession, owner: Owner, folder: str, name: str) -> int:
    """Rename a folder, or empty it into another; returns how many conversations were in it."""
    done = await session.execute(update(conversations).where(_owned(owner), _C.folder == folder).values(folder=name))
    return done.rowcount


async def remove(session: WriteSession, owner: Owner, conversation_id: str) -> None:
    """Delete a conversation for good; nothing happens when it is gone already."""
    await session.execute(delete(conversations).where(_one(owner, conversation_id)))


def _owned(owner: Owner) -> ColumnElement[bool]:
    return and_(_C.user_id == owner.user_id, _C.tenant_id == owner.tenant_id)


def _one(owner: Owner, conversation_id: str) -> ColumnElement[bool]:
    return and_(_C.id == conversation_id, _owned(owner))


def _listed(row: Any) -> Listed:  # Any: a row of one of the queries above
    return Listed(id=row.id, title=row.title, folder=row.folder, updated_at=UnixTime(row.updated_at))
