"""What a chat is made of: threads of messages, where a prompt is written, the list of conversations."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from markdown_it import MarkdownIt
from nicegui import events, ui

from roundhouse_console.kit.data import put_data
from roundhouse_console.kit.here import t

__all__ = ["Composer", "Talks", "Thread", "markdown_html"]

Told = Mapping[str, Any]
"""What a browser sent with an event. Any: to be judged by who takes it."""
_MARKDOWN: Final = MarkdownIt("js-default").disable("image")
_MOST_MARKDOWN: Final = 60_000


@lru_cache(maxsize=64)
def markdown_html(text: str) -> str | None:
    """Return an answer's Markdown as HTML, None: it is too long to be rendered, show it as it is.

    HTML in it is escaped, images and links to scripts are not made; the browser sanitises it once more.
    """
    if len(text) > _MOST_MARKDOWN:
        return None
    made: str = _MARKDOWN.render(text)
    return made


class Thread(ui.element, component="thread.js"):
    """One column of messages."""

    def __init__(self, label: str, on_act: Callable[[Told], object], on_earlier: Callable[[], object]) -> None:
        super().__init__()
        self.classes("rh-thread-box")
        self.props["label"] = label
        self.props["words"] = _thread_words()
        self.props["items"] = []
        self.props["earlier"] = 0
        self.props["busy"] = False
        self.on("act", lambda event: _told(event, on_act))
        self.on("earlier", lambda _: on_earlier())

    def put(self, items: Sequence[dict[str, Any]], *, earlier: int, is_busy: bool) -> None:
        """Show these messages; `earlier` is how many more there are."""
        put_data(self, items=list(items), earlier=earlier, busy=is_busy)

    def grow(self, stamp: str, reasoning: str, text: str) -> None:
        """Append to the message that has the stamp."""
        self.run_method("grow", stamp, reasoning, text)

    def to_end(self) -> None:
        self.run_method("toEnd")


class Composer(ui.element, component="composer.js"):
    """Where a prompt is written."""

    def __init__(self, on_send: Callable[[Told], object], on_stop: Callable[[], object], *, most_images: int) -> None:
        super().__init__()
        self.on_gone: Callable[[], object] = lambda: None
        """Called when the page that it is on goes."""
        self.props["busy"] = False
        self.props["most"] = most_images
        self.props["words"] = {
            "prompt": t("Ask something"),
            "send": t("Send"),
            "stop": t("Stop"),
            "attach": t("Add an image"),
            "image": t("Image"),
            "remove": t("Remove image"),
            "tooMany": t("That many images do not fit: {most} at the most.", most=most_images),
            "noImage": t("This file is no image that the browser can read."),
        }
        self.on("send", lambda event: _told(event, on_send))
        self.on("stop", lambda _: on_stop())

    def _handle_delete(self) -> None:
        self.on_gone()
        super()._handle_delete()

    def set_busy(self, is_busy: bool) -> None:
        if self.props["busy"] != is_busy:
            self.props["busy"] = is_busy
            self.update()


class Talks(ui.element, component="talks.js"):
    """Conversations by folder."""

    def __init__(self, on_act: Callable[[Told], object], on_find: Callable[[Told], object]) -> None:
        super().__init__()
        self.props["folders"] = []
        self.props["current"] = ""
        self.props["words"] = {
            "search": t("Search conversations"),
            "none": t("Conversations are kept here once you have asked something."),
            "nothing": t("Nothing matches."),
            "untitled": t("Without a title"),
            "rename": t("Rename or move"),
            "renameFolder": t("Rename folder"),
            "delete": t("Delete"),
        }
        self.on("act", lambda event: _told(event, on_act))
        self.on("find", lambda event: _told(event, on_find))

    def put(self, folders: Sequence[dict[str, Any]], current: str) -> None:
        put_data(self, folders=list(folders), current=current)


async def _told(event: events.GenericEventArguments, take: Callable[[Told], object]) -> None:
    told = event.args if isinstance(event.args, Mapping) else {}
    made = take(told)
    if made is not None and hasattr(made, "__await__"):
        await made


def _thread_words() -> dict[str, str]:
    return {
        "earlier": t("Show earlier"),
        "empty": t("Ask something below. Answers come as they are written."),
        "edit": t("Edit"),
        "later": t("What came after this prompt is removed."),
        "send": t("Send"),
        "save": t("Save as a new version"),
        "cancel": t("Cancel"),
        "image": t("Image"),
        "reasoning": t("Reasoning"),
        "tool": t("Calls the tool"),
        "result": t("The tool's result"),
        "give": t("Give result"),
        "wait": t("Waiting for the first token …"),
        "again": t("Try again"),
        "previous": t("Previous version"),
        "next": t("Next version"),
        "copy": t("Copy"),
        "regenerate": t("Regenerate"),
    }
