"""Which usage records the ledger takes."""

from operator import attrgetter
from typing import Final, get_type_hints

from roundhouse_common.contracts.usage import TOKEN_CLASSES, Outcome, UsageRecord
from roundhouse_metering.domain.retention import LATEST_S

__all__ = ["fault"]

_MOST = 2**53
"""Any count above this is an error, not a count."""
_MOST_IMAGES = 1_000_000
_tokens: Final = attrgetter(*TOKEN_CLASSES)
_texts: Final = attrgetter(*(name for name, kind in get_type_hints(UsageRecord).items() if kind is str))


def fault(record: UsageRecord) -> str | None:
    """Return why the record can never be entered as it stands, or None when it can.

    An outcome that this version does not know is a fault too: counting it would break
    admitted = completed + failed + aborted. It waits in the dead letters for a newer version.
    """
    if not record.request_id or not record.router_id or not record.tenant_id:
        return "request_id, router_id and tenant_id must not be empty"
    if not 1 <= record.sequence <= _MOST:
        return f"sequence is {record.sequence}; a router counts from 1"
    if record.outcome is Outcome.UNKNOWN:
        return "its outcome is not known to this version of metering; upgrade, then replay it"
    if not all(0 < time < LATEST_S for time in (record.admitted_at, record.ended_at)):  # also what is no number
        return f"admitted_at {record.admitted_at} and ended_at {record.ended_at} must be Unix times"
    if not 0 <= record.http_status <= 999 or not 0 <= record.attempts <= 10_000:
        return f"http_status {record.http_status} or attempts {record.attempts} cannot be"
    tokens = _tokens(record)
    if min(tokens) < 0 or max(tokens) > _MOST:
        return f"token counts {tokens} must not be negative or absurd"
    counts = (record.audio_ms, record.images, record.input_characters, record.continuations, record.queued_ms)
    if not all(0 <= count <= _MOST for count in counts):  # also what is no number
        return f"counts {counts} must not be negative or absurd"
    if record.images > _MOST_IMAGES or record.continuations > _MOST_IMAGES:
        return f"images {record.images} or continuations {record.continuations} cannot be"
    times = record.duration_ms, record.time_to_first_token_ms or 0.0
    if not all(0 <= time <= _MOST for time in times):
        return f"duration_ms and time_to_first_token_ms {times} must not be negative or absurd"
    if "\0" in "".join(_texts(record)):
        return "a text contains a NUL character, which no database keeps"
    return None
