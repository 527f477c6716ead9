"""Anthropic's messages as OpenAI's.

Left out: thoughts that only Anthropic can read, and Claude Code's billing header, which differs in each request and
would make every cached prefix worthless.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from roundhouse_router.dialects.anthropic_blocks import (
    Base64Source,
    Block,
    ContentSource,
    DocumentBlock,
    ImageBlock,
    Message,
    RedactedBlock,
    SearchResultBlock,
    TextBlock,
    TextSource,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UrlSource,
)
from roundhouse_router.dialects.chat_messages import Document, Messages, image_part, text_part
from roundhouse_router.dialects.reading import refuse

__all__ = ["chat_messages"]

_BILLING: Final = "x-anthropic-billing-header"
_ERROR: Final = "Error: "
Shown: TypeAlias = TextBlock | ImageBlock | DocumentBlock | SearchResultBlock


def chat_messages(system: str | list[TextBlock] | None, messages: Sequence[Message]) -> list[Document]:
    """Return the messages for OpenAI's chat. Raises BadBody for what it cannot say."""
    made = Messages()
    made.system(_instructions(system))
    for number, message in enumerate(messages):
        content = [TextBlock(message.content)] if isinstance(message.content, str) else message.content
        place = f"messages.{number}.content"
        if message.role == "user":
            _add_user(made, content, place)
        elif message.role == "assistant":
            _add_assistant(made, content, place)
        else:
            made.system(_instructions([_text_only(block, f"{place}.{n}") for n, block in enumerate(content)]))
    return made.made()


def _instructions(told: str | Sequence[TextBlock] | None) -> str:
    texts = [told] if isinstance(told, str) else [block.text for block in told or ()]
    return "\n\n".join(text for text in texts if text and not text.startswith(_BILLING))


def _text_only(block: Block, place: str) -> TextBlock:
    if not isinstance(block, TextBlock):
        raise refuse(f"{place}.type", "system messages may hold text only")
    return block


def _add_user(made: Messages, content: Sequence[Block], place: str) -> None:
    """Results go first, in their order: they answer the calls of the message before. Their images, which a result
    cannot hold in OpenAI's chat, come at the beginning of what the user says."""
    said: list[Document] = []
    pictures: list[Document] = []
    for number, block in enumerate(content):
        where = f"{place}.{number}"
        if isinstance(block, ToolResultBlock):
            made.tool(block.tool_use_id, _result(block, pictures, where))
        elif isinstance(block, ThinkingBlock | RedactedBlock | ToolUseBlock):
            raise refuse(f"{where}.type", "a user message cannot hold thoughts or tool calls")
        else:
            said += _shown(block, where)
    made.user([*pictures, *said])


def _result(block: ToolResultBlock, pictures: list[Document], place: str) -> str:
    shown = [TextBlock(block.content)] if isinstance(block.content, str) else block.content or []
    texts: list[str] = []
    images: list[Document] = []
    for number, one in enumerate(shown):
        for part in _shown(one, f"{place}.content.{number}"):
            if part["type"] == "text":
                texts.append(part["text"])
            else:
                images.append(part)
    if images:
        texts.append(f"({len(images)} image(s) of this result: see the next message)")
        pictures += [text_part(f"Image(s) of the tool result {block.tool_use_id}:"), *images]
    text = "\n".join(texts)
    return _ERROR + text if block.is_error else text


def _add_assistant(made: Messages, content: Sequence[Block], place: str) -> None:
    text, thought = "", ""
    calls: list[Document] = []
    for number, block in enumerate(content):
        if isinstance(block, TextBlock):
            text += block.text
        elif isinstance(block, ThinkingBlock):
            thought += block.thinking
        elif isinstance(block, ToolUseBlock):
            function = {"name": block.name, "arguments": _json_text(block.input, f"{place}.{number}.input")}
            calls.append({"id": block.id, "type": "function", "function": function})
        elif not isinstance(block, RedactedBlock):
            raise refuse(f"{place}.{number}.type", "an assistant message may hold text, thoughts and tool calls only")
    made.assistant(text, thought=thought, calls=calls)


def _json_text(value: msgspec.Raw, place: str) -> str:
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        raise refuse(place, "the text is not UTF-8") from None


def _shown(block: Shown, place: str) -> list[Document]:
    """Return what a user's message shows as OpenAI's parts."""
    if isinstance(block, TextBlock):
        return [text_part(block.text)]
    if isinstance(block, ImageBlock):
        return [image_part(_address(block.source))]
    if block.citations is not None and block.citations.enabled:
        raise refuse(f"{place}.citations", "citations are not available for this model")
    if isinstance(block, SearchResultBlock):
        found = "\n".join(one.text for one in block.content)
        return [text_part(f"{block.title} ({block.source})\n{found}")]
    return _document(block, place)


def _document(block: DocumentBlock, place: str) -> list[Document]:
    source = block.source
    heads = [text_part(text) for text in (block.title, block.context) if text]
    if isinstance(source, TextSource):
        return [*heads, text_part(source.data)]
    if isinstance(source, ContentSource):
        content = [TextBlock(source.content)] if isinstance(source.content, str) else source.content
        return heads + [part for one in content for part in _shown(one, place)]
    raise refuse(f"{place}.source", "PDF documents are not available for this model: send their text")


def _address(source: Base64Source | UrlSource) -> str:
    if isinstance(source, UrlSource):
        return source.url
    return f"data:{source.media_type};base64,{source.data}"
