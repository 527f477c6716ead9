"""The errors of the catalog.

RoundhouseError
├── NotFound
│   ├── ModelNotFound        404  model_not_found
│   ├── DeploymentNotFound   404  deployment_not_found
│   ├── VersionNotFound      404  version_not_found
│   ├── TemplateNotFound     404  template_not_found
│   └── ApiKeyNotFound       404  api_key_not_found
├── Conflict
│   ├── NameTaken            409  name_taken
│   ├── ModelInUse           409  model_in_use
│   ├── DeploymentRunning    409  deployment_running
│   ├── VersionActive        409  version_active
│   ├── LastVersion          409  last_version
│   └── ModelNotReadable     409  model_not_readable
├── Unavailable
│   └── SchedulerAway        503  scheduler_away
└── InvalidInput             422  invalid_input, with the fields at fault (see `findings.py`)
"""

from collections.abc import Sequence

from roundhouse_common.errors import Conflict, NotFound, Unavailable
from roundhouse_common.words import quoted

__all__ = [
    "ApiKeyNotFound",
    "DeploymentNotFound",
    "DeploymentRunning",
    "LastVersion",
    "ModelInUse",
    "ModelNotFound",
    "ModelNotReadable",
    "NameTaken",
    "SchedulerAway",
    "TemplateNotFound",
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


class SchedulerAway(Unavailable):
    """The scheduler knows what runs, and did not answer. Nothing was changed."""

    code = "scheduler_away"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The scheduler, which knows what runs, did not answer: {why}. "
            "Nothing was changed; try again when it is back."
        )
        self.why = why
