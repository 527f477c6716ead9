"""RFC 9457 problems: every error of a REST API has this body and the type `application/problem+json`."""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from roundhouse_common.errors import FieldError, InvalidInput, RoundhouseError, Unauthenticated
from roundhouse_common.http.trail import mark_error
from roundhouse_common.words import quoted

__all__ = [
    "PROBLEM_RESPONSES",
    "Problem",
    "ProblemField",
    "documented",
    "install_problems",
    "problem_response",
    "with_problem_schema",
]

_MEDIA_TYPE: Final = "application/problem+json"
_CODES: Final[Mapping[int, str]] = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}


class ProblemField(BaseModel):
    """One field at fault."""

    field: str = Field(description="Dotted path into the body, or the name of a parameter or header.")
    message: str


class Problem(BaseModel):
    """The body of every error."""

    type: str = Field(description="Identifies the kind of problem; `about:blank` adds nothing to the status.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What was found, what was wanted, what to do.")
    code: str = Field(description="Stable and for programs, e.g. `not_found`.")
    errors: list[ProblemField] = []
    instance: str = Field(description="The request's id, as in the header `x-request-id` and in the logs.")


def documented(description: str) -> dict[str, Any]:
    """Return how an OpenAPI document says that an operation can have a problem: a value in FastAPI's `responses`."""
    return {"description": description, "content": {_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    401: documented("No valid access token"),
    403: documented("Not permitted"),
    422: documented("The input is not valid"),
}
"""Of every operation."""
_OF_NAMED: Final = {"404": documented("There is none of this name or id")}
_OF_BODIES: Final = {"413": documented("The body is too large")}
_OF_WRITES: Final = {"409": documented("It contradicts what is there")}
_OF_CONDITIONS: Final = {
    "412": documented("It changed since it was read"),
    "428": documented("If-Match is missing"),
}


def with_problem_schema(document: dict[str, Any]) -> dict[str, Any]:
    """Add the problems that follow from what operations are, unless they say more of them, and what all refer to.

    Idempotent.
    """
    for operations in document["paths"].values():
        for method, operation in operations.items():
            for status, response in _following(method, operation).items():
                operation["responses"].setdefault(status, response)
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(schema.pop("$defs"))
    schemas["Problem"] = schema
    return document


def _following(method: str, operation: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the problems that an operation can have for what it is."""
    parameters = operation.get("parameters", ())
    follow: dict[str, dict[str, Any]] = {}
    if any(parameter["in"] == "path" for parameter in parameters):
        follow |= _OF_NAMED
    if "requestBody" in operation:
        follow |= _OF_BODIES
    if method not in ("get", "head"):
        follow |= _OF_WRITES
    if any(parameter["name"] == "if-match" for parameter in parameters):
        follow |= _OF_CONDITIONS
    return follow


def problem_response(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the problem as a response."""
    mark_error(code)
    problem = Problem(
        type="about:blank",
        title=_title(status),
        status=status,
        detail=detail,
        code=code,
        errors=[ProblemField(field=error.field, message=error.message) for error in errors],
        instance=getattr(request.state, "request_id", ""),
    )
    return Response(problem.model_dump_json(), status, headers, _MEDIA_TYPE)


def install_problems(app: FastAPI) -> None:
    """Make the app answer expected errors as problems. The unexpected ones are `RequestMiddleware`'s."""

    @app.exception_handler(RoundhouseError)
    async def known(request: Request, error: RoundhouseError) -> Response:
        errors = error.fields if isinstance(error, InvalidInput) else ()
        headers = {"www-authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}
        if error.try_again_in_s is not None:
            headers["retry-after"] = str(math.ceil(error.try_again_in_s))
        elif error.retryable:
            headers["retry-after"] = "1"
        return problem_response(request, error.status, error.code, error.message, errors=errors, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [_fault(item) for item in error.errors()]
        detail = "; ".join(f"{item.field}: {item.message}" for item in errors[:3])
        return problem_response(request, 422, InvalidInput.code, detail, errors=errors)

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # FastAPI's word for a body that is not even text
            detail = "The body is not JSON in UTF-8."
            return problem_response(request, 422, InvalidInput.code, detail, errors=[FieldError("body", detail)])
        detail = _detail(request, error)
        code = _CODES.get(error.status_code, "http_error")
        return problem_response(request, error.status_code, code, detail, headers=error.headers)


def _detail(request: Request, error: HTTPException) -> str:
    match error.status_code:
        case 404:
            return f"There is nothing at {request.url.path}."
        case 405:
            return f"{request.url.path} does not take {request.method}."
        case _:
            return str(error.detail)


def _fault(item: Mapping[str, Any]) -> FieldError:  # Any: pydantic's details of one error
    if item["type"] == "json_invalid":  # its location is a position in the text, not a field
        return FieldError("body", f"It is not JSON: {item['ctx']['error']}, at character {item['loc'][-1]}.")
    message = str(item["msg"])
    if item["loc"][0] in ("query", "path") and isinstance(item["input"], str):  # headers may be secret
        message = f"{quoted(item['input'])} found; {message[0].lower()}{message[1:]}"
    return FieldError(_path(item["loc"]), message)


def _path(location: Sequence[int | str]) -> str:
    """Return `resources.memory_bytes` for ("body", "resources", "memory_bytes"), `limit` for ("query", "limit")."""
    parts = [str(part) for part in location]
    if len(parts) > 1 and parts[0] in ("body", "query", "path", "header", "cookie"):
        parts = parts[1:]
    return ".".join(parts)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
