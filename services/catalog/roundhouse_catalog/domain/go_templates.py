"""Chat templates that Ollama states in Go, and what the same models are given in Jinja.

Only templates that are known word for word are replaced, blanks apart: what another one means, nobody can say for sure.
The Jinja ones write the same prompts as Ollama's own tests expect, with the beginning-of-text token before them where
the models' own templates have it.
"""

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["jinja_of"]

_ACTION: Final = re.compile(
    r"\{\{-?\s*(?:\.|\$|/\*|(?:if|range|else|end|with|template|define|block|json|len|printf|slice)\b)"
)


def jinja_of(template: str) -> str | None:
    """Return the template as Jinja: as it is, or the known one in place of a Go template; None for another Go one."""
    if "{%" in template or not _ACTION.search(template):
        return template
    return _KNOWN.get(_bare(template))


def _bare(template: str) -> str:
    """Return it without blanks and without the marks that trim blanks."""
    return re.sub(r"\s+", "", re.sub(r"\{\{-|-\}\}", lambda mark: mark[0].replace("-", ""), template))


def _marked(role: str, end: str, *, blank: str = "\n") -> str:
    """Return a Jinja template that writes a mark before and after every message."""
    before, after = role.split("ROLE")
    blank, end = blank.replace("\n", "\\n"), end.replace("\n", "\\n")
    return (
        "{% for message in messages %}{{ '" + before + "' + message['role'] + '" + after + blank + "' + "
        "message['content'] + '" + end + "' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '" + before + "assistant" + after + blank + "' }}{% endif %}"
    )


_CHATML: Final = _marked("<|im_start|>ROLE", "<|im_end|>\n")
_LLAMA3: Final = "{{ bos_token }}" + _marked("<|start_header_id|>ROLE<|end_header_id|>", "<|eot_id|>", blank="\n\n")
_PHI3: Final = "{{ bos_token }}" + _marked("<|ROLE|>", "<|end|>\n")
_ZEPHYR: Final = _marked("<|ROLE|>", "</s>\n")
_GEMMA: Final = (
    "{{ bos_token }}{% set told = namespace(system='') %}{% for message in messages %}"
    "{% if message['role'] == 'system' %}"
    "{% set told.system = told.system + ('\\n\\n' if told.system else '') + message['content'] %}"
    "{% else %}{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else 'user') + '\\n' }}"
    "{% if message['role'] == 'user' and told.system %}{{ told.system + '\\n' }}{% set told.system = '' %}{% endif %}"
    "{{ message['content'] + '<end_of_turn>\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)

_GO: Final = (
    ("{{ range .Messages }}<|im_start|>{{ .Role }}{{ .Content }}<|im_end|>{{ end }}<|im_start|>assistant", _CHATML),
    (
        "{{ if .System }}<|im_start|>system{{ .System }}<|im_end|>{{ end }}"
        "{{ if .Prompt }}<|im_start|>user{{ .Prompt }}<|im_end|>{{ end }}<|im_start|>assistant",
        _CHATML,
    ),
    (
        "{{ range .Messages }}<|start_header_id|>{{ .Role }}<|end_header_id|>{{ .Content }}<|eot_id|>{{ end }}"
        "<|start_header_id|>assistant<|end_header_id|>",
        _LLAMA3,
    ),
    (
        "{{ if .System }}<|start_header_id|>system<|end_header_id|>{{ .System }}<|eot_id|>{{ end }}"
        "{{ if .Prompt }}<|start_header_id|>user<|end_header_id|>{{ .Prompt }}<|eot_id|>{{ end }}"
        "<|start_header_id|>assistant<|end_header_id|>",
        _LLAMA3,
    ),
    ("{{ range .Messages }}<|{{ .Role }}|>{{ .Content }}<|end|>{{ end }}<|assistant|>", _PHI3),
    (
        "{{ if .System }}<|system|>{{ .System }}<|end|>{{ end }}"
        "{{ if .Prompt }}<|user|>{{ .Prompt }}<|end|>{{ end }}<|assistant|>",
        _PHI3,
    ),
    ("{{ range .Messages }}<|{{ .Role }}|>{{ .Content }}</s>{{ end }}<|assistant|>", _ZEPHYR),
    (
        "{{ if .System }}<|system|>{{ .System }}</s>{{ end }}"
        "{{ if .Prompt }}<|user|>{{ .Prompt }}</s>{{ end }}<|assistant|>",
        _ZEPHYR,
    ),
    (
        '{{ $system := "" }}{{ range .Messages }}{{ if eq .Role "system" }}{{ if not $system }}{{ $system = .Content }}'
        '{{ else }}{{ $system = printf "%s\\n\\n%s" $system .Content }}{{ end }}{{ continue }}'
        '{{ else if eq .Role "user" }}<start_of_turn>user{{ if $system }}{{ $system }}{{ $system = "" }}{{ end }}'
        '{{ else if eq .Role "assistant" }}<start_of_turn>model{{ end }}{{ .Content }}<end_of_turn>{{ end }}'
        "<start_of_turn>model",
        _GEMMA,
    ),
)
_RESPONSES: Final = (
    "",
    *(f"{{{{ .Response }}}}{end}" for end in ("", "<|im_end|>", "<|eot_id|>", "<|end|>", "</s>", "<end_of_turn>")),
)
"""How templates of the older form may end: what the model writes itself, and the mark after it."""

_KNOWN: Final[Mapping[str, str]] = {
    _bare(template + response): jinja for template, jinja in _GO for response in _RESPONSES
}
