"""The list of conversations: search, open, rename, move, delete."""

from typing import Protocol

from nicegui import ui

from roundhouse_console.domain.conversations import Conversation, Listed
from roundhouse_console.domain.playground import folders_of
from roundhouse_console.kit.chat import Talks, Told
from roundhouse_console.kit.dialogs import confirm, form_dialog, until_closed
from roundhouse_console.kit.here import ago, here, t
from roundhouse_console.pages.playground.desk import Desk

__all__ = ["ConversationList"]


class _Page(Protocol):
    """What the list needs of its page."""

    desk: Desk | None

    def open(self, desk: Desk) -> None: ...

    def start_anew(self) -> None: ...

    def blank(self) -> Conversation: ...


class ConversationList:
    """Build it where it shall be."""

    def __init__(self, page: _Page) -> None:
        self._page = page
        self._find = ""
        self._listed: list[Listed] = []
        with ui.element("aside").classes("rh-talks-side").props(f'aria-label="{t("Conversations")}"'):
            self._talks = Talks(self._act, self._search)

    def has(self, one: Listed) -> bool:
        """Say whether a conversation is in the list already, at the top."""
        return bool(self._listed) and self._listed[0].id == one.id

    async def refresh(self) -> None:
        """Read the list again."""
        self._listed = list(await here().person.conversations.listed(self._find))
        self.show()

    def show(self) -> None:
        desk = self._page.desk
        current = desk.known.listed.id if desk is not None and desk.known is not None else ""
        if not self._talks.is_deleted:
            self._talks.put(folders_of(self._listed, ago), current)

    async def _search(self, told: Told) -> None:
        self._find = str(told.get("words") or "")[:200]
        await self.refresh()

    async def _act(self, told: Told) -> None:
        name, one_id = told.get("name"), str(told.get("id") or "")
        if name == "folder":
            await self._rename_folder(one_id)
            return
        one = next((found for found in self._listed if found.id == one_id), None)
        if one is None:
            return
        if name == "open":
            await self._open(one)
        elif name == "move":
            await self._move(one)
        elif name == "delete":
            await self._delete(one)

    async def _open(self, one: Listed) -> None:
        found = here()
        stored = await found.person.conversations.find(one.id)
        if stored is not None:
            self._page.open(Desk(found.person, found.clock, stored, self._page.blank()))
        await self.refresh()

    async def _move(self, one: Listed) -> None:
        conversations = here().person.conversations
        folders = sorted({known.folder for known in self._listed if known.folder})
        with form_dialog(t("Rename or move"), button=t("Save")) as (dialog, form):
            title = ui.input(t("Title"), value=one.title).props("outlined dense autofocus maxlength=200")
            folder = ui.input(t("Folder, empty for none"), value=one.folder, autocomplete=folders)
            folder.props("outlined dense maxlength=200")

        async def save() -> None:
            await conversations.move(one.id, title=title.value or "", folder=folder.value or "")

        form.send = save
        if await until_closed(dialog):
            desk = self._page.desk
            if desk is not None and desk.known is not None and desk.known.listed.id == one.id:
                desk.renamed(await conversations.find(one.id))
            await self.refresh()

    async def _rename_folder(self, name: str) -> None:
        conversations = here().person.conversations
        with form_dialog(t("Rename folder"), button=t("Save")) as (dialog, form):
            field = ui.input(t("Name, empty to move its conversations out"), value=name)
            field.props("outlined dense autofocus maxlength=200")

        async def save() -> None:
            await conversations.rename_folder(name, field.value or "")

        form.send = save
        if await until_closed(dialog):
            await self.refresh()

    async def _delete(self, one: Listed) -> None:
        sentence = t("“{title}” and everything that was said in it is gone for good.", title=one.title)
        if not await confirm(t("Delete this conversation?"), [sentence], button=t("Delete")):
            return
        desk = self._page.desk
        if desk is not None and desk.known is not None and desk.known.listed.id == one.id:
            self._page.start_anew()
        await here().person.conversations.remove(one.id)
        await self.refresh()
