"""Price books as CSV: one line per price, rates as decimal numbers of the currency. Read and written without floats."""

import csv
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from roundhouse_common.contracts.money import NANO, Rates
from roundhouse_common.errors import FieldError, InvalidInput
from roundhouse_common.spreadsheets import as_typed, not_computed
from roundhouse_metering.domain.price_books import PriceLine

__all__ = ["decimal_text", "from_csv", "to_csv"]

_SELECTORS = ("tenant_id", "deployment_id", "provider_id", "model", "device_class", "operation")
_COUNTS = ("tier_from_tokens", "reuse_percent")
_RATES = tuple(Rates.__struct_fields__)
_HEADER = (*_SELECTORS, *_COUNTS, *_RATES)
_FAULTS_TOLD = 20
_MOST_DIGITS = 40


def to_csv(lines: Sequence[PriceLine]) -> str:
    """Return the lines with a header; reading it gives the same lines again."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    for line in lines:
        rates = [getattr(line.rates, name) for name in _RATES]
        counts = [str(getattr(line, name)) for name in _COUNTS]
        selectors = [not_computed(getattr(line, name)) for name in _SELECTORS]
        writer.writerow([*selectors, *counts, *("" if rate is None else decimal_text(rate) for rate in rates)])
    return text.getvalue()


def from_csv(text: str) -> list[PriceLine]:
    """Read what `to_csv` writes; columns may be left out and come in any order. Raises InvalidInput, also for a file
    without a price: it would end the book."""
    if "\0" in text:
        raise InvalidInput("The file has a NUL character.", FieldError("csv", "leave it out"))
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        unknown = [name for name in reader.fieldnames or () if name not in _HEADER]
        if unknown or not reader.fieldnames:
            raise InvalidInput(
                f"The first line has columns that are not known: {', '.join(map(str, unknown)) or 'it is missing'}. "
                f"Known are {', '.join(_HEADER)}.",
                FieldError("csv", "mend the header"),
            )
        if len(set(reader.fieldnames)) < len(reader.fieldnames):
            raise InvalidInput("The first line has a column twice.", FieldError("csv", "mend the header"))
        faults: list[FieldError] = []
        lines = [_line(row, f"csv.{number}", faults) for number, row in enumerate(reader, start=2)]
    except csv.Error as error:
        raise InvalidInput(f"This is no CSV: {error}.", FieldError("csv", "mend the file")) from None
    if faults:
        raise InvalidInput(f"{faults[0].field}: {faults[0].message}", *faults[:_FAULTS_TOLD])
    if not lines:
        raise InvalidInput("The file has no price.", FieldError("csv", "give at least one line below the header"))
    return lines


def decimal_text(nano: int) -> str:
    """Return nano-units as a decimal number of units, exactly: `0.15`."""
    whole, part = divmod(abs(nano), NANO)
    digits = f"{part:09}".rstrip("0")
    return f"{'-' if nano < 0 else ''}{whole}{'.' if digits else ''}{digits}"


def _line(row: Mapping[str | None, str | list[str] | None], at: str, faults: list[FieldError]) -> PriceLine:
    if None in row:
        faults.append(FieldError(at, "it has more values than the header has names"))
    values = {name: value.strip() for name, value in row.items() if name and isinstance(value, str) and value.strip()}
    counts = {name: _count(values[name], f"{at}.{name}", faults) for name in _COUNTS if name in values}
    rates = {name: _nano(values[name], f"{at}.{name}", faults) for name in _RATES if name in values}
    return PriceLine(
        **{name: as_typed(values.get(name, "")) for name in _SELECTORS},
        tier_from_tokens=counts.get("tier_from_tokens", 0),
        reuse_percent=counts.get("reuse_percent", 0),
        rates=Rates(**rates),
    )


def _count(text: str, at: str, faults: list[FieldError]) -> int:
    if not (text.isascii() and text.isdigit()):
        faults.append(FieldError(at, f"{text!r} found; a whole number is wanted"))
        return 0
    return int(text[:20])


def _nano(text: str, at: str, faults: list[FieldError]) -> int:
    try:
        nano = _exactly(Decimal(text))
    except InvalidOperation:
        nano = None
    if nano is not None:
        return nano
    faults.append(FieldError(at, f"{text!r} found; a decimal number with at most 9 places is wanted, such as 0.15"))
    return 0


def _exactly(number: Decimal) -> int | None:
    """Return it in nano-units; None where that is no whole number, or one beyond all reason. Decimal's own arithmetic
    would round at 28 digits."""
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or not len(digits) + abs(exponent) <= _MOST_DIGITS:
        return None
    above, below = int("".join(map(str, digits))) * NANO * 10 ** max(0, exponent), 10 ** max(0, -exponent)
    return None if above % below else (-above if sign else above) // below
