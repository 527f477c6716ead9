"""Tokens of sound and of images are classes of their own, and all classes add up to what the engine said."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.dialects.anthropic_answer import usage_of
from roundhouse_router.dialects.media_usage import MediaEvents, counts_of_answer
from roundhouse_router.dialects.ollama_answers import Spans, figures
from roundhouse_router.dialects.responses_answer import _usage
from roundhouse_router.dialects.responses_native import read_response
from roundhouse_router.domain.answer import read_answer
from roundhouse_router.domain.continuing import Continued
from roundhouse_router.domain.tokens import TokenCounts
from roundhouse_router.domain.usage_lines import read_usage, with_usage

_HEARD = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 20, "text_tokens": 40, "audio_tokens": 30, "image_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 5, "text_tokens": 5, "audio_tokens": 40},
}
_COUNTS = TokenCounts(
    input_tokens=40,
    cached_input_tokens=20,
    input_audio_tokens=30,
    input_image_tokens=10,
    output_tokens=5,
    reasoning_tokens=5,
    output_audio_tokens=40,
)
_COUNT = st.none() | st.integers(-5, 200)


def counted(usage: object) -> TokenCounts | None:
    return read_answer(msgspec.json.encode({"usage": usage}), "m")[1]


def test_sound_and_images_are_taken_out_of_the_plain_ones() -> None:
    assert counted(_HEARD) == _COUNTS
    assert (_COUNTS.all_input, _COUNTS.all_output) == (100, 50)


def test_what_was_cached_is_cached_whatever_it_was_of() -> None:
    details = {
        "cached_tokens": 60,
        "audio_tokens": 70,
        "cached_tokens_details": {"text_tokens": 10, "audio_tokens": 50},
    }
    told = counted({"prompt_tokens": 100, "completion_tokens": 0, "prompt_tokens_details": details})
    assert told == TokenCounts(input_tokens=20, cached_input_tokens=60, input_audio_tokens=20)


@given(
    totals=st.tuples(_COUNT, _COUNT),
    inside=st.none()
    | st.dictionaries(st.sampled_from(["cached_tokens", "cache_write_tokens", "audio_tokens"]), _COUNT),
    of_cached=st.none() | st.fixed_dictionaries({"audio_tokens": _COUNT, "image_tokens": _COUNT}),
    images=_COUNT,
    made=st.none() | st.dictionaries(st.sampled_from(["reasoning_tokens", "audio_tokens", "image_tokens"]), _COUNT),
)
def test_classes_add_up_to_what_was_told_and_none_is_negative(
    totals: tuple[int | None, int | None],
    inside: dict[str, object] | None,
    of_cached: object,
    images: int | None,
    made: object,
) -> None:
    if inside is not None:
        inside |= {"cached_tokens_details": of_cached, "image_tokens": images}
    usage = {"prompt_tokens": totals[0], "completion_tokens": totals[1], "prompt_tokens_details": inside}
    told = counted({**usage, "completion_tokens_details": made})
    assert told is not None
    assert min(msgspec.structs.astuple(told)) >= 0
    assert (told.all_input, told.all_output) == tuple(max(total or 0, 0) for total in totals)


def test_translated_answers_tell_the_same_sums() -> None:
    assert usage_of(_COUNTS)["input_tokens"] + usage_of(_COUNTS)["cache_read_input_tokens"] == 100
    assert usage_of(_COUNTS)["output_tokens"] == 50
    shown = figures(_COUNTS, None, Spans(total_s=1.0, first_s=0.5))
    assert (shown["prompt_eval_count"], shown["eval_count"]) == (100, 50)
    responses = _usage(_COUNTS)
    assert (responses["input_tokens"], responses["output_tokens"], responses["total_tokens"]) == (100, 50, 150)
    assert responses["output_tokens_details"] == {"reasoning_tokens": 5, "audio_tokens": 40}
    assert read_response(msgspec.json.encode({"usage": responses}), "m")[1] == _COUNTS


def test_a_stream_that_went_on_elsewhere_tells_all_classes() -> None:
    line = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n'
    found = read_usage(with_usage(line, _COUNTS))
    assert found is not None
    assert found.counts == _COUNTS


def test_of_two_engines_the_prompt_counts_once_and_all_that_was_made() -> None:
    fitted = Continued("c", _COUNTS)
    later = TokenCounts(input_tokens=150, output_tokens=3, output_audio_tokens=2)
    total = fitted.total(later)
    assert (total.all_input, total.all_output) == (100, 55)
    assert (total.input_audio_tokens, total.output_audio_tokens) == (30, 42)
    unknown = Continued("c", TokenCounts(output_tokens=4)).total(_COUNTS)
    assert (unknown.all_input, unknown.input_audio_tokens, unknown.input_tokens) == (96, 30, 36)


@pytest.mark.parametrize("spelled", ["input_tokens_details", "input_token_details"])
def test_a_transcription_tells_which_tokens_were_sound(spelled: str) -> None:
    details = {"text_tokens": 4, "audio_tokens": 96}
    usage = {"type": "tokens", "input_tokens": 100, spelled: details, "output_tokens": 12, "total_tokens": 112}
    told = counts_of_answer(msgspec.json.encode({"text": "hello", "usage": usage}))
    assert told.tokens == TokenCounts(input_tokens=4, input_audio_tokens=96, output_tokens=12)


def test_of_images_the_output_is_images_unless_it_is_told_apart() -> None:
    usage = {"input_tokens": 60, "input_tokens_details": {"text_tokens": 10, "image_tokens": 50}, "output_tokens": 272}
    answer = {"data": [{"b64_json": "aaaa"}], "usage": usage}
    seen = TokenCounts(input_tokens=10, input_image_tokens=50, output_image_tokens=272)
    assert counts_of_answer(msgspec.json.encode(answer)).tokens == seen
    usage["output_tokens_details"] = {"text_tokens": 72, "image_tokens": 200}
    seen = TokenCounts(input_tokens=10, input_image_tokens=50, output_tokens=72, output_image_tokens=200)
    assert counts_of_answer(msgspec.json.encode(answer)).tokens == seen


def test_of_speech_the_output_is_sound() -> None:
    events = MediaEvents()
    events.feed(b'data: {"type":"speech.audio.done","usage":{"input_tokens":14,"output_tokens":101}}\n\n')
    events.finish()
    assert events.counts.tokens == TokenCounts(input_tokens=14, output_audio_tokens=101)


def test_details_that_are_null_are_none() -> None:
    details = {"cached_tokens": None, "audio_tokens": None, "image_tokens": None, "cached_tokens_details": None}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": details}
    assert counted({**usage, "completion_tokens_details": {"audio_tokens": None}}) == TokenCounts(
        input_tokens=3, output_tokens=2
    )
