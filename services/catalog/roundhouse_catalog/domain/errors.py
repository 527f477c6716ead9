"""The errors of the catalog.

RoundhouseError
├── NotFound
│   ├── ModelNotFound        404  model_not_found
│   ├── DeploymentNotFound   404  deployment_not_found
│   ├── VersionNotFound      404  version_not_found
│   ├── TemplateNotFound     404  template_not_found
│   ├── ApiKeyNotFound       404  api_key_not_found
│   ├── ProviderNotFound     404  provider_not_found
│   ├── RouteNotFound        404  route_not_found
│   ├── LimitNotFound        404  limit_not_found
│   ├── LoggedRequestNotFound 404 logged_request_not_found
│   └── UploadNotFound       404  upload_not_found
├── Conflict
│   ├── ApiKeyRevoked        409  api_key_revoked
│   ├── NameTaken            409  name_taken
│   ├── ModelInUse           409  model_in_use
│   ├── ProviderInUse        409  provider_in_use
│   ├── RouteInUse           409  route_in_use
│   ├── RouteOfDeployment    409  route_of_deployment
│   ├── DeploymentInUse      409  deployment_in_use
│   ├── DeploymentRunning    409  deployment_running
│   ├── VersionActive        409  version_active
│   ├── LastVersion          409  last_version
│   ├── ModelNotReadable     409  model_not_readable
│   ├── ModelfileUnwritable  409  modelfile_unwritable
│   ├── UploadIncomplete     409  upload_incomplete
│   ├── UploadMoved          409  upload_moved
│   ├── UploadBusy           409  upload_busy
│   ├── UploadDamaged        409  upload_damaged
│   ├── UploadInUse          409  upload_in_use
│   └── TooManyUploads       409  too_many_uploads
├── UploadStalled            408  upload_stalled
├── DiskFull                 507  disk_full
├── Unavailable
│   ├── SchedulerAway        503  scheduler_away
│   └── RoutersAway          503  routers_away
└── InvalidInput             422  invalid_input, with the fields at fault (see `findings.py`)
"""

from collections.abc import Sequence

from roundhouse_common.errors import Conflict, NotFound, RoundhouseError, Unavailable
from roundhouse_common.words import quoted

__all__ = [
    "ApiKeyNotFound",
    "ApiKeyRevoked",
    "DeploymentInUse",
    "DeploymentNotFound",
    "DeploymentRunning",
    "DiskFull",
    "LastVersion",
    "LimitNotFound",
    "LoggedRequestNotFound",
    "ModelInUse",
    "ModelNotFound",
    "ModelNotReadable",
    "ModelfileUnwritable",
    "NameTaken",
    "ProviderInUse",
    "ProviderNotFound",
    "RouteInUse",
    "RouteNotFound",
    "RouteOfDeployment",
    "RoutersAway",
    "SchedulerAway",
    "TemplateNotFound",
    "TooManyUploads",
    "UploadBusy",
    "UploadDamaged",
    "UploadInUse",
    "UploadIncomplete",
    "UploadMoved",
    "UploadNotFound",
    "UploadStalled",
    "VersionActive",
    "VersionNotFound",
]


class ModelNotFound(NotFound):
    code = "model_not_found"

    def __init__(self, model_id: str) -> None:
        super().__init__(f'There is no model with the id "{model_id}". GET /api/v1/models lists those there are.')
        self.model_id = model_id


class DeploymentNotFound(NotFound):
    code = "deployment_not_found"

    def __init__(self, deployment_id: str) -> None:
        super().__init__(
            f'There is no deployment with the id "{deployment_id}". GET /api/v1/deployments lists those there are.'
        )
        self.deployment_id = deployment_id


class ApiKeyNotFound(NotFound):
    code = "api_key_not_found"

    def __init__(self, key_id: str) -> None:
        super().__init__(f'There is no API key with the id "{key_id}". GET /api/v1/api-keys lists those there are.')
        self.key_id = key_id


class ApiKeyRevoked(Conflict):
    """Nothing brings a revoked key back."""

    code = "api_key_revoked"

    def __init__(self, name: str) -> None:
        super().__init__(f"The API key {quoted(name)} was revoked, for good. Create a new one.")


class ProviderNotFound(NotFound):
    code = "provider_not_found"

    def __init__(self, provider_id: str) -> None:
        super().__init__(
            f"There is no provider with the id {quoted(provider_id)}. GET /api/v1/providers lists those there are."
        )
        self.provider_id = provider_id


class ProviderInUse(Conflict):
    code = "provider_in_use"

    def __init__(self, name: str, routes: Sequence[str]) -> None:
        super().__init__(f'The provider "{name}" is a target of the routes {", ".join(routes)}. Change these first.')
        self.name = name
        self.routes = tuple(routes)


class RouteNotFound(NotFound):
    code = "route_not_found"

    def __init__(self, route_id: str) -> None:
        super().__init__(f"There is no route with the id {quoted(route_id)}. GET /api/v1/routes lists those there are.")
        self.route_id = route_id


class LimitNotFound(NotFound):
    code = "limit_not_found"

    def __init__(self, limit_id: str) -> None:
        super().__init__(f"There is no limit with the id {quoted(limit_id)}. GET /api/v1/limits lists those there are.")
        self.limit_id = limit_id


class RouteInUse(Conflict):
    code = "route_in_use"

    def __init__(self, name: str, routes: Sequence[str]) -> None:
        super().__init__(
            f'The route "{name}" is named as alias or fallback by the routes {", ".join(routes)}. Change these first.'
        )
        self.name = name
        self.routes = tuple(routes)


class RouteOfDeployment(Conflict):
    code = "route_of_deployment"

    def __init__(self, name: str, deployment_id: str) -> None:
        super().__init__(
            f'"{name}" is a deployment\'s own route and goes with it: DELETE /api/v1/deployments/{deployment_id}'
        )
        self.name = name
        self.deployment_id = deployment_id


class DeploymentInUse(Conflict):
    code = "deployment_in_use"

    def __init__(self, name: str, routes: Sequence[str]) -> None:
        super().__init__(f'The routes {", ".join(routes)} lead to the deployment "{name}". Change these first.')
        self.name = name
        self.routes = tuple(routes)


class NameTaken(Conflict):
    code = "name_taken"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f'Another {kind} is called "{name}" already. Choose another name, or delete that one first.')
        self.kind = kind
        self.name = name


class ModelInUse(Conflict):
    code = "model_in_use"

    def __init__(self, name: str, deployments: Sequence[str]) -> None:
        super().__init__(
            f'The model "{name}" has versions in the deployments {", ".join(deployments)}. Delete these first.'
        )
        self.name = name
        self.deployments = tuple(deployments)


class DeploymentRunning(Conflict):
    code = "deployment_running"

    def __init__(self, deployment_id: str, name: str) -> None:
        super().__init__(
            f'The deployment "{name}" is to run. Stop it first: POST /api/v1/deployments/{deployment_id}:stop'
        )
        self.deployment_id = deployment_id
        self.name = name


class VersionNotFound(NotFound):
    code = "version_not_found"

    def __init__(self, deployment_id: str, number: int) -> None:
        super().__init__(
            f"The deployment has no version {number}. "
            f"GET /api/v1/deployments/{deployment_id}/versions lists those there are."
        )
        self.deployment_id = deployment_id
        self.number = number


class TemplateNotFound(NotFound):
    code = "template_not_found"

    def __init__(self, wanted: str, hint: str = "") -> None:
        super().__init__(f"There is no template {quoted(wanted)}.{hint} GET /api/v1/templates lists those there are.")
        self.wanted = wanted


class VersionActive(Conflict):
    """A version is Preparing, Running or Shutting Down; the message says which, and what to do first."""

    code = "version_active"


class LastVersion(Conflict):
    code = "last_version"

    def __init__(self, deployment_id: str, name: str) -> None:
        super().__init__(
            f'It is the last version of "{name}". Delete the deployment instead: '
            f"DELETE /api/v1/deployments/{deployment_id}"
        )
        self.deployment_id = deployment_id
        self.name = name


class ModelNotReadable(Conflict):
    code = "model_not_readable"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f'No node could read the files of "{name}": {why}. Correct its source, or bring the files to a node.'
        )
        self.name = name
        self.why = why


class ModelfileUnwritable(Conflict):
    code = "modelfile_unwritable"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{quoted(text[:60])} … has three quotation marks in a row or carriage returns, which no Modelfile can "
            "quote. GET /api/v1/models/{id} shows the model whole."
        )


class LoggedRequestNotFound(NotFound):
    code = "logged_request_not_found"

    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"There is no request {quoted(request_id)} in the log of this tenant on the routers that answered. "
            "GET /api/v1/request-log lists what is there."
        )


class RoutersAway(Unavailable):
    """Each router has the lines of the requests that it answered, and none did answer now."""

    code = "routers_away"

    def __init__(self, why: str) -> None:
        super().__init__(f"The routers, which keep the request log, did not answer: {why}. Try again later.")


class SchedulerAway(Unavailable):
    """The scheduler knows what runs, and did not answer. Nothing was changed."""

    code = "scheduler_away"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The scheduler, which knows what runs, did not answer: {why}. "
            "Nothing was changed; try again when it is back."
        )
        self.why = why


class UploadNotFound(NotFound):
    code = "upload_not_found"

    def __init__(self, upload_id: str, path: str = "") -> None:
        file = f" with the file {quoted(path)}" if path else ""
        super().__init__(f"There is no upload {quoted(upload_id)}{file}. GET /api/v1/uploads lists those there are.")
        self.upload_id = upload_id
        self.path = path


class UploadIncomplete(Conflict):
    code = "upload_incomplete"

    def __init__(self, upload_id: str) -> None:
        super().__init__(
            f"The upload {upload_id} is not complete. GET /api/v1/uploads/{upload_id} says what is missing; "
            "send the rest first."
        )
        self.upload_id = upload_id


class UploadMoved(Conflict):
    """The bytes that came do not go on where the file ends."""

    code = "upload_moved"

    def __init__(self, path: str, *, at: int, stored: int) -> None:
        super().__init__(
            f"The body begins at byte {at}, and {stored} bytes of {quoted(path)} are there. Go on at byte {stored}, "
            "or send the whole file without Content-Range."
        )
        self.path = path
        self.stored = stored


class UploadBusy(Conflict):
    code = "upload_busy"
    retryable = True

    def __init__(self, why: str) -> None:
        super().__init__(f"The file cannot be taken now: {why}. Try again in a moment.")


class UploadDamaged(Conflict):
    """What came is not what was announced. It was dropped."""

    code = "upload_damaged"

    def __init__(self, why: str) -> None:
        super().__init__(f"The file was dropped: {why}. Send it again from its first byte.")


class UploadInUse(Conflict):
    code = "upload_in_use"

    def __init__(self, upload_id: str, users: Sequence[str]) -> None:
        super().__init__(f"The upload {upload_id} is needed by {', '.join(users)}. Delete these first.")
        self.upload_id = upload_id
        self.users = tuple(users)


class TooManyUploads(Conflict):
    code = "too_many_uploads"

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} uploads are not complete, and no more are taken. Finish or delete some first.")


class UploadStalled(RoundhouseError):
    code = "upload_stalled"
    status = 408

    def __init__(self, silent_s: float, stored: int) -> None:
        super().__init__(f"No byte came for {silent_s:g} s. {stored} bytes are kept: go on there.")


class DiskFull(RoundhouseError):
    code = "disk_full"
    status = 507

    def __init__(self, why: str) -> None:
        super().__init__(f"There is no room: {why}. Delete uploads that nobody needs, or ask the operator for more.")
