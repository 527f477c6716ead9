"""One inference path: what it asks for, and who translates it where it is not OpenAI's."""

from collections.abc import Callable

from roundhouse_common.contracts.features import Feature
from roundhouse_common.contracts.routing import ApiKeyRecord
from roundhouse_common.contracts.usage import Operation
from roundhouse_router.dialects.media import MediaPath
from roundhouse_router.domain.formats import Dialect, NativeReader
from roundhouse_router.domain.request import ParsedRequest
from roundhouse_router.domain.tables import RoutingTable

__all__ = ["Interface"]


class Interface:
    """One path. Nothing changes it once it is made."""

    __slots__ = (
        "answer_to_nothing",
        "api",
        "choose",
        "dialect",
        "feature",
        "features",
        "id_header",
        "known_name",
        "media",
        "native",
        "operation",
        "path",
    )

    def __init__(
        self,
        *,
        path: str,
        api: str,
        operation: Operation,
        feature: Feature | None,
        features: tuple[Feature, ...],
        dialect: Dialect | None = None,
        native: NativeReader | None = None,
        id_header: bytes = b"",
        media: MediaPath | None = None,
        choose: "Callable[[bytes], Interface] | None" = None,
        known_name: Callable[[RoutingTable, ApiKeyRecord, str], str] | None = None,
        answer_to_nothing: Callable[[ParsedRequest], bytes | None] | None = None,
    ) -> None:
        self.path = path
        self.api = api
        """For usage records and metrics."""
        self.operation = operation
        self.feature = feature
        """The endpoint of an engine that takes the client's bytes as they are; None: no engine has it."""
        self.features = features
        """What an engine must have one of: this endpoint, or OpenAI's of the operation."""
        self.dialect = dialect
        """Translates for engines and providers that have not got it; None: it is OpenAI's."""
        self.native = native
        """Reads the answers of engines that have got it, where it is not OpenAI's."""
        self.id_header = id_header
        """Where its clients look for the request's id, beside `x-request-id`."""
        self.media = media
        """Images or sound: passed on as they come, in both directions."""
        self.choose = choose
        """Which of several interfaces of the path a body is for."""
        self.known_name = known_name
        """The name that a model is known by, where clients add something to it."""
        self.answer_to_nothing = answer_to_nothing
        """The answer to a request that asks for nothing, and needs no engine; None: it asks for something."""
