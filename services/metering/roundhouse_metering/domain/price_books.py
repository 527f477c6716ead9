"""Price books: their versions follow each other in time, and none is ever changed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from roundhouse_common.contracts.money import PriceRecord, Rates
from roundhouse_common.contracts.usage import Operation
from roundhouse_common.errors import FieldError, InvalidInput

__all__ = ["BookVersion", "PriceLine", "lines_of", "require_usable"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_MOST_LINES = 10_000
_MOST_RATE = 10**15
_MOST_TEXT = 512
_FAULTS_TOLD = 20
_SELECTORS = ("tenant_id", "deployment_id", "provider_id", "model", "device_class", "operation")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLine:
    """One line as somebody writes it: whom it is for, and what things cost."""

    tenant_id: str = ""
    deployment_id: str = ""
    provider_id: str = ""
    model: str = ""
    device_class: str = ""
    operation: str = ""
    tier_from_tokens: int = 0
    reuse_percent: int = 0
    rates: Rates

    @property
    def place(self) -> tuple[object, ...]:
        """What no two lines of a version share."""
        return (*(getattr(self, name) for name in _SELECTORS), self.tier_from_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookVersion:
    """One version of a price book, without its lines."""

    book: str
    version: int
    currency: str
    valid_from: float
    note: str
    created_at: float
    created_by: str


def require_usable(book: str, currency: str, lines: Sequence[PriceLine]) -> None:
    """Raise InvalidInput for what no book can hold."""
    faults = []
    if not _NAME.fullmatch(book):
        faults.append(FieldError("book", f"{book!r} found; small letters, digits, `.`, `_` and `-` are wanted"))
    if not _CURRENCY.fullmatch(currency):
        faults.append(FieldError("currency", f"{currency!r} found; a code of ISO 4217 such as USD is wanted"))
    if len(lines) > _MOST_LINES:
        faults.append(FieldError("lines", f"{len(lines)} found; at most {_MOST_LINES} are taken"))
    seen: dict[tuple[object, ...], int] = {}
    for number, line in enumerate(lines):
        first = seen.setdefault(line.place, number)
        if first != number:
            faults.append(FieldError(f"lines.{number}", f"it is for the same as line {first}"))
        faults += _faults(line, f"lines.{number}")
    if faults:
        message = f"{faults[0].field}: {faults[0].message}"
        raise InvalidInput(message, *faults[:_FAULTS_TOLD])


def lines_of(version: BookVersion, lines: Sequence[PriceLine], price_ids: Sequence[str]) -> list[PriceRecord]:
    """Return the lines as the ledger and the routers know them."""
    return [
        PriceRecord(
            price_id=price_id,
            book=version.book,
            version=version.version,
            currency=version.currency,
            valid_from=version.valid_from,
            tenant_id=line.tenant_id,
            deployment_id=line.deployment_id,
            provider_id=line.provider_id,
            model=line.model,
            device_class=line.device_class,
            operation=line.operation,
            tier_from_tokens=line.tier_from_tokens,
            rates=line.rates,
            reuse_percent=line.reuse_percent,
        )
        for line, price_id in zip(lines, price_ids, strict=True)
    ]


def _faults(line: PriceLine, at: str) -> list[FieldError]:
    faults = []
    operations = [one.value for one in Operation if one is not Operation.UNKNOWN]
    if line.operation and line.operation not in operations:
        wanted = f"{line.operation!r} found; one of {', '.join(operations)} is wanted"
        faults.append(FieldError(f"{at}.operation", wanted))
    if not 0 <= line.reuse_percent <= 100:
        faults.append(FieldError(f"{at}.reuse_percent", f"{line.reuse_percent} found; 0 to 100 is wanted"))
    if not 0 <= line.tier_from_tokens <= 10**12:
        faults.append(FieldError(f"{at}.tier_from_tokens", f"{line.tier_from_tokens} found; 0 or more is wanted"))
    rates = {name: rate for name, rate in msgspec.structs.asdict(line.rates).items() if rate is not None}
    if not rates:
        faults.append(FieldError(f"{at}.rates", "it prices nothing; give at least one rate (0 is free)"))
    for name, rate in rates.items():
        if not 0 <= rate <= _MOST_RATE:
            faults.append(FieldError(f"{at}.rates.{name}", f"{rate} found; 0 to {_MOST_RATE} nano-units are wanted"))
    for name in _SELECTORS:
        if len(getattr(line, name)) > _MOST_TEXT:
            faults.append(FieldError(f"{at}.{name}", f"at most {_MOST_TEXT} characters are taken"))
    return faults
