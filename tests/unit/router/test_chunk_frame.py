"""Chunks that are passed on because they are like an earlier one."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roundhouse_router.domain.chunk_frame import CONTENT, ChunkFrame
from roundhouse_router.domain.startup import has_content
from roundhouse_router.domain.stream import StreamScanner

HEAD = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"'
TAIL = b'"},"finish_reason":null}]}\n\n'
WORDS = (b'"usage"', b"error", b"[DONE]")
TEXT = st.one_of(
    st.binary(max_size=12),
    st.lists(
        st.sampled_from(
            [
                b"usage",
                b"error",
                b"err",
                b"or",
                b"[DONE]",
                b"[DO",
                b'"',
                b'\\"',
                b"content",
                b":",
                b"\n",
                TAIL,
                HEAD,
                b"a",
            ]
        ),
        max_size=4,
    ).map(b"".join),
)


def is_plain(chunk: bytes) -> bool:
    return chunk.endswith(b"\n") and not any(word in chunk for word in WORDS)


def texts_of(chunk: bytes) -> int:
    return chunk.count(CONTENT) - chunk.count(b'"content":""')


@given(TEXT, TEXT, st.sampled_from([(HEAD, TAIL), (CONTENT, b'"\n'), (CONTENT, b'":"\n'), (b'"' + CONTENT, b'"}\n')]))
@example(b"a", b"usage", (HEAD, TAIL))
@example(b"a", b"content", (CONTENT, b'":"\n'))
@example(b"a", b"a" + TAIL + HEAD + b"b", (HEAD, TAIL))
@example(b"a", b"an error", (HEAD, TAIL))
@example(b"a", b"[DONE]", (HEAD, TAIL))
def test_what_fits_is_what_a_search_would_let_pass(first: bytes, then: bytes, around: tuple[bytes, bytes]) -> None:
    learned, chunk = first.join(around), then.join(around)
    frame = ChunkFrame()
    if is_plain(learned):
        frame.learn(learned)
    if frame.fits(chunk):
        assert is_plain(chunk)
        assert texts_of(chunk) == 1


def test_other_texts_fit_and_other_chunks_do_not() -> None:
    frame = ChunkFrame()
    assert not frame.fits(HEAD + b"a" + TAIL)
    frame.learn(HEAD + b"a" + TAIL)
    assert frame.fits(HEAD + b" word" + TAIL)
    assert frame.fits(HEAD + b"usages" + TAIL)
    assert not frame.fits(HEAD + TAIL)
    assert not frame.fits(HEAD + b'say \\"so\\"' + TAIL)
    assert not frame.fits(HEAD + b"a" + TAIL.replace(b"null", b'"stop"'))
    assert not frame.fits(HEAD[:-1] + TAIL[1:])
    assert not frame.fits(b"")


def test_a_stream_whose_chunks_all_differ_is_given_up() -> None:
    frame = ChunkFrame()
    for number in range(9):
        frame.learn(HEAD.replace(b'"c"', b'"%d"' % number) + b"a" + TAIL)
    assert not frame.fits(HEAD.replace(b'"c"', b'"8"') + b"b" + TAIL)


@given(st.lists(TEXT, max_size=8), st.booleans())
def test_a_scanner_that_knows_the_frame_says_what_one_says_that_gets_bytes_apart(
    texts: list[bytes], strips_usage: bool
) -> None:
    """Bytes one by one never fit a frame: both must send the same, and count and end alike."""
    stream = b"".join(HEAD + text + TAIL for text in [b"a", b"b", *texts])
    chunks = [HEAD + text + TAIL for text in [b"a", b"b", *texts]]
    scanners = [
        StreamScanner(requested="m", strip_usage=strips_usage, running=None, strip_running=False) for _ in range(2)
    ]
    at_once = b"".join(map(scanners[0].feed, chunks)) + scanners[0].finish()
    apart = b"".join(scanners[1].feed(stream[at : at + 1]) for at in range(len(stream))) + scanners[1].finish()
    assert at_once == apart
    assert scanners[0].is_done == scanners[1].is_done
    assert scanners[0].has_error == scanners[1].has_error


@pytest.mark.parametrize(
    ("piece", "has"),
    [
        (HEAD + b"a" + TAIL, True),
        (HEAD + TAIL, False),
        (HEAD, False),
        (HEAD + TAIL + HEAD + b"a" + TAIL, True),
        (b'{"content": "a"}', True),
        (b'{"content":null}', False),
        (b"", False),
    ],
)
def test_content_is_seen_wherever_it_is(piece: bytes, has: bool) -> None:
    assert has_content(piece) is has
