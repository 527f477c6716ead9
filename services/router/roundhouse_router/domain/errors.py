"""What the router answers when it cannot answer: OpenAI's error bodies.

ApiError                     status  code                        whose fault
├── InvalidKey               401     invalid_api_key             the caller's
├── BadBody                  400     invalid_json and others     the caller's
├── UnknownPath              404     unknown_url                 the caller's
├── WrongMethod              405     method_not_supported        the caller's
├── PermissionDenied         403     permission_denied           the caller's: a key that is blocked, or from elsewhere
│   └── ModelNotPermitted    403     permission_denied           the caller's: not on the key's list of models
├── ModelNotFound            404     model_not_found             the caller's (also: it is not open to the key)
├── EndpointNotServed        404     endpoint_not_served         the caller's
├── ModelsManaged            403     models_managed_by_platform  the caller's
├── BodyTooLarge             413     request_too_large           the caller's
├── EncodedBody              415     unsupported_encoding        the caller's
├── LimitExceeded            429     rate_limit_exceeded         a policy's (domain/limits/refusal.py)
├── BudgetExhausted          429     insufficient_quota          a policy's (there too)
├── BudgetsUnheard           503     budgets_unheard             ours (there too): no word on budgets yet
├── ModelUnpriced            403     model_unpriced              ours (there too): no budget can hold it
├── LimiterUnavailable       503     limiter_unavailable         ours, retryable (there too)
├── IdempotencyKeyReused     422     idempotency_key_reused      the caller's
├── IdempotencyKeyInUse      409     idempotency_key_in_use      the caller's, retryable
├── NoSnapshot               503     router_starting             ours, retryable
├── NoReadyReplica           503     no_ready_replica            ours, retryable
│   ├── TooManyWaiting       503     too_many_waiting            ours, retryable
│   └── RouterStopping       503     router_stopping             ours, retryable
├── QueueFull                429     rate_limit_exceeded         ours, retryable: all engines are busy
├── EnginesBusy              503     engines_busy                ours, retryable: they stayed busy
├── UpstreamFailed           502     upstream_error              the engine's, retryable
├── UpstreamRefusedUs        502     upstream_auth               ours: never the caller's key
├── CredentialsExhausted     502     upstream_credentials_exhausted  ours: a provider takes no key (providers/errors.py)
├── ProviderLimited          429     upstream_rate_limited       the provider's, retryable (there too)
├── UpstreamTimeout          504     upstream_timeout            the engine's
└── Internal                 500     internal_error              ours
"""

from typing import ClassVar, Final

import msgspec

from roundhouse_common.errors import RoundhouseError

__all__ = [
    "ApiError",
    "BadBody",
    "BodyTooLarge",
    "EncodedBody",
    "EndpointNotServed",
    "EnginesBusy",
    "IdempotencyKeyInUse",
    "IdempotencyKeyReused",
    "Internal",
    "InvalidKey",
    "ModelNotFound",
    "ModelNotPermitted",
    "ModelsManaged",
    "NoReadyReplica",
    "NoSnapshot",
    "PermissionDenied",
    "QueueFull",
    "RouterStopping",
    "TooManyWaiting",
    "UnknownPath",
    "UpstreamFailed",
    "UpstreamRefusedUs",
    "UpstreamTimeout",
    "WrongMethod",
]

_REQUEST: Final = "invalid_request_error"
_SERVER: Final = "server_error"


class ApiError(RoundhouseError):
    """An answer in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`, all four always there."""

    type: str = _SERVER
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Sent with the answer."""
    retry_after_s: ClassVar[int] = 0
    """Sent as `retry-after` when it is not 0."""

    def __init__(self, message: str, *, param: str | None = None, code: str = "") -> None:
        super().__init__(message)
        self.param = param
        self.error_code = code or type(self).code
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        """Sent with the answer, beside those that every answer has."""

    def body(self) -> bytes:
        """Return the JSON document."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.error_code}
        return msgspec.json.encode({"error": error})


class InvalidKey(ApiError):
    """No key, an unknown one, a revoked one, an expired one."""

    code = "invalid_api_key"
    status = 401
    type = _REQUEST


class BadBody(ApiError):
    code = "invalid_request_error"
    status = 400
    type = _REQUEST


class UnknownPath(ApiError):
    code = "unknown_url"
    status = 404
    type = _REQUEST


class WrongMethod(ApiError):
    code = "method_not_supported"
    status = 405
    type = _REQUEST


class ModelNotFound(ApiError):
    """Also for a model that exists but that the key may not use: the caller cannot tell the two apart."""

    code = "model_not_found"
    status = 404
    type = _REQUEST

    def __init__(self, model: str) -> None:
        shown = model if len(model) <= 200 else f"{model[:200]}..."
        super().__init__(f"The model `{shown}` does not exist or you do not have access to it.", param="model")


class PermissionDenied(ApiError):
    """The key is a good one, but not for this."""

    code = "permission_denied"
    status = 403
    type = _REQUEST


class ModelNotPermitted(PermissionDenied):
    """The key has a list of models, and this name is not on it, whether or not there is such a model."""

    def __init__(self, model: str) -> None:
        shown = model if len(model) <= 200 else f"{model[:200]}..."
        super().__init__(f"The API key's list of models does not have `{shown}`.", param="model")


class EndpointNotServed(ApiError):
    """The model's engine does not have this endpoint. Not 501: the SDKs try every 5xx again."""

    code = "endpoint_not_served"
    status = 404
    type = _REQUEST


class ModelsManaged(ApiError):
    """A client wants to fetch, make or delete a model through an API that has this: here the catalog does it."""

    code = "models_managed_by_platform"
    status = 403
    type = _REQUEST


class BodyTooLarge(ApiError):
    code = "request_too_large"
    status = 413
    type = _REQUEST


class EncodedBody(ApiError):
    """A compressed body. None is unpacked: a few kilobytes may hold gigabytes."""

    code = "unsupported_encoding"
    status = 415
    type = _REQUEST


class IdempotencyKeyReused(ApiError):
    """The key stands for another request of the same API key."""

    code = "idempotency_key_reused"
    status = 422
    type = _REQUEST


class IdempotencyKeyInUse(ApiError):
    """The first request with this key has not ended. The SDKs try 409 again by themselves."""

    code = "idempotency_key_in_use"
    status = 409
    type = _REQUEST
    retryable = True
    retry_after_s = 1


class NoSnapshot(ApiError):
    """Nothing was heard from the control plane yet, neither now nor before: nobody's key can be judged."""

    code = "router_starting"
    status = 503
    retryable = True
    retry_after_s = 2


class NoReadyReplica(ApiError):
    code = "no_ready_replica"
    status = 503
    retryable = True
    retry_after_s = 5


class TooManyWaiting(NoReadyReplica):
    """So many requests wait for the model to wake that no more are held."""

    code = "too_many_waiting"
    retry_after_s = 10


class RouterStopping(NoReadyReplica):
    """This router ends, and the request still waited for a replica: another router will hold it."""

    code = "router_stopping"
    retry_after_s = 1


class QueueFull(ApiError):
    """Every engine has as many requests as it may have, and as many wait as the route allows."""

    code = "rate_limit_exceeded"
    status = 429
    type = "requests"
    retryable = True
    retry_after_s = 1


class EnginesBusy(ApiError):
    """The request waited for room at an engine as long as its route allows."""

    code = "engines_busy"
    status = 503
    retryable = True
    retry_after_s = 5


class UpstreamFailed(ApiError):
    code = "upstream_error"
    status = 502
    retryable = True
    retry_after_s = 1


class UpstreamRefusedUs(ApiError):
    code = "upstream_auth"
    status = 502


class UpstreamTimeout(ApiError):
    code = "upstream_timeout"
    status = 504


class Internal(ApiError):
    code = "internal_error"
    status = 500
