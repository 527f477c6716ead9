"""When a provider wants to be asked again: every way in which providers say so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.domain.retry_after import wanted_pause_s

NOW = 1_795_000_000.0  # 2026-11-18T11:06:40Z


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({b"retry-after": b"7"}, 7.0),
        ({b"retry-after": b"0.5"}, 0.5),
        ({b"retry-after-ms": b"120", b"retry-after": b"1"}, 0.12),
        ({b"retry-after": b"Wed, 18 Nov 2026 11:07:10 GMT"}, 30.0),
        ({b"retry-after": b"Wed, 18 Nov 2026 11:00:00 GMT"}, 0.0),
        ({b"retry-after": b"86400"}, 3600.0),
        ({b"retry-after": b"soon"}, None),
        ({b"retry-after": b"-5"}, None),
        ({b"retry-after": b"nan"}, None),
        (
            {
                b"x-ratelimit-remaining-requests": b"0",
                b"x-ratelimit-reset-requests": b"8.64s",
                b"x-ratelimit-remaining-tokens": b"149984",
                b"x-ratelimit-reset-tokens": b"6m0s",
            },
            8.64,
        ),
        (
            {
                b"x-ratelimit-remaining-requests": b"9999",
                b"x-ratelimit-reset-requests": b"12ms",
                b"x-ratelimit-remaining-tokens": b"0",
                b"x-ratelimit-reset-tokens": b"1m30s",
            },
            90.0,
        ),
        ({b"x-ratelimit-reset-requests": b"12ms", b"x-ratelimit-reset-tokens": b"6m0s"}, 0.012),
        ({b"x-ratelimit-reset": b"1795000012000"}, 12.0),
        ({b"x-ratelimit-reset": b"1795000012"}, 12.0),
        ({b"x-ratelimit-reset": b"12"}, 12.0),
        (
            {
                b"anthropic-ratelimit-requests-remaining": b"0",
                b"anthropic-ratelimit-requests-reset": b"2026-11-18T11:06:55Z",
                b"anthropic-ratelimit-tokens-remaining": b"100",
                b"anthropic-ratelimit-tokens-reset": b"2026-11-18T11:07:55Z",
            },
            15.0,
        ),
    ],
)
def test_what_providers_say_is_read(headers: dict[bytes, bytes], seconds: float | None) -> None:
    assert wanted_pause_s(headers, NOW) == pytest.approx(seconds)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                b"retry-after",
                b"retry-after-ms",
                b"x-ratelimit-reset",
                b"x-ratelimit-reset-tokens",
                b"x-ratelimit-remaining-tokens",
                b"anthropic-ratelimit-tokens-reset",
            ]
        ),
        st.binary(max_size=40) | st.from_regex(rb"[0-9]{1,4}(ms|s|m|h|d)?", fullmatch=True),
    )
)
def test_nothing_that_a_provider_sends_breaks_it(headers: dict[bytes, bytes]) -> None:
    pause = wanted_pause_s(headers, NOW)
    assert pause is None or 0 <= pause <= 3600
