"""A conversation as a file, and as code that asks the same."""

import json
import pprint
from typing import Any, Final

from roundhouse_console.domain.chatting import messages_of, parameters_of
from roundhouse_console.domain.conversations import Conversation, Turn, shown_answer

__all__ = ["LANGUAGES", "code_of", "json_of", "markdown_of"]

KEY: Final = "YOUR_API_KEY"
LANGUAGES: Final = {"curl": "curl", "python": "Python", "javascript": "JavaScript"}
_WIDTH: Final = 100


def markdown_of(title: str, conversation: Conversation) -> str:
    """Return what was asked and answered, with every model's answer under its name."""
    lines = [f"# {title or 'Conversation'}", ""]
    if system := conversation.sampling.system.strip():
        lines += ["> " + line for line in system.split("\n")] + [""]
    for turn in conversation.turns:
        lines += ["## You", "", turn.text, ""]
        if turn.images:
            lines += [f"({len(turn.images)} images)", ""]
        for model in conversation.models:
            answer = shown_answer(turn, model.id)
            if answer is not None:
                lines += [f"## {answer.model}", "", answer.text or answer.trouble, ""]
                for call in (call for step in answer.steps for call in step.calls):
                    lines += [f"- `{call.name}({call.arguments})` → {call.result or ''}", ""]
    return "\n".join(lines)


def json_of(title: str, conversation: Conversation) -> str:
    """Return the messages of each model as its API takes them, with the parameters."""
    models = [{"model": one.name, "messages": messages_of(conversation, one.id)} for one in conversation.models]
    found = {"title": title, "parameters": parameters_of(conversation.sampling), "conversations": models}
    return json.dumps(found, ensure_ascii=False, indent=2)


def code_of(language: str, base_url: str, conversation: Conversation, column_id: str, model: str) -> str:
    """Return a program that asks a model the conversation's last prompt with all that came before it."""
    until: Turn | None = conversation.turns[-1] if conversation.turns else None
    messages = messages_of(conversation, column_id, until)
    if until is None:
        messages.append({"role": "user", "content": "What is gravity?"})
    body = _short({"model": model, "messages": messages, **parameters_of(conversation.sampling)})
    if language == "python":
        return _python(base_url, body)
    if language == "javascript":
        return _javascript(base_url, body)
    shown = json.dumps({**body, "stream": True}, ensure_ascii=False, indent=2).replace("'", "'\\''")
    return (
        f"curl -N {base_url}/v1/chat/completions \\\n  -H 'Authorization: Bearer {KEY}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n  -d '{shown}'\n"
    )


def _python(base_url: str, body: dict[str, Any]) -> str:
    arguments = "".join(f"    {name}={_literal(value)},\n" for name, value in body.items())
    return (
        f'from openai import OpenAI\n\nclient = OpenAI(base_url="{base_url}/v1", api_key="{KEY}")\n'
        f"stream = client.chat.completions.create(\n{arguments}    stream=True,\n)\n"
        "for chunk in stream:\n    if chunk.choices:\n"
        '        print(chunk.choices[0].delta.content or "", end="", flush=True)\n'
    )


def _javascript(base_url: str, body: dict[str, Any]) -> str:
    shown = json.dumps({**body, "stream": True}, ensure_ascii=False, indent=2)
    return (
        f'import OpenAI from "openai";\n\nconst client = new OpenAI({{ baseURL: "{base_url}/v1", apiKey: "{KEY}" }});\n'
        f"const stream = await client.chat.completions.create({shown});\n"
        'for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? "");\n'
    )


def _literal(value: object) -> str:
    return pprint.pformat(value, width=_WIDTH, sort_dicts=False).replace("\n", "\n    ")


def _short(value: Any) -> Any:  # Any: JSON
    """Return the same with images left out: nobody reads them in code."""
    if isinstance(value, dict):
        return {name: _short(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_short(one) for one in value]
    if isinstance(value, str) and value.startswith("data:image/"):
        return value.partition(",")[0] + ",..."
    return value
