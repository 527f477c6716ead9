"""Input items of the Responses API as OpenAI's chat messages."""

from collections.abc import Sequence
from typing import Final

from roundhouse_router.dialects.chat_messages import Document, Messages, image_part, text_part
from roundhouse_router.dialects.reading import refuse
from roundhouse_router.dialects.responses_body import Content, Item

__all__ = ["chat_messages"]

_TEXTS: Final = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})
_INSTRUCTING: Final = frozenset({"system", "developer"})


def chat_messages(instructions: str | None, told: str | Sequence[Item]) -> list[Document]:
    """Return the messages for OpenAI's chat. Raises BadBody for what it cannot say."""
    made = Messages()
    made.system(instructions or "")
    if isinstance(told, str):
        made.user([text_part(told)])
        return made.made()
    for number, item in enumerate(told):
        _add(made, item, f"input.{number}")
    return made.made()


def _add(made: Messages, item: Item, place: str) -> None:
    if item.type == "message":
        _add_message(made, item, place)
    elif item.type == "function_call":
        function = {
            "name": _given(item.name, f"{place}.name"),
            "arguments": _given(item.arguments, f"{place}.arguments"),
        }
        call_id = _given(item.call_id, f"{place}.call_id")
        made.assistant("", calls=[{"id": call_id, "type": "function", "function": function}])
    elif item.type == "function_call_output":
        _add_output(made, item, place)
    elif item.type == "reasoning":
        thoughts = item.content if isinstance(item.content, list) and item.content else item.summary or []
        made.assistant("", thought="\n\n".join(one.text or "" for one in thoughts))
    elif item.type == "item_reference":
        raise refuse(f"{place}.type", "nothing is stored here: send the item itself")
    else:
        raise refuse(f"{place}.type", f"items of type {item.type!r} are not available for this model")


def _add_message(made: Messages, item: Item, place: str) -> None:
    if item.content is None:
        raise refuse(f"{place}.content", "a value is required")
    content = [Content("input_text", text=item.content)] if isinstance(item.content, str) else item.content
    if item.role == "user":
        made.user(_parts(content, f"{place}.content"))
    elif item.role == "assistant":
        made.assistant("".join(one.refusal or _text(one, f"{place}.content.{n}") for n, one in enumerate(content)))
    elif item.role in _INSTRUCTING:
        made.system("\n\n".join(_text(one, f"{place}.content.{n}") for n, one in enumerate(content)))
    else:
        raise refuse(f"{place}.role", "one of user, assistant, system and developer is expected")


def _add_output(made: Messages, item: Item, place: str) -> None:
    """A result holds text only in OpenAI's chat: its images come with the user's next words."""
    call_id = _given(item.call_id, f"{place}.call_id")
    if not isinstance(item.output, list):
        made.tool(call_id, _given(item.output, f"{place}.output"))
        return
    parts = _parts(item.output, f"{place}.output")
    images = [part for part in parts if part["type"] != "text"]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    if images:
        texts.append(f"({len(images)} image(s) of this result: see the next message)")
        made.later([text_part(f"Image(s) of the tool result {call_id}:"), *images])
    made.tool(call_id, "\n".join(texts))


def _parts(content: Sequence[Content], place: str) -> list[Document]:
    made: list[Document] = []
    for number, one in enumerate(content):
        if one.type == "input_image":
            if one.image_url is None:
                raise refuse(f"{place}.{number}", "an image is expected as image_url: files are not stored here")
            made.append(image_part(one.image_url, one.detail))
        else:
            made.append(text_part(_text(one, f"{place}.{number}")))
    return made


def _text(one: Content, place: str) -> str:
    if one.type not in _TEXTS:
        raise refuse(f"{place}.type", f"{one.type!r} is not available for this model")
    return _given(one.text, f"{place}.text")


def _given(value: str | None, place: str) -> str:
    if value is None:
        raise refuse(place, "a value is required")
    return value
