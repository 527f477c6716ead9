"""Bodies of requests, and how one that does not fit is explained: the field, what was found, what is allowed."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from roundhouse_common.words import did_you_mean, quoted

__all__ = ["Body"]

T = TypeVar("T")

_EXPLAINED: Final = "explained"
_MOST_FAULTS: Final = 20
_WANTED: Final[Mapping[str, str]] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text, in quotes,",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "finite_number": "a finite number",
}


class Body(BaseModel):
    """A request body: unknown fields are refused, and a number is not taken for a text or the other way round."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:  # Any: whatever JSON came
        """Say what was found and what is allowed, where pydantic says only the second."""
        try:
            return handler(value)
        except ValidationError as error:
            lines = [_explained(line, cls.model_fields) for line in error.errors()[:_MOST_FAULTS]]
            raise ValidationError.from_exception_data(cls.__name__, lines) from None

    @field_validator("*")
    @classmethod
    def _refuse_what_no_database_takes(cls, value: T) -> T:
        """JSON can carry one half of a surrogate pair, and NUL, which Postgres has no room for in a text."""
        for text in _texts(value):
            if "\0" in text:
                raise PydanticCustomError(_EXPLAINED, "it has a NUL character; leave it out")
            if any("\ud800" <= character <= "\udfff" for character in text):
                raise PydanticCustomError(_EXPLAINED, "it has half of a surrogate pair; send whole characters")
        return value


def _explained(line: ErrorDetails, fields: Mapping[str, object]) -> InitErrorDetails:
    return InitErrorDetails(
        type=PydanticCustomError(_EXPLAINED, "{words}", {"words": _words(line, fields)}),
        loc=line["loc"],
        input=line["input"],
    )


def _words(line: ErrorDetails, fields: Mapping[str, object]) -> str:
    kind = line["type"]
    if kind == _EXPLAINED:
        return line["msg"]
    if kind == "missing":
        return "it is missing; it must be stated"
    if kind == "extra_forbidden":
        name = str(line["loc"][-1])
        return f"there is no such field here; there are {', '.join(fields)}.{did_you_mean(name, fields)}"
    if kind in _WANTED:
        return f"{_found(line['input'])} found; {_WANTED[kind]} is wanted"
    return f"{_found(line['input'])} found; {line['msg'][0].lower()}{line['msg'][1:]}"


def _found(value: object) -> str:
    match value:
        case str():
            return quoted(value)
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case int() | float():
            return str(value)
        case date():  # YAML has them
            return quoted(value.isoformat())
        case list():
            return "a list"
        case _:
            return "an object"


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts(item)
        case dict():
            for name, item in value.items():
                yield from _texts(name)
                yield from _texts(item)
