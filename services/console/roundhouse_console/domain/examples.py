"""How a program calls a model: texts to copy, with the address and the name as they are and never a secret."""

import json
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["KEY_VARIABLE", "LANGUAGES", "example"]

KEY_VARIABLE: Final = "ROUNDHOUSE_API_KEY"
LANGUAGES: Final = ("curl", "Python", "JavaScript")
_QUESTION: Final = "What is gravity?"
_CALLS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "chat": ("chat/completions", {"messages": [{"role": "user", "content": _QUESTION}]}),
    "completion": ("completions", {"prompt": "Gravity is", "max_tokens": 64}),
    "embedding": ("embeddings", {"input": [_QUESTION]}),
    "rerank": ("rerank", {"query": _QUESTION, "documents": ["Masses attract each other.", "Tea is a drink."]}),
    "image": ("images/generations", {"prompt": "A roundhouse with steam engines"}),
    "speech": ("audio/speech", {"input": _QUESTION, "voice": "alloy"}),
    "transcription": ("audio/transcriptions", {}),
}
_UPLOADS: Final = "audio/transcriptions"
_PYTHON: Final[Mapping[str, tuple[str, str]]] = {
    "chat": ("answer = client.chat.completions.create(", "print(answer.choices[0].message.content)"),
    "completion": ("answer = client.completions.create(", "print(answer.choices[0].text)"),
    "embedding": ("answer = client.embeddings.create(", "print(answer.data[0].embedding)"),
    "image": ("answer = client.images.generate(", "print(answer.data[0])"),
    "speech": ("answer = client.audio.speech.create(", 'answer.write_to_file("speech.mp3")'),
}
"""By kind: the call of the `openai` package, and what is done with its answer."""
_JAVASCRIPT: Final[Mapping[str, str]] = {
    "chat": "console.log((await answer.json()).choices[0].message.content);",
    "completion": "console.log((await answer.json()).choices[0].text);",
    "embedding": "console.log((await answer.json()).data[0].embedding);",
    "speech": "process.stdout.write(Buffer.from(await answer.arrayBuffer()));",
}


def example(language: str, *, kind: str, name: str, router_url: str, key: str) -> str:
    """Return a program that calls the model by `name`. `key` says for people which of their keys is meant."""
    path, parts = _CALLS.get(kind, _CALLS["chat"])
    base = f"{router_url.rstrip('/')}/v1"
    body = {"model": name, **parts}
    note = _one_line(key)
    if language == "Python":
        return _python(kind, base, path, body, note)
    if language == "JavaScript":
        return _javascript(kind, base, path, body, note)
    return _curl(base, path, body, note)


def _curl(base: str, path: str, body: Mapping[str, Any], note: str) -> str:
    lines = [f"# {note}", f"curl {_shell(f'{base}/{path}')} \\", f'  -H "Authorization: Bearer ${KEY_VARIABLE}" \\']
    if path == _UPLOADS:
        return "\n".join([*lines, f"  -F model={_shell(body['model'])} \\", "  -F file=@speech.wav"])
    text = json.dumps(body, ensure_ascii=False, indent=2)
    return "\n".join([*lines, '  -H "Content-Type: application/json" \\', f"  -d {_shell(text)}"])


def _python(kind: str, base: str, path: str, body: Mapping[str, Any], note: str) -> str:
    if kind in _PYTHON:
        call, use = _PYTHON[kind]
        given = "".join(f"    {name}={_literal(value)},\n" for name, value in body.items())
        return (
            f"# pip install openai; {note}\nimport os\n\nfrom openai import OpenAI\n\n"
            f'client = OpenAI(base_url={_literal(base)}, api_key=os.environ["{KEY_VARIABLE}"])\n'
            f"{call}\n{given})\n{use}"
        )
    sent = f'data={_literal({"model": body["model"]})},\n    files={{"file": open("speech.wav", "rb")}},'
    if path != _UPLOADS:
        sent = f"json={_literal(dict(body))},\n    timeout=60,"
    return (
        f"# pip install httpx; {note}\nimport os\n\nimport httpx\n\nanswer = httpx.post(\n"
        f"    {_literal(f'{base}/{path}')},\n"
        f'    headers={{"Authorization": f"Bearer {{os.environ[\'{KEY_VARIABLE}\']}}"}},\n    {sent}\n)\n'
        "answer.raise_for_status()\nprint(answer.json())"
    )


def _javascript(kind: str, base: str, path: str, body: Mapping[str, Any], note: str) -> str:
    key = f"Authorization: `Bearer ${{process.env.{KEY_VARIABLE}}}`"
    head = f"// Node.js 18 or newer, as a module; {note}\n"
    use = _JAVASCRIPT.get(kind, "console.log(await answer.json());")
    if path == _UPLOADS:
        return (
            f'{head}import {{ openAsBlob }} from "node:fs";\n\nconst form = new FormData();\n'
            f'form.append("model", {_literal(body["model"])});\nform.append("file", await openAsBlob("speech.wav"), '
            f'"speech.wav");\nconst answer = await fetch({_literal(f"{base}/{path}")}, {{\n  method: "POST",\n'
            f"  headers: {{ {key} }},\n  body: form,\n}});\n{use}"
        )
    text = json.dumps(body, ensure_ascii=False, indent=2).replace("\n", "\n  ")
    return (
        f'{head}const answer = await fetch({_literal(f"{base}/{path}")}, {{\n  method: "POST",\n'
        f'  headers: {{\n    "Content-Type": "application/json",\n    {key},\n  }},\n'
        f"  body: JSON.stringify({text}),\n}});\n{use}"
    )


def _literal(value: object) -> str:
    """Return texts, lists and objects of them as they are written in Python and in JavaScript alike."""
    return json.dumps(value, ensure_ascii=False)


def _shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _one_line(text: str) -> str:
    return " ".join(text.split())
