"""What a request is answered when none of a provider's keys may be used. Neither says that the caller's key is bad.

ApiError
├── CredentialsExhausted   502  upstream_credentials_exhausted   the provider's, or its keys': an operator must look
└── ProviderLimited        429  upstream_rate_limited            the provider's, retryable, with retry-after
"""

import math

from roundhouse_router.domain.errors import ApiError

__all__ = ["CredentialsExhausted", "ProviderLimited"]


class CredentialsExhausted(ApiError):
    """Every key was refused, or cannot be opened. Routes may lead to another target."""

    code = "upstream_credentials_exhausted"
    status = 502
    retryable = True

    def __init__(self, provider: str) -> None:
        super().__init__(
            f"The provider `{provider}` takes none of the keys that the platform has for it. This is not about your "
            "own key; the platform's operators have to look."
        )


class ProviderLimited(ApiError):
    """Every key that is good has to wait."""

    code = "upstream_rate_limited"
    status = 429
    type = "requests"
    retryable = True

    def __init__(self, provider: str, pause_s: float) -> None:
        seconds = max(1, math.ceil(pause_s))
        super().__init__(f"The provider `{provider}` takes no more requests for now. Try again in {seconds} s.")
        self.pause_s = pause_s
        self.headers = (
            (b"retry-after", str(seconds).encode()),
            (b"retry-after-ms", str(max(1, math.ceil(pause_s * 1000))).encode()),
        )
