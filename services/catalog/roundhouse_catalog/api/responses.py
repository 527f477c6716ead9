"""What the endpoints share in their answers: the ETag, and the problems that the OpenAPI document names."""

from typing import Any, Final

from roundhouse_common.http import etag

__all__ = [
    "AWAY",
    "CONFLICT",
    "IN_USE",
    "MISSING",
    "NOT_READABLE",
    "PRECONDITIONS",
    "PROVIDER_AWAY",
    "ROUTERS_AWAY",
    "SEALING",
    "STALE",
    "TOO_MANY",
    "UNWRITABLE",
    "UPLOADING",
    "tagged",
]

_Responses = dict[int | str, dict[str, Any]]  # Any: what FastAPI takes as `responses`


def _problem(status: int, description: str) -> _Responses:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {status: {"description": description, "content": {"application/problem+json": {"schema": schema}}}}


MISSING: Final = _problem(404, "There is none with this id")
CONFLICT: Final = _problem(409, "The name is taken")
IN_USE: Final = _problem(409, "It is still in use")
NOT_READABLE: Final = _problem(409, "No node could read the model's files")
UNWRITABLE: Final = _problem(409, "A Modelfile cannot say what the model has")
PROVIDER_AWAY: Final = _problem(503, "The identity provider cannot be asked now")
TOO_MANY: Final = _problem(429, "Too many attempts have failed; `retry-after` says how long to wait")
SEALING: Final = _problem(503, "There is no file of keys to seal and open secrets with, or it cannot be used")
AWAY: Final = _problem(503, "The scheduler did not answer; nothing was changed")
ROUTERS_AWAY: Final = _problem(503, "No router, where the lines are, did answer")
UPLOADING: Final = {
    **_problem(409, "It cannot be taken as it is: the file ends elsewhere, is being written, or differs"),
    **_problem(507, "The disk of the uploads has no room for it"),
}
STALE: Final = _problem(412, "It changed since it was read")
PRECONDITIONS: Final = {
    **STALE,
    **_problem(428, "If-Match is missing"),
}


def tagged(generation: int) -> dict[str, str]:
    """Return the headers that let a client say what it has read."""
    return {"etag": etag(generation)}
