"""The OpenAPI document of the router's interfaces: what it judges of a request itself, and every error's shape.

What else a body may have is the engine's to judge, so bodies are objects with a few known members.
"""

import importlib.metadata
from collections.abc import Mapping
from typing import Any, Final

from roundhouse_common.contracts.usage import Operation
from roundhouse_common.runtime import SystemClock
from roundhouse_router.api.interface import Interface
from roundhouse_router.api.interfaces import COUNT_TOKENS, INTERFACES
from roundhouse_router.api.ollama_interfaces import ollama_interfaces

__all__ = ["openapi_document"]

# Any: JSON documents.

_TEXT: Final = {"type": "string"}
_OBJECT: Final = {"type": "object"}
_ANY: Final[dict[str, Any]] = {}
_EVENTS: Final = {"text/event-stream": {"description": "Server-sent events"}}
_LINES: Final = {"application/x-ndjson": {"description": "A JSON document in each line"}}
_MEMBERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "openai.chat": {"messages": {"type": "array", "items": _OBJECT}},
    "openai.completions": {"prompt": _ANY},
    "openai.embeddings": {"input": _ANY},
    "openai.responses": {"input": _ANY},
    "rerank": {"query": _TEXT, "documents": {"type": "array"}},
    "score": {},
    "anthropic.messages": {
        "messages": {"type": "array", "items": _OBJECT},
        "max_tokens": {"type": "integer", "minimum": 1},
    },
    "anthropic.count_tokens": {"messages": {"type": "array", "items": _OBJECT}},
    "ollama.chat": {"messages": {"type": "array", "items": _OBJECT}},
}
"""What an interface asks for beside the model."""
_STREAMED: Final = frozenset((Operation.CHAT, Operation.COMPLETION))
_SHOWN: Final = {
    "/v1/models": "The models that the key may use",
    "/v1/models/{model}": "One of them",
    "/api/version": "The version of Ollama's API",
    "/api/tags": "The models that the key may use, as Ollama lists them",
    "/api/ps": "Those that run",
}
_ERRORS: Final[Mapping[str, Any]] = {
    "OpenAiError": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message"],
                "properties": {"message": _TEXT, "type": {"type": ["string", "null"]}, "param": _ANY, "code": _ANY},
            }
        },
    },
    "AnthropicError": {
        "type": "object",
        "required": ["type", "error"],
        "properties": {
            "type": {"const": "error"},
            "error": {
                "type": "object",
                "required": ["type", "message"],
                "properties": {"type": _TEXT, "message": _TEXT},
            },
            "request_id": _TEXT,
        },
    },
    "OllamaError": {"type": "object", "required": ["error"], "properties": {"error": _TEXT}},
}


def openapi_document() -> dict[str, Any]:
    """Return the document. It depends on the code alone."""
    interfaces = {**INTERFACES, COUNT_TOKENS.path: COUNT_TOKENS, **ollama_interfaces(SystemClock())}
    paths: dict[str, Any] = {path: {"post": _inference(interface)} for path, interface in interfaces.items()}
    paths |= {path: {"get": _shown(path, words)} for path, words in _SHOWN.items()}
    paths["/api/version"]["get"]["security"] = []
    paths["/api/show"] = {
        "post": {
            "summary": "One model, as Ollama shows it",
            "operationId": "/api/show",
            "requestBody": _body({"application/json": _with_model({})}),
            "responses": {"200": _answer({"application/json": _OBJECT}), **_refusals("OllamaError")},
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Roundhouse router",
            "version": importlib.metadata.version("roundhouse-router"),
            "description": "OpenAI's, Anthropic's and Ollama's APIs. Errors of engines pass with their status.",
        },
        "security": [{"Bearer key": []}, {"x-api-key": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(_ERRORS),
            "securitySchemes": {
                "Bearer key": {"type": "http", "scheme": "bearer"},
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _inference(interface: Interface) -> dict[str, Any]:
    answers: dict[str, Any] = {"application/json": _OBJECT}
    if interface.operation in _STREAMED and interface is not COUNT_TOKENS:
        answers |= _LINES if interface.api.startswith("ollama.") else _EVENTS
    if interface.media is not None:
        answers = {"*/*": _ANY}
    return {
        "summary": interface.api,
        "operationId": interface.path,
        "requestBody": _body(_contents(interface)),
        "responses": {"200": _answer(answers), **_refusals(_error_of(interface.api))},
    }


def _contents(interface: Interface) -> dict[str, Any]:
    media = interface.media
    members = _with_model(_MEMBERS.get(interface.api, {}), is_streamed=interface.operation in _STREAMED)
    contents = {"application/json": members}
    if media is None:
        return contents
    forms = {"multipart/form-data": {"type": "object", "required": ["model"], "properties": {"model": _TEXT}}}
    return {**(contents if media.has_json else {}), **(forms if media.has_form else {})}


def _with_model(members: Mapping[str, Any], *, is_streamed: bool = False) -> dict[str, Any]:
    stream = {"stream": {"type": "boolean"}} if is_streamed else {}
    return {
        "type": "object",
        "required": ["model", *members],
        "properties": {"model": {"type": "string", "minLength": 1}, **members, **stream},
    }


def _shown(path: str, words: str) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": words, "operationId": path}
    if "{model}" in path:
        operation["parameters"] = [{"name": "model", "in": "path", "required": True, "schema": _TEXT}]
    error = "OllamaError" if path.startswith("/api/") else "OpenAiError"
    return {**operation, "responses": {"200": _answer({"application/json": _OBJECT}), **_refusals(error)}}


def _error_of(api: str) -> str:
    kind = api.partition(".")[0]
    return {"anthropic": "AnthropicError", "ollama": "OllamaError"}.get(kind, "OpenAiError")


def _refusals(error: str) -> dict[str, Any]:
    """Return the errors: the router's own by status, and those that engines and providers may add."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{error}"}}}
    texts = {
        "400": "The request is wrong",
        "401": "There is no such key, or it has expired",
        "403": "The key may not be used from there, or for this model, or is blocked for now",
        "404": "There is no such model, or its engine does not have this endpoint",
        "413": "The body is too large",
        "429": "A limit is reached, or all engines are busy; `retry-after` says how long",
        "4XX": "What else the engine refused",
        "5XX": "The router or the engine failed, or no replica is ready",
    }
    return {status: {"description": text, "content": content} for status, text in texts.items()}


def _body(contents: Mapping[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {kind: {"schema": schema} for kind, schema in contents.items()}}


def _answer(contents: Mapping[str, Any]) -> dict[str, Any]:
    headers = {"x-request-id": {"required": True, "schema": _TEXT}}
    content = {kind: {"schema": schema} for kind, schema in contents.items()}
    return {"description": "The answer", "headers": headers, "content": content}
