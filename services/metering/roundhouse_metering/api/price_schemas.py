"""Bodies and answers of `/price-books`."""

from typing import Annotated, Self

import msgspec
from pydantic import BaseModel, Field

from roundhouse_common.contracts.money import PriceRecord, Rates
from roundhouse_common.contracts.usage import Reuse
from roundhouse_common.http import Body, Moment, Timestamp
from roundhouse_common.pricing import PriceFacts, Quantities
from roundhouse_metering.domain.price_books import BookVersion, PriceLine

__all__ = ["BookView", "PreviewAnswer", "PreviewBody", "PriceView", "RatesBody", "VersionToAdd", "VersionView"]

_Nano = Annotated[int | None, Field(default=None, description="Nano-units: 1,000,000,000 are one of the currency.")]


class RatesBody(Body):
    """What things cost, in nano-units of the currency: 1,000,000,000 are one. Absent or null: the price says nothing
    about it, which is not free; 0 is."""

    input_per_million: _Nano
    cached_input_per_million: Annotated[int | None, Field(default=None, description="Null: as input.")]
    cache_write_per_million: Annotated[int | None, Field(default=None, description="Null: as input.")]
    output_per_million: _Nano
    reasoning_per_million: Annotated[int | None, Field(default=None, description="Null: as output.")]
    input_audio_per_million: Annotated[int | None, Field(default=None, description="Null: as input.")]
    output_audio_per_million: Annotated[int | None, Field(default=None, description="Null: as output.")]
    input_image_per_million: Annotated[int | None, Field(default=None, description="Null: as input.")]
    output_image_per_million: Annotated[int | None, Field(default=None, description="Null: as output.")]
    per_request: Annotated[int | None, Field(default=None, description="A fee for each that was completed.")]
    per_image: _Nano
    per_audio_second: _Nano
    characters_per_million: _Nano
    per_replica_second: _Nano
    per_device_second: _Nano
    per_gib_hour: Annotated[int | None, Field(default=None, description="Of storage.")]


class PriceLineBody(Body):
    """One line: whom it is for (an empty selector is for any), and what things cost."""

    tenant_id: str = ""
    deployment_id: str = ""
    provider_id: str = ""
    model: str = Field(default="", description="The name that was served, or a pattern with `*`.")
    device_class: str = Field(default="", description="A device model or a pattern, such as `*H100*`.")
    operation: str = Field(default="", examples=["chat"])
    tier_from_tokens: int = Field(default=0, description="For requests with at least so many input tokens.")
    reuse_percent: int = Field(default=0, description="What an answer that no engine worked for costs, in percent.")
    rates: RatesBody

    def line(self) -> PriceLine:
        return PriceLine(**self.model_dump(exclude={"rates"}), rates=Rates(**self.rates.model_dump()))


class VersionToAdd(Body):
    """A new version of a price book. It ends the versions before it at its start."""

    currency: str = Field(examples=["USD"], description="ISO 4217; all prices of a platform share one.")
    valid_from: Moment | None = Field(default=None, description="Absent: from now on.")
    note: str = Field(default="", max_length=2000)
    version: int | None = Field(default=None, description="The number it must get; another one is refused with 409.")
    lines: list[PriceLineBody]


class PriceView(BaseModel):
    """One line of a price book."""

    id: str
    book: str
    version: int
    currency: str
    valid_from: Timestamp
    valid_until: Timestamp | None = Field(description="Null: until further notice.")
    tenant_id: str
    deployment_id: str
    provider_id: str
    model: str
    device_class: str
    operation: str
    tier_from_tokens: int
    reuse_percent: int
    rates: dict[str, int] = Field(description="Nano-units; rates that it does not have are left out.")

    @classmethod
    def of(cls, price: PriceRecord) -> Self:
        same = cls.model_fields.keys() - {"id", "valid_until", "rates"}
        rates = msgspec.structs.asdict(price.rates)
        return cls(
            id=price.price_id,
            valid_until=price.valid_until or None,
            rates={name: rate for name, rate in rates.items() if rate is not None},
            **{name: getattr(price, name) for name in same},
        )


class VersionView(BaseModel):
    """One version of a price book."""

    book: str
    version: int
    currency: str
    valid_from: Timestamp
    note: str
    created_at: Timestamp
    created_by: str

    @classmethod
    def of(cls, version: BookVersion) -> Self:
        return cls(**{name: getattr(version, name) for name in cls.model_fields})


class BookView(VersionView):
    """A version with its lines."""

    lines: list[PriceView]

    @classmethod
    def with_lines(cls, version: BookVersion, lines: list[PriceRecord]) -> Self:
        head = {name: getattr(version, name) for name in VersionView.model_fields}
        return cls(**head, lines=[PriceView.of(line) for line in lines])


class PreviewBody(Body):
    """A request, or time of a replica, as it might be."""

    at: Moment | None = Field(default=None, description="Of its admission; absent: now.")
    deployment_id: str = ""
    provider_id: str = ""
    model: str = ""
    device_class: str = ""
    operation: str = "chat"
    reuse: str = Field(default="none", examples=["none", "cached", "coalesced", "replayed"])
    input_tokens: int = Field(default=0, ge=0)
    cached_input_tokens: int = Field(default=0, ge=0)
    cache_write_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    reasoning_tokens: int = Field(default=0, ge=0)
    input_audio_tokens: int = Field(default=0, ge=0)
    output_audio_tokens: int = Field(default=0, ge=0)
    input_image_tokens: int = Field(default=0, ge=0)
    output_image_tokens: int = Field(default=0, ge=0)
    requests: int = Field(default=1, ge=0)
    images: int = Field(default=0, ge=0)
    audio_ms: int = Field(default=0, ge=0)
    characters: int = Field(default=0, ge=0)
    replica_ms: int = Field(default=0, ge=0)
    device_ms: int = Field(default=0, ge=0)
    storage_byte_s: int = Field(default=0, ge=0)

    def facts(self, tenant_id: str, now: float) -> PriceFacts:
        return PriceFacts(
            at=now if self.at is None else self.at.timestamp(),
            tenant_id=tenant_id,
            deployment_id=self.deployment_id,
            provider_id=self.provider_id,
            model=self.model,
            device_class=self.device_class,
            operation=self.operation,
            input_tokens=self.quantities().all_input_tokens,
        )

    def quantities(self) -> Quantities:
        return Quantities(**{name: getattr(self, name) for name in Quantities.__struct_fields__})

    def reused(self) -> Reuse:
        return Reuse(self.reuse)


class Considered(BaseModel):
    """A line that is for such a request, and what became of it."""

    verdict: str = Field(examples=["chosen", "less specific", "not valid yet", "ended", "tier not reached"])
    price: PriceView


class PreviewAnswer(BaseModel):
    """What it costs, and why."""

    cost_nano: int | None = Field(description="Null: unpriced.")
    currency: str
    missing: str = Field(description="Why it is unpriced: `price`, the rate that the line lacks, or `amount`.")
    percent: int = Field(description="What is asked for of the full cost.")
    considered: list[Considered] = Field(description="The most specific line first.")
