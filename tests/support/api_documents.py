"""Requests made up from an OpenAPI document, sent to what it describes, and the answers held against it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

__all__ = ["Case", "document_of", "hold_to_the_document", "requests_of"]

# Any: JSON documents.

_SENT_WITH_CARE = ("authorization", "content-length", "host", "transfer-encoding")
_CHECKS: Any = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
Case = schemathesis.Case[Any]


def document_of(service: str) -> dict[str, Any]:
    """Return the committed document, which a test of each service keeps equal to what its application says of itself:
    making that takes a second."""
    path = Path(__file__).parents[2] / "docs" / "reference" / f"openapi-{service}.json"
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


def requests_of(
    document: dict[str, Any], known: Mapping[str, Sequence[Any]], *, without: Sequence[str] = ()
) -> st.SearchStrategy[Case]:
    """Return requests of every operation, half of them with values that the server knows, by a parameter's name."""
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    cases = [
        _filled(mode, operation, known) for operation in operations if operation.label not in without for mode in modes
    ]
    return st.one_of(cases)


def _filled(mode: Any, operation: Any, known: Mapping[str, Sequence[Any]]) -> st.SearchStrategy[Case]:
    @st.composite
    def case_with_known_values(draw: st.DrawFn) -> Case:
        case: Case = draw(operation.as_strategy(generation_mode=mode))
        for values in (case.path_parameters, case.query):
            for name in list(values or ()):
                if name in known and draw(st.booleans()):
                    values[name] = draw(st.sampled_from(known[name]))
        if isinstance(case.body, dict):
            for name in list(case.body):
                if name in known and draw(st.booleans()):
                    case.body[name] = draw(st.sampled_from(known[name]))
        return case

    return case_with_known_values()


async def hold_to_the_document(case: Case, http: httpx.AsyncClient) -> httpx.Response:
    """Send a request with the client's own credentials; fail unless the document allows for the answer."""
    sent = case.as_transport_kwargs(base_url=str(http.base_url))
    sent.pop("cookies", None)
    headers = {
        name: value for name, value in (sent.pop("headers") or {}).items() if name.lower() not in _SENT_WITH_CARE
    }
    body = {"content" if name == "data" else name: value for name, value in sent.items()}
    request = http.build_request(headers=headers, **body)
    answer = await http.send(request)
    case.validate_response(answer, checks=_CHECKS)
    return answer
