"""What a line of the request log says."""

from typing import Any, Final

import msgspec

from roundhouse_router.domain.faults import fault_of
from roundhouse_router.domain.redaction import Redactor
from roundhouse_router.request_log.texts import shown_answer, shown_request
from roundhouse_router.request_log.watch import Watch

__all__ = ["LineMaker"]

_NAME_CHARACTERS: Final = 200


class LineMaker:
    """Makes lines with one set of patterns."""

    def __init__(self, redactor: Redactor, *, bodies_most: int) -> None:
        """`bodies_most` is how many characters are shown of a request and of an answer; 0: none are."""
        self._redactor = redactor
        self._bodies_most = bodies_most

    def line(self, watch: Watch, *, has_texts: bool = True, **more: Any) -> bytes:  # Any: JSON
        """Return the line of one request. Names that clients choose are redacted as texts are."""
        record, redactor, most = watch.record, self._redactor, self._bodies_most
        assert record is not None
        line: dict[str, Any] = {**more, **msgspec.to_builtins(record)}  # Any: JSON
        line["model_requested"] = redactor.bounded(record.model_requested, _NAME_CHARACTERS)
        line["model_served"] = redactor.bounded(record.model_served, _NAME_CHARACTERS)
        line["route"], line["provider"] = watch.route, watch.provider
        line["fault"] = fault_of(record.error_code, record.http_status, is_provider=bool(record.provider_id))
        if watch.heard is not None and most and has_texts:
            line["request"] = shown_request(watch.body, redactor, most)
            heard = watch.heard
            line["answer"] = shown_answer(heard.chunks, heard.size, heard.kind, redactor, most)
            if watch.message:
                line["error"] = redactor.bounded(watch.message, most)
        return msgspec.json.encode(line) + b"\n"
