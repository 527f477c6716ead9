"""What the bodies of all nouns share."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from roundhouse_common.http import Body

__all__ = ["Body", "View", "known_values", "secret_shown_once"]


class View(BaseModel):
    """A response body."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


def secret_shown_once(schema: dict[str, Any]) -> None:  # Any: a JSON schema
    """Document that a replay comes without `secret`. For the `json_schema_extra` of a response body."""
    schema["required"].remove("secret")


def known_values(values: Mapping[str, object]) -> Any:  # Any: what pydantic's Field takes
    """Document the allowed values of a text. The domain checks them, because its message says more."""
    return Field(json_schema_extra={"enum": list(values)})
