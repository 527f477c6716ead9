"""Recipes as people keep them: JSON or YAML, one document or a list. Read with limits, and with lines in the errors."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml
from pydantic import ValidationError

from roundhouse_catalog.api.template_schemas import TemplateToCreate
from roundhouse_catalog.domain.findings import quoted
from roundhouse_common.errors import FieldError, InvalidInput, RoundhouseError

__all__ = ["JSON_TYPES", "YAML_TYPES", "Lines", "TooLarge", "read_documents", "write_yaml"]

JSON_TYPES: Final = ("application/json",)
YAML_TYPES: Final = ("application/yaml", "application/x-yaml", "text/yaml")
MOST_BYTES: Final = 1_048_576
_MOST_DOCUMENTS: Final = 200
_MOST_DEPTH: Final = 32
_TOO_MANY_DIGITS: Final = "it has a number of more than 4300 digits"
_READ_ONLY: Final = frozenset({"id", "number", "created_at", "created_by"})
"""Fields that GET shows and nobody states."""

Path = tuple[str | int, ...]
Lines = Mapping[Path, int]
"""Where each field stands in the text, counted from 1; empty for JSON."""

_OPENING: Final = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING: Final = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


class TooLarge(RoundhouseError):
    code = "body_too_large"
    status = 413


def read_documents(content: bytes, content_type: str) -> tuple[list[TemplateToCreate], Lines]:
    """Return the templates of a body. Raises InvalidInput with every fault: its document, its field, its line."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in YAML_TYPES:
        found, lines = _read_yaml(_text(content))
    elif kind in JSON_TYPES:
        found, lines = _read_json(_text(content)), {}
    else:
        known = ", ".join((*JSON_TYPES, *YAML_TYPES))
        raise _fault("content-type", f"{quoted(kind)} found; allowed are {known}")
    is_list = isinstance(found, list)
    documents = found if isinstance(found, list) else [found]
    if not 1 <= len(documents) <= _MOST_DOCUMENTS:
        raise _fault("body", f"{len(documents)} documents found; 1 to {_MOST_DOCUMENTS} are allowed")
    read, faults = [], []
    for index, document in enumerate(documents):
        prefix: Path = (index,) if is_list else ()
        try:
            read.append(TemplateToCreate.model_validate(_tidied(document)))
        except ValidationError as error:
            faults += [_field(prefix + line["loc"], line["msg"], lines) for line in error.errors()]
    if faults:
        raise InvalidInput(f"{len(faults)} fields are not valid: {', '.join(one.field for one in faults[:5])}", *faults)
    return read, lines


def located(error: InvalidInput, index: int, lines: Lines, *, is_list: bool) -> InvalidInput:
    """Return the error of one document with the document's place before each field."""
    prefix: Path = (index,) if is_list else ()
    placed = []
    for one in error.fields:
        parts: Path = tuple(int(part) if part.isdigit() else part for part in one.field.split("."))
        placed.append(_field(prefix + parts, one.message, lines))
    return InvalidInput("; ".join(f"{one.field}: {one.message}" for one in placed[:3]), *placed)


def write_yaml(document: Mapping[str, object]) -> str:
    """Return the document as YAML, in the order of its fields."""
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=100)


def _read_json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise _fault("body", f"it is nested deeper than {_MOST_DEPTH} levels") from None
    except json.JSONDecodeError as error:
        raise _fault("body", f"it is not JSON: {error.msg}, at line {error.lineno}, column {error.colno}") from None
    except ValueError:
        raise _fault("body", _TOO_MANY_DIGITS) from None


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise _fault(name, "it is stated twice")
        found[name] = value
    return found


def _read_yaml(text: str) -> tuple[object, Lines]:
    try:
        _refuse_depth_and_aliases(text)
        nodes = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
        lines: dict[Path, int] = {}
        is_list = len(nodes) > 1
        for index, node in enumerate(nodes):
            _note_lines(node, (index,) if is_list else (), lines)
        found = [value for value in yaml.safe_load_all(text) if value is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise _fault("body", f"it is not YAML: {error.problem or error.context}{where}") from None
    except ValueError as error:
        words = str(error).splitlines()[0]
        raise _fault("body", _TOO_MANY_DIGITS if "digits" in words else f"it is not YAML: {words}") from None
    except (yaml.YAMLError, OverflowError) as error:
        raise _fault("body", f"it is not YAML: {str(error).splitlines()[0]}") from None
    return (found if is_list or not found else found[0]), lines


def _refuse_depth_and_aliases(text: str) -> None:
    """Look at the tokens before anything is built: a small text can stand for a very large value."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AliasToken | yaml.AnchorToken):
            raise _fault("body", f"line {token.start_mark.line + 1}: anchors and aliases are not allowed; write it out")
        if isinstance(token, _OPENING):
            depth += 1
            if depth > _MOST_DEPTH:
                raise _fault("body", f"line {token.start_mark.line + 1}: it is nested deeper than {_MOST_DEPTH} levels")
        elif isinstance(token, _CLOSING):
            depth -= 1


def _note_lines(node: yaml.Node, path: Path, lines: dict[Path, int]) -> None:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note_lines(item, (*path, index), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            at = (*path, str(key.value))
            if at in lines:
                raise _fault(_dotted(at), f"line {key.start_mark.line + 1}: it is stated twice")
            _note_lines(value, at, lines)
            lines[at] = key.start_mark.line + 1


def _tidied(document: object) -> object:
    """Leave out what only GET states; take plain numbers and switches for parameters, which nobody quotes in YAML."""
    if not isinstance(document, dict):
        return document
    kept = {name: value for name, value in document.items() if name not in _READ_ONLY}
    kept["parameters"] = _as_texts(kept.get("parameters", {}))
    alternatives = kept.get("alternatives")
    if isinstance(alternatives, list):
        kept["alternatives"] = [
            {**one, "parameters": _as_texts(one.get("parameters", {}))} if isinstance(one, dict) else one
            for one in alternatives
        ]
    return kept


def _as_texts(parameters: object) -> object:
    if not isinstance(parameters, dict):
        return parameters
    return {name: _as_text(value) for name, value in parameters.items()}


def _as_text(value: object) -> object:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case _:
            return value


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _fault("body", f"it is not UTF-8: byte {error.start} is not part of a character") from None


def _field(path: Sequence[Any], message: str, lines: Lines) -> FieldError:  # Any: keys and indices
    """Name the field; say its line, or that of the nearest thing around it that is there."""
    around = tuple(path)
    while around and around not in lines:
        around = around[:-1]
    line = lines.get(around)
    return FieldError(_dotted(path) or "body", f"line {line}: {message}" if line else message)


def _dotted(path: Sequence[Any]) -> str:
    return ".".join(str(part) for part in path)


def _fault(field: str, message: str) -> InvalidInput:
    return InvalidInput(f"{field}: {message}", FieldError(field, message))
