"""Requests made from an OpenAPI document: one that should do for each operation, and all places to fill."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote

__all__ = ["Call", "Place", "calls_of", "put", "without"]

Json = Any  # whatever JSON can be
Place = tuple[str | int, ...]
"""Where something is: ("path", name), ("query", name), ("header", name), or ("body", member, index...)."""
_DEEPEST: Final = 6


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request of an operation, before it is written out."""

    service: str
    method: str
    path: str
    path_values: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Json = None
    content_type: str = ""
    query_names: tuple[str, ...] = ()
    header_names: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.service} {self.method} {self.path}"

    @property
    def raw_path(self) -> bytes:
        path = self.path
        for name, value in self.path_values.items():
            path = path.replace(f"{{{name}}}", quote(value.encode("utf-8", "surrogatepass"), safe=""))
        return path.encode("ascii")

    @property
    def raw_query(self) -> bytes:
        pairs = ((name, quote(value.encode("utf-8", "surrogatepass"), safe="")) for name, value in self.query.items())
        return "&".join(f"{name}={value}" for name, value in pairs).encode("ascii")

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers as a server lets them through: it refuses line ends and NUL itself."""
        texts = {**self.headers} | ({"content-type": self.content_type} if self.content_type else {})
        kept = ((name, "".join(one for one in text if one not in "\r\n\0")) for name, text in texts.items())
        return [(name.encode(), text.encode("utf-8", "surrogatepass")) for name, text in kept]

    @property
    def raw_body(self) -> bytes:
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        if self.content_type == "text/csv":
            return str(self.body).encode("utf-8", "surrogatepass")
        return json.dumps(self.body).encode()

    def places(self) -> list[Place]:
        found: list[Place] = [("path", name) for name in self.path_values]
        found += [("query", name) for name in self.query_names]
        found += [("header", name) for name in self.header_names]
        return found + [("body", *place) for place in _leaves(self.body)]


def put(call: Call, place: Place, value: Json, *, onto: Call | None = None) -> Call:
    """Return the request with something else in one place; outside of bodies everything is a text.

    `onto`: the same request with less in its body: what the place is in comes back for it.
    """
    onto = onto or call
    where, *rest = place
    if where == "body":
        return replace(onto, body=_with(call.body, rest, value, onto.body))
    name, text = str(rest[0]), value if isinstance(value, str) else json.dumps(value)
    part = {"path": "path_values", "query": "query", "header": "headers"}[str(where)]
    changed: dict[str, Any] = {part: {**getattr(onto, part), name: text}}  # Any: `replace` takes fields of all types
    return replace(onto, **changed)


def calls_of(service: str, document: Json, values: Mapping[str, Json]) -> Iterator[Call]:
    """Yield a request of every operation. `values`: what is there already, by the names of parameters and members."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            named = [_resolved(document, one) for one in operation.get("parameters", ())]
            content: dict[str, Json] = operation.get("requestBody", {}).get("content", {})
            kind, media = next(iter(content.items()), ("", dict[str, Json]()))
            schema = media.get("schema")
            example = media.get("example")
            yield Call(
                service=service,
                method=method.upper(),
                path=path,
                path_values={one["name"]: _in_path(values, path, one["name"]) for one in named if one["in"] == "path"},
                query={
                    one["name"]: str(_example(document, one["schema"], values, one["name"]))
                    for one in named
                    if one["in"] == "query" and one.get("required")
                },
                headers={"if-match": "*"} if any(one["name"] == "if-match" for one in named) else {},
                body=None if schema is None else values.get(kind) or example or _example(document, schema, values, ""),
                content_type=kind,
                query_names=tuple(one["name"] for one in named if one["in"] == "query"),
                header_names=tuple(one["name"] for one in named if one["in"] == "header"),
            )


def _in_path(values: Mapping[str, Json], path: str, name: str) -> str:
    """Return what is there under a name in a path; `templates/name` says more than `name`."""
    owner = path.partition(f"/{{{name}}}")[0].rpartition("/")[2]
    return str(values.get(f"{owner}/{name}", values.get(name, "1")))


def _example(document: Json, schema: Json, values: Mapping[str, Json], name: str, depth: int = 0) -> Json:
    """Return something that fits the schema, as far as a schema tells."""
    schema = _resolved(document, schema)
    if name in values and depth:
        return values[name]
    for known in ("const", "example"):
        if known in schema:
            return schema[known]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("examples"):
        return schema["examples"][0]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            chosen = next((one for one in schema[several] if one.get("type") != "null"), schema[several][0])
            return _example(document, chosen, values, name, depth)
    match schema.get("type", "object"):
        case "string":
            return _text(schema, name)
        case "integer":
            return int(schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1))
        case "number":
            return float(schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1))
        case "boolean":
            return False
        case "array":
            return [] if depth > _DEEPEST else [_example(document, schema.get("items", {}), values, name, depth + 1)]
        case "null":
            return None
    if depth > _DEEPEST:
        return {}
    members = {
        key: _example(document, inner, values, key, depth + 1) for key, inner in schema.get("properties", {}).items()
    }
    more = schema.get("additionalProperties")
    if isinstance(more, dict) and not members:
        return {"a": _example(document, more, values, "a", depth + 1)}
    return members


def _text(schema: Json, name: str) -> str:
    match schema.get("format"):
        case "date-time":
            return "2027-01-01T00:00:00Z"
        case "uri":
            return "http://127.0.0.1:9/x"
    return (name.replace("_", "-") or "a").ljust(schema.get("minLength", 1), "a")


def _resolved(document: Json, schema: Json) -> Json:
    while "$ref" in schema:
        found = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _leaves(value: Json) -> Iterator[Place]:
    match value:
        case dict() if value:
            for name, inner in value.items():
                yield (name,)
                yield from ((name, *place) for place in _leaves(inner) if place)
        case list() if value:
            yield from ((0, *place) for place in _leaves(value[0]))
        case None:
            return
        case _:
            yield ()


def _with(value: Json, place: list[str | int], new: Json, onto: Json) -> Json:
    if not place:
        return new
    first, *rest = place
    if isinstance(value, list):
        return [_with(value[0], rest, new, onto[0] if isinstance(onto, list) and onto else value[0])]
    base = onto if isinstance(onto, dict) else value
    return {**base, str(first): _with(value[first], rest, new, base.get(first, value[first]))}


def without(body: Json, faults: Iterable[str]) -> Json:
    """Return the body without the members that a refusal names: what is left may be taken. Dotted, as in problems."""
    for fault in faults:
        *way, last = fault.split(".")
        parent, holder = body, None
        for step in way:
            holder = (parent, step) if isinstance(parent, dict) else holder
            parent = (
                parent.get(step)
                if isinstance(parent, dict)
                else next(iter(parent), None)
                if isinstance(parent, list)
                else None
            )
        if isinstance(parent, dict):
            parent.pop(last, None)
        elif holder is not None and isinstance(holder[0], dict):
            holder[0].pop(holder[1], None)
    return body
