"""ETag and If-Match: an update says which generation it was made for."""

from roundhouse_common.errors import PreconditionFailed, PreconditionRequired

__all__ = ["etag", "require_if_match"]


def etag(generation: int) -> str:
    """Return the strong entity tag of a generation, e.g. `"7"`."""
    return f'"{generation}"'


def require_if_match(header: str | None, current: int) -> None:
    """Pass if the If-Match header names the current generation, or is `*`.

    Raises PreconditionRequired (428) without a header and PreconditionFailed (412) for any other one. Weak tags never
    match (RFC 9110, 13.1.1). Call it in the transaction of the update.
    """
    if header is None or not header.strip():
        raise PreconditionRequired("Send If-Match with the ETag of what you read, or * to overwrite whatever is there.")
    tags = [tag.strip() for tag in header.split(",")]
    if tags != ["*"] and etag(current) not in tags:
        raise PreconditionFailed(f"It changed since you read it: it is {etag(current)} now. Read it and try again.")
