"""Reading a form while it passes."""

import io
import wave
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundhouse_router.api.media_course import MediaAsked
from roundhouse_router.dialects.media import MEDIA, form_splice, is_form, read_form, read_json, with_model
from roundhouse_router.dialects.media_multipart import FormReader, boundary_of
from roundhouse_router.domain.errors import BadBody

pytestmark = pytest.mark.contract("D11")

EDGE = b"edge"
TRANSCRIPTIONS = MEDIA["/v1/audio/transcriptions"]


def field(name: str, value: bytes) -> bytes:
    return b'--edge\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), value)


def file(content: bytes, name: str = "file", filename: str = "a.wav") -> bytes:
    head = f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: audio/wav'
    return head.encode() + b"\r\n\r\n" + content + b"\r\n"


END = b"--edge--\r\n"


def read(body: bytes, *sizes: int, boundary: bytes = EDGE) -> FormReader:
    """Read a body in pieces of these sizes, the rest at once."""
    form, at = FormReader(boundary, is_digested=True), 0
    for size in sizes:
        form.feed(body[at : at + size])
        at += size
    form.feed(body[at:])
    form.finish()
    return form


def wav(milliseconds: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * (8 * milliseconds))
    return buffer.getvalue()


@pytest.mark.parametrize("is_file_first", [False, True])
def test_the_model_is_found_before_and_behind_the_file(is_file_first: bool) -> None:
    parts = [field("model", b"whisper"), file(wav(1500))]
    form = read(b"".join(reversed(parts) if is_file_first else parts) + field("stream", b"true") + END)
    request = read_form(TRANSCRIPTIONS, form)
    assert (request.model, request.is_stream, request.audio_ms) == ("whisper", True, 1500)


@given(st.lists(st.integers(1, 40), max_size=60), st.binary(max_size=300))
def test_pieces_of_any_size_read_the_same(sizes: list[int], content: bytes) -> None:
    if b"\r\n--edge" in b"\r\n" + content:
        return
    body = file(content) + field("model", "modèle".encode()) + field("prompt", b"--edge" * 5) + END
    whole, pieces = read(body), read(body, *sizes)
    for form in (whole, pieces):
        assert form.fields == {"model": "modèle"}
        assert form.sizes == {"model": 7, "prompt": 30}
        assert [(part.name, part.size, part.head) for part in form.files] == [("file", len(content), content)]
        assert form.model_span is not None
        start, end = form.model_span
        assert body[start:end] == "modèle".encode()
    assert whole.digest() == pieces.digest()


def test_the_models_name_is_replaced_where_it_stands() -> None:
    body = file(b"model") + field("model", b"alias") + END
    start, end, name = form_splice(read(body), "the-engines-name")
    replaced = read(body[:start] + name + body[end:])
    assert replaced.fields["model"] == "the-engines-name"
    assert replaced.files[0].size == 5


def test_the_digest_knows_the_parts_and_not_the_boundary() -> None:
    body = field("model", b"m") + file(b"sound") + END
    other = body.replace(b"edge", b"other-edge")
    assert read(body).digest() == read(other, boundary=b"other-edge").digest()
    changed = (
        field("model", b"m") + file(b"noise") + END,
        field("model", b"n") + file(b"sound") + END,
        file(b"sound") + field("model", b"m") + END,
        field("model", b"m") + field("file", b"sound") + END,
    )
    assert len({read(each).digest() for each in (body, *changed)}) == 5


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "closing boundary"),
        (b"hello", "begin with its boundary"),
        (b"\r\n--wrong\r\n", "begin with its boundary"),
        (field("model", b"m"), "closing boundary"),
        (field("model", b"m")[:-2] + b"\n--edge--\r\n", "closing boundary"),
        (b"--edgy" + field("model", b"m")[6:] + END, "begin with its boundary"),
        (field("model", b"m") + b"--edgeX\r\n" + END, "line's end"),
        (b"--edge\r\nContent-Type: text/plain\r\n\r\nx\r\n" + END, "Content-Disposition"),
        (b"--edge\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END, "Content-Disposition"),
        (b'--edge\r\nContent-Disposition: form-data; name="a"; name="b"\r\n\r\nx\r\n' + END, "one name"),
        (b'--edge\r\nContent-Disposition: form-data;\n name="model"\r\n\r\nx\r\n' + END, "bare line"),
        (b"--edge\r\n" + b"x" * 9000 + b"\r\n\r\n" + END, "larger than 8192"),
        (field("model", b"a") + field("model", b"b") + END, "once"),
        (file(b"x", name="model") + END, "once"),
        (field("model", b"x" * 5000) + END, "longer than 4096"),
        (field("model", b"\xff") + END, "UTF-8"),
        (field("x", b"") * 300 + END, "more than 256 parts"),
    ],
)
def test_a_malformed_form_is_refused_in_words(body: bytes, words: str) -> None:
    with pytest.raises(BadBody, match=words):
        read(body)
    with pytest.raises(BadBody, match=words):
        read(body, *([1] * len(body)))


@given(st.binary(max_size=400), st.lists(st.integers(1, 30), max_size=20))
def test_anything_is_read_or_refused(data: bytes, sizes: list[int]) -> None:
    form = None
    with suppress(BadBody):
        form = read(b"--edge\r\n" + data, *sizes)
    assert form is None or form.is_ended


def test_memory_is_bounded_by_a_piece() -> None:
    form = FormReader(EDGE)
    form.feed(file(b"")[:-2])
    for _ in range(100):
        form.feed(b"x" * 100_000)
        assert len(form._held) < 70_000
    assert form.files[0].size > 9_900_000
    assert len(form.files[0].head) == 4096


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        (b"multipart/form-data; boundary=abc", b"abc"),
        (b'Multipart/Form-Data; charset=utf-8; boundary="a b"', b"a b"),
        (b"multipart/form-data;boundary=----WebKitFormBoundary7MA4", b"----WebKitFormBoundary7MA4"),
    ],
)
def test_boundaries(header: bytes, boundary: bytes) -> None:
    assert boundary_of(header) == boundary


@pytest.mark.parametrize(
    "header", [b"multipart/form-data", b"multipart/form-data; boundary=", b"application/json", b""]
)
def test_without_a_boundary_there_is_no_form(header: bytes) -> None:
    with pytest.raises(BadBody, match="boundary"):
        boundary_of(header)


def test_a_form_without_a_model_is_refused() -> None:
    with pytest.raises(BadBody) as refused:
        read_form(TRANSCRIPTIONS, read(file(b"x") + END))
    assert refused.value.error_code == "missing_required_parameter"


def test_which_kinds_of_body_an_interface_takes() -> None:
    assert is_form(TRANSCRIPTIONS, b"multipart/form-data; boundary=x")
    assert is_form(MEDIA["/v1/images/edits"], b"multipart/form-data; boundary=x")
    assert not is_form(MEDIA["/v1/images/edits"], b"application/json")
    assert not is_form(MEDIA["/v1/audio/speech"], b"")
    with pytest.raises(BadBody, match="multipart/form-data, not 'application/json'"):
        is_form(TRANSCRIPTIONS, b"application/json")
    with pytest.raises(BadBody, match="application/json, not"):
        is_form(MEDIA["/v1/audio/speech"], b"multipart/form-data; boundary=x")


def test_what_is_read_of_json_bodies() -> None:
    speech = read_json(MEDIA["/v1/audio/speech"], b'{"model":"tts","input":"\\u00e4bc","stream_format":"sse"}')
    assert (speech.model, speech.input_characters, speech.is_stream) == ("tts", 3, True)
    image = read_json(MEDIA["/v1/images/generations"], b'{"model":"sd","prompt":"x","n":3,"stream":false}')
    assert (image.images, image.is_stream) == (3, False)
    assert MediaAsked(image).choices == 3, "budgets reserve so many"
    assert with_model(b'{"prompt": "x", "model":"a"}', "b") == b'{"prompt":"x","model":"b"}'
