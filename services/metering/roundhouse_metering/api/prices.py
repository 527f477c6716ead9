"""`/api/v1/price-books`: what things cost. A version is never changed: the next one ends it."""

from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from roundhouse_common.auth import Subject, allowed
from roundhouse_common.contracts.money import PriceRecord
from roundhouse_common.database import Database, WriteSession
from roundhouse_common.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from roundhouse_common.http import Moment, Page, requires
from roundhouse_common.http.audit import enter_change
from roundhouse_common.http.times import unix_seconds
from roundhouse_common.pricing import PriceFacts, PriceTable, choose_price, cost, missing_rate, percent_of
from roundhouse_common.routing import PLATFORM
from roundhouse_common.runtime import Clock, Ids
from roundhouse_metering.api.price_schemas import (
    BookView,
    Considered,
    PreviewAnswer,
    PreviewBody,
    PriceView,
    VersionToAdd,
    VersionView,
)
from roundhouse_metering.domain.price_books import BookVersion, PriceLine, lines_of, require_usable
from roundhouse_metering.domain.price_files import from_csv, to_csv
from roundhouse_metering.domain.pricing import MOST_NANO
from roundhouse_metering.store.costs import all_prices
from roundhouse_metering.store.prices import (
    book_versions,
    currency_in_use,
    insert_version,
    newest_version,
    prices_of,
)

__all__ = ["price_routes"]

_Reader = Annotated[Subject, Depends(requires("prices:read"))]
_Writer = Annotated[Subject, Depends(requires("prices:write"))]
_MOST_FILE_BYTES: Final = 8 * 1024 * 1024
_CSV: Final = "text/csv; charset=utf-8"
_CSV_BODY: Final = {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}}


def price_routes(db: Database, clock: Clock, ids: Ids, wake: Callable[[], None]) -> APIRouter:
    """Return the routes below /api/v1/price-books."""
    routes = APIRouter(prefix="/api/v1/price-books", tags=["prices"])

    async def add(subject: Subject, version: BookVersion, lines: Sequence[PriceLine], wanted: int | None) -> BookView:
        require_usable(version.book, version.currency, lines)
        async with db.write() as session:
            numbered = await _numbered(session, version, wanted)
            records = lines_of(numbered, lines, [ids.new("pri") for _ in lines])
            await insert_version(session, numbered, records)
            added = BookView.with_lines(numbered, records)
            place = f"{numbered.book}/{numbered.version}"
            await enter_change(session, after=added, object_id=place, object_name=numbered.book, tenant_id=PLATFORM)
            session.after_commit(wake)
        return added

    def begin(subject: Subject, book: str, currency: str, valid_from: float | None, note: str) -> BookVersion:
        _require_platform(subject)
        now = clock.now()
        return BookVersion(
            book=book,
            version=0,
            currency=currency,
            valid_from=now if valid_from is None else valid_from,
            note=note,
            created_at=now,
            created_by=subject.actor,
        )

    @routes.get("")
    async def list_price_books(subject: _Reader) -> Page[VersionView]:
        """List the newest version of every book."""
        async with db.read() as session:
            newest = {version.book: version for version in await book_versions(session)}
        return Page(items=[VersionView.of(version) for version in newest.values()])

    @routes.post(":preview")
    async def preview_price(body: PreviewBody, subject: _Reader) -> PreviewAnswer:
        """Say what a request would cost the caller's tenant, by which line, and why not by another."""
        facts = body.facts(subject.tenant_id, clock.now())
        async with db.read() as session:
            prices = await all_prices(session)
        return _previewed(prices, facts, body)

    @routes.get("/{book}:export")
    async def export_prices(
        book: str,
        subject: _Reader,
        version: Annotated[int | None, Query(ge=1, description="Absent: the newest one.")] = None,
        form: Annotated[Literal["csv", "json"], Query(alias="format")] = "csv",
    ) -> Response:
        """Return the lines of a version as a file: CSV with decimal units of the currency, JSON with nano-units."""
        shown = await show(subject, book, version)
        if form == "json":
            return Response(shown.model_dump_json(), media_type="application/json")
        async with db.read() as session:
            lines = await prices_of(session, book, shown.version)
        return Response(to_csv([_line(line) for line in lines if _is_seen(subject, line)]), media_type=_CSV)

    @routes.post("/{book}:import", status_code=201, openapi_extra=_CSV_BODY)
    async def import_prices(
        book: str,
        request: Request,
        subject: _Writer,
        currency: Annotated[str, Query(description="ISO 4217.")],
        valid_from: Annotated[Moment | None, Query(description="Absent: from now on.")] = None,
        note: Annotated[str, Query(max_length=2000)] = "",
    ) -> BookView:
        """Add a version from a CSV file, as the export writes it."""
        lines = from_csv(await _text_of(request))
        start = None if valid_from is None else unix_seconds(valid_from)
        return await add(subject, begin(subject, book, currency, start, note), lines, None)

    @routes.get("/{book}/versions")
    async def list_price_versions(book: str, subject: _Reader) -> Page[VersionView]:
        """List the versions of a book, the oldest first."""
        async with db.read() as session:
            found = await book_versions(session, book)
        if not found:
            raise _absent(book)
        return Page(items=[VersionView.of(version) for version in found])

    @routes.post("/{book}/versions", status_code=201)
    async def add_price_version(book: str, body: VersionToAdd, subject: _Writer) -> BookView:
        """Add a version, to a book that may be new. Without lines it only ends the book."""
        start = None if body.valid_from is None else unix_seconds(body.valid_from)
        version = begin(subject, book, body.currency, start, body.note)
        return await add(subject, version, [line.line() for line in body.lines], body.version)

    @routes.get("/{book}/versions/{version}")
    async def show_price_version(book: str, version: int, subject: _Reader) -> BookView:
        """Show one version with those of its lines that the caller may see."""
        return await show(subject, book, version)

    @routes.get("/{book}")
    async def show_price_book(book: str, subject: _Reader) -> BookView:
        """Show the newest version of a book with those of its lines that the caller may see."""
        return await show(subject, book, None)

    async def show(subject: Subject, book: str, number: int | None) -> BookView:
        async with db.read() as session:
            found = [one for one in await book_versions(session, book) if number in (None, one.version)]
            if not found:
                raise _absent(book)
            lines = await prices_of(session, book, found[-1].version)
        return BookView.with_lines(found[-1], [line for line in lines if _is_seen(subject, line)])

    return routes


def _require_platform(subject: Subject) -> None:
    if not allowed(subject, "prices:write", PLATFORM):
        raise Forbidden("Prices are the platform's: only a role on the platform may change them.")


def _is_seen(subject: Subject, line: PriceRecord) -> bool:
    """Say whether the line is for everybody, or for the caller's tenant; the platform's people see all."""
    return line.tenant_id in ("", subject.tenant_id) or allowed(subject, "prices:read", PLATFORM)


def _absent(book: str) -> NotFound:
    return NotFound(f"There is no price book {book!r}, or not this version of it.")


async def _numbered(session: WriteSession, version: BookVersion, wanted: int | None) -> BookVersion:
    """Return the version with its number. Writers are serial: it stays free. Raises Conflict and InvalidInput."""
    currency = await currency_in_use(session)
    if currency not in (None, version.currency):
        message = f"{version.currency} found; the platform's prices are in {currency}, and all share one currency"
        raise InvalidInput(f"currency: {message}.", FieldError("currency", message))
    number = await newest_version(session, version.book) + 1
    if wanted not in (None, number):
        raise Conflict(f"This would be version {number} of {version.book!r}, not {wanted}: somebody else added one.")
    return BookVersion(
        book=version.book,
        version=number,
        currency=version.currency,
        valid_from=version.valid_from,
        note=version.note,
        created_at=version.created_at,
        created_by=version.created_by,
    )


async def _text_of(request: Request) -> str:
    """Return the body. Raises InvalidInput for one that is too large or no text."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_FILE_BYTES:
            raise InvalidInput("The file is larger than 8 MiB.", FieldError("csv", "split it into several books"))
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise InvalidInput("The file is not UTF-8.", FieldError("csv", "save it as UTF-8")) from None


def _line(price: PriceRecord) -> PriceLine:
    return PriceLine(**{name: getattr(price, name) for name in PriceLine.__dataclass_fields__})


def _previewed(prices: Sequence[PriceRecord], facts: PriceFacts, body: PreviewBody) -> PreviewAnswer:
    chosen = choose_price(prices, facts)
    considered = [
        Considered(verdict=_verdict(line, chosen, facts), price=PriceView.of(line))
        for line in PriceTable(prices).fitting(facts)
    ]
    if chosen is None:
        return PreviewAnswer(cost_nano=None, currency="", missing="price", percent=100, considered=considered)
    quantities, percent = body.quantities(), percent_of(chosen, body.reused())
    found, missing = cost(chosen.rates, quantities, percent=percent), missing_rate(chosen.rates, quantities) or ""
    if found is not None and found > MOST_NANO:
        found, missing = None, "amount"
    return PreviewAnswer(
        cost_nano=found,
        currency=chosen.currency,
        missing=missing,
        percent=percent,
        considered=considered,
    )


def _verdict(line: PriceRecord, chosen: PriceRecord | None, facts: PriceFacts) -> str:
    if chosen is not None and line.price_id == chosen.price_id:
        return "chosen"
    if facts.at < line.valid_from:
        return "not valid yet"
    if line.valid_until and facts.at >= line.valid_until:
        return "ended"
    return "tier not reached" if line.tier_from_tokens > facts.input_tokens else "less specific"
