"""From what a person types about a model to what the catalog takes."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

__all__ = [
    "WAYS",
    "announced",
    "changes_of",
    "model_body",
    "modelfile_body",
    "parameters_lines",
    "same_upload",
    "words_of",
]

WAYS: Final[Mapping[str, str]] = {
    "hugging-face": "Hugging Face",
    "model-scope": "ModelScope",
    "http": "Web address",
    "upload": "Upload",
    "path": "Path on the nodes",
    "python-package": "Python package",
    "modelfile": "Modelfile",
}
"""Ways to bring a model, in the order in which they are offered."""
_REPOSITORIES: Final = ("hugging-face", "model-scope")


def words_of(text: str) -> list[str]:
    """Return what was typed with commas, spaces or lines between."""
    return list(dict.fromkeys(text.replace(",", " ").split()))


def model_body(way: str, typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model to add; what was left empty is left out. Any: values of fields, by their names."""
    source: dict[str, Any] = {"kind": way, "uri": str(typed.get("uri") or "").strip()}
    if way in _REPOSITORIES:
        source |= {
            "revision": str(typed.get("revision") or "").strip(),
            "patterns": words_of(typed.get("patterns") or ""),
        }
    if way == "http":
        source["sha256"] = str(typed.get("sha256") or "").strip().lower()
    body = {
        "name": str(typed.get("name") or "").strip() or _name_of(source["uri"]),
        "kind": typed.get("kind") or "chat",
        "source": {name: value for name, value in source.items() if value},
        "licence": str(typed.get("licence") or "").strip(),
        "tags": words_of(typed.get("tags") or ""),
        "context_length": int(typed.get("context_length") or 0),
        "is_published": bool(typed.get("is_published")),
    }
    return {name: value for name, value in body.items() if value}


def modelfile_body(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model to add as a Modelfile describes it."""
    return {
        "name": str(typed.get("name") or "").strip(),
        "modelfile": str(typed.get("modelfile") or ""),
        "kind": typed.get("kind") or "chat",
        "is_published": bool(typed.get("is_published")),
    }


def _name_of(uri: str) -> str:
    """Return a name for who typed none: the last part of the address, without its ending."""
    last = uri.rstrip("/").rpartition("/")[2]
    return last.removesuffix(".gguf")


def announced(files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return files as an upload announces them."""
    return [{name: one[name] for name in ("path", "size", "sha256")} for one in files]


def same_upload(uploads: Sequence[Mapping[str, Any]], files: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return an upload of exactly these files that was begun before, to go on with; None: there is none."""
    wanted = sorted((one["path"], one["size"], one["sha256"]) for one in files)
    for upload in uploads:
        if sorted((one["path"], one["size"], one["sha256"]) for one in upload["files"]) == wanted:
            return upload
    return None


def parameters_lines(parameters: Mapping[str, Any]) -> str:
    """Return sampling parameters as people change them: one a line."""
    return "\n".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in parameters.items())


def _parameters(text: str, words: Callable[..., str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in filter(None, (one.strip() for one in text.splitlines())):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not name:
            raise ValueError(words("{line} is no parameter; write NAME=VALUE.", line=line))
        try:
            found[name] = json.loads(value, parse_constant=str)
        except ValueError:
            found[name] = value  # a text without quotes
    return found


def changes_of(typed: Mapping[str, Any], words: Callable[..., str]) -> dict[str, Any]:
    """Return what changes a model to what was typed. Raises ValueError with a sentence for the person."""
    try:
        context, memory_mib = int(typed["context_length"] or 0), int(typed["memory_mib"] or 0)
    except ValueError:
        raise ValueError(words("The context and the memory are whole numbers.")) from None
    # Stated memory need not be whole MiB: it stays as it is unless somebody typed another.
    memory = {} if typed["memory_mib"] == typed["known_memory_mib"] else {"memory_bytes": memory_mib * 2**20}
    return {
        **memory,
        "name": typed["name"].strip(),
        "kind": typed["kind"],
        "licence": typed["licence"].strip(),
        "tags": words_of(typed["tags"]),
        "context_length": context,
        "defaults": {
            "system_message": typed["system_message"],
            "parameters": _parameters(typed["parameters"], words),
            "chat_template": typed["chat_template"],
        },
    }
