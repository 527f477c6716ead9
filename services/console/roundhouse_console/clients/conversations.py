"""A person's conversations, kept by the console itself."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from roundhouse_common.database import Database
from roundhouse_common.runtime import Clock, Ids
from roundhouse_console.domain.conversations import (
    Conversation,
    Listed,
    Stored,
    clean_folder,
    clean_title,
    title_of,
)
from roundhouse_console.domain.errors import ConsoleError
from roundhouse_console.store import conversations as store
from roundhouse_console.store.conversations import Owner

__all__ = ["MOST_BYTES", "Conversations"]

_MOST_LISTED: Final = 300
MOST_BYTES: Final = 8 * 2**20
"""The size of one conversation with its images, at the most."""


class Conversations:
    """Only the owner's own are found. Raises ConsoleError."""

    def __init__(self, db: Database, owner: Callable[[], Owner], *, clock: Clock, ids: Ids) -> None:
        self._db = db
        self._owner = owner
        self._clock = clock
        self._ids = ids

    async def listed(self, words: str = "") -> Sequence[Listed]:
        """Return the newest ones that all words are in."""
        async with self._db.read() as session:
            return await store.listed(session, self._owner(), words=words, most=_MOST_LISTED)

    async def find(self, conversation_id: str) -> Stored | None:
        async with self._db.read() as session:
            return await store.find(session, self._owner(), conversation_id)

    async def keep(self, known: Stored | None, conversation: Conversation) -> Stored:
        """Keep what a conversation says now; `known` is how it was last read or kept, None: it is new."""
        if len(msgspec.json.encode(conversation)) > MOST_BYTES:
            raise ConsoleError("This conversation is too large to be kept. Start a new one, or with fewer images.")
        now = self._clock.now()
        async with self._db.write() as session:
            if known is None:
                listed = Listed(id=self._ids.new("cnv"), title=title_of(conversation), folder="", updated_at=now)
                made = Stored(listed=listed, revision=1, conversation=conversation)
                await store.insert_conversation(session, self._owner(), made)
                return made
            listed = replace(known.listed, updated_at=now)
            if not await store.change(
                session, self._owner(), Stored(listed=listed, revision=known.revision, conversation=conversation)
            ):
                raise ConsoleError("This conversation was changed or deleted in another window. Load the page again.")
            return Stored(listed=listed, revision=known.revision + 1, conversation=conversation)

    async def move(self, conversation_id: str, *, title: str, folder: str) -> None:
        """Rename a conversation, or put it into a folder; empty: into none."""
        async with self._db.write() as session:
            await store.move(
                session, self._owner(), conversation_id, title=clean_title(title), folder=clean_folder(folder)
            )

    async def rename_folder(self, folder: str, name: str) -> None:
        async with self._db.write() as session:
            await store.rename_folder(session, self._owner(), folder, clean_folder(name))

    async def remove(self, conversation_id: str) -> None:
        async with self._db.write() as session:
            await store.remove(session, self._owner(), conversation_id)
