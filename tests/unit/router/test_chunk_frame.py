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


def fits(frame: ChunkFrame, chunk: bytes) -> bool:
    return frame.fits(chunk, 0, len(chunk))


@given(TEXT, TEXT, st.sampled_from([(HEAD, TAIL), (CONTENT, b'"\n'), (CONTENT, b'":"\n'), (b'"' + CONTENT, b'"}\n')]))
@example(b"a", b"usage", (HEAD, TAIL))
@example(b"a", b"content", (CONTENT, b'":"\n'))
@example(b"a", b"a" + TAIL + HEAD + b"b", (HEAD, TAIL))
@example(b"a", b"an error", (HEAD, TAIL))
@example(b"a", b"[DONE]", (HEAD, TAIL))
@example(b"a", b"\ndata: [DONE]", (HEAD, TAIL))
def test_what_fits_has_one_piece_of_text_in_lines_that_begin_alike(
    first: bytes, then: bytes, around: tuple[bytes, bytes]
) -> None:
    learned, chunk = first.join(around), then.join(around)
    frame = ChunkFrame()
    if is_plain(learned):
        frame.learn(learned)
    if fits(frame, chunk):
        assert chunk.endswith(b"\n")
        assert texts_of(chunk) == 1
        assert chunk.count(b"\n") <= learned.count(b"\n")
        assert chunk.count(b'"') == learned.count(b'"')


@given(TEXT, st.binary(max_size=9), st.binary(max_size=9))
def test_a_chunk_among_other_bytes_fits_as_it_does_alone(text: bytes, before: bytes, behind: bytes) -> None:
    frame = ChunkFrame()
    frame.learn(HEAD + b"a" + TAIL)
    chunk = HEAD + text + TAIL
    assert frame.fits(before + chunk + behind, len(before), len(before) + len(chunk)) == fits(frame, chunk)


def test_other_texts_fit_and_other_chunks_do_not() -> None:
    frame = ChunkFrame()
    assert not fits(frame, HEAD + b"a" + TAIL)
    frame.learn(HEAD + b"a" + TAIL)
    for text in (b" word", b"usage", b"usages", b"an error", b"[DONE]", "\u4f60".encode(), b"\\n"):
        assert fits(frame, HEAD + text + TAIL)
    for text in (b"", b'say \\"so\\"', b"a\nb"):
        assert not fits(frame, HEAD + text + TAIL)
    assert not fits(frame, HEAD + b"a" + TAIL.replace(b"null", b'"stop"'))
    assert not fits(frame, HEAD[:-1] + TAIL[1:])
    assert not fits(frame, b"")


def test_a_stream_whose_chunks_all_differ_is_given_up() -> None:
    frame = ChunkFrame()
    for number in range(9):
        frame.learn(HEAD.replace(b'"c"', b'"%d"' % number) + b"a" + TAIL)
    assert not fits(frame, HEAD.replace(b'"c"', b'"8"') + b"b" + TAIL)


NULL_TAIL = b'"},"finish_reason":null}],"usage":null}\n\n'
USAGE_TAIL = b'"},"finish_reason":null}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n'


@given(
    st.lists(st.tuples(TEXT, st.sampled_from([TAIL, NULL_TAIL, USAGE_TAIL])), max_size=8),
    st.sampled_from([TAIL, NULL_TAIL]),
    st.booleans(),
)
@example([(b"c", NULL_TAIL), (b"d", USAGE_TAIL)], NULL_TAIL, True)
@example([(b"usage", NULL_TAIL), (b"usage", TAIL)], NULL_TAIL, False)
def test_a_scanner_that_knows_the_frame_says_what_one_says_that_gets_bytes_apart(
    texts: list[tuple[bytes, bytes]], tail: bytes, strips_usage: bool
) -> None:
    """Bytes one by one never fit a frame: all must send the same, and count and end alike."""
    chunks = [HEAD + text + end for text, end in [(b"a", tail), (b"b", tail), *texts]]
    stream = b"".join(chunks)
    at_once, apart, asked = (
        StreamScanner(requested="m", strip_usage=strips_usage, running=None, strip_running=False) for _ in range(3)
    )
    sent = b"".join(map(at_once.feed, chunks)) + at_once.finish()
    assert sent == b"".join(apart.feed(stream[at : at + 1]) for at in range(len(stream))) + apart.finish()
    assert sent == (
        b"".join(
            chunk if asked.passes(b"<<" + chunk + b">", 2, len(chunk) + 2) else asked.feed(chunk) for chunk in chunks
        )
        + asked.finish()
    )
    for scanner in (apart, asked):
        assert scanner.is_done == at_once.is_done
        assert scanner.has_error == at_once.has_error
        assert scanner.usage == at_once.usage
    assert asked.so_far() == at_once.so_far()


def test_chunks_whose_usage_is_null_are_known_too() -> None:
    scanner = StreamScanner(requested="m", strip_usage=True, running=None, strip_running=False)
    for text in (b"a", b"b"):
        assert scanner.feed(HEAD + text + NULL_TAIL) == HEAD + text + NULL_TAIL
    chunk = HEAD + b"c" + NULL_TAIL
    assert scanner.passes(chunk, 0, len(chunk))
    last = HEAD + b"d" + USAGE_TAIL
    assert not scanner.passes(last, 0, len(last))
    assert b"usage" not in scanner.feed(last)
    assert scanner.usage is not None


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
