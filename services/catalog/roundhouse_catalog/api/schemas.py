"""What the bodies of all nouns share."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from roundhouse_common.http import Body

__all__ = ["Body", "View", "known_values"]


class View(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


def known_values(values: Mapping[str, object]) -> Any:  # Any: what pydantic's Field takes
    """Document the allowed values of a text. The domain checks them, because its message says more."""
    return Field(json_schema_extra={"enum": list(values)})
