"""What an upload may announce, where a body begins, and what a file's first bytes say."""

import pytest

from roundhouse_catalog.domain.uploads import (
    Upload,
    UploadFile,
    UploadFileDraft,
    create_upload,
    header_fault,
    range_start,
)
from roundhouse_common.errors import InvalidInput
from tests.unit.catalog.builders import NOW

FILE = UploadFile(number=1, path="m.gguf", size=100, sha256="a" * 64)


def made(*files: tuple[str, int, str]) -> Upload:
    drafts = [UploadFileDraft(path=path, size=size, sha256=sha256) for path, size, sha256 in files]
    return create_upload(
        drafts, upload_id="upl_1", tenant_id="ten_1", read_token="t", by="user:a", now=NOW, most_bytes=1000
    )


def refused(*files: tuple[str, int, str]) -> dict[str, str]:
    with pytest.raises(InvalidInput) as error:
        made(*files)
    return {fault.field: fault.message for fault in error.value.fields}


def test_files_are_numbered_and_counted() -> None:
    upload = made(("a/b.gguf", 3, "a" * 64), ("c", 0, "b" * 64))
    assert [(file.number, file.path) for file in upload.files] == [(1, "a/b.gguf"), (2, "c")]
    assert (upload.total_bytes, upload.is_complete) == (3, False)
    assert upload.file("c") is upload.files[1]
    assert upload.file("d") is None


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "..", "a/../b", "./a", "a//b", "a/", "a\\b", "a\nb", " a", "a /b", "x" * 513, "é" * 128],
)
def test_a_path_stays_inside_the_model(path: str) -> None:
    assert list(refused((path, 1, "a" * 64))) == ["files.0.path"]


def test_every_fault_is_told_with_the_file_s_number() -> None:
    found = refused(("a", 1, "a" * 64), ("a", -1, "A" * 64), ("b", 1001, "x"))
    assert set(found) == {"files.1.path", "files.1.size", "files.1.sha256", "files.2.size", "files.2.sha256"}
    assert found["files.1.path"] == '"a" found twice'


def test_a_file_cannot_be_a_folder_too() -> None:
    found = refused(("a", 1, "a" * 64), ("a/b", 1, "a" * 64))
    assert "is a folder of another file" in found["files.0.path"]


def test_an_upload_has_limits() -> None:
    assert refused() == {"files": "0 files found; 1 to 1000 are allowed"}
    assert "1001 files found" in refused(*((f"f{number}", 0, "a" * 64) for number in range(1001)))["files"]
    assert refused(("a", 600, "a" * 64), ("b", 600, "a" * 64)) == {"files": "1200 bytes in all found; 1000 are allowed"}


@pytest.mark.parametrize(
    ("header", "start"),
    [(None, 0), ("bytes 0-99/100", 0), ("bytes 40-99/100", 40), ("bytes 40-49/*", 40), ("bytes */100", 40)],
)
def test_a_body_begins_where_its_range_says(header: str | None, start: int) -> None:
    assert range_start(header, FILE, stored=40) == start


@pytest.mark.parametrize(
    "header", ["", "40-99/100", "bytes=40-99", "bytes 40-100/100", "bytes 40-99/101", "bytes 60-50/100", "bytes -5/100"]
)
def test_a_range_that_means_nothing_here_is_refused(header: str) -> None:
    assert isinstance(range_start(header, FILE, stored=40), str)


@pytest.mark.parametrize(
    ("path", "head", "size", "is_fine"),
    [
        ("m.gguf", b"GGUF\x03", 100, True),
        ("m.gguf", b"GGML", 100, False),
        ("m.gguf", b"", 0, False),
        ("a/m.safetensors", (40).to_bytes(8, "little") + b'{"a"', 100, True),
        ("m.safetensors", (93).to_bytes(8, "little") + b"{", 100, False),
        ("m.safetensors", (40).to_bytes(8, "little") + b"[", 100, False),
        ("m.safetensors", b"<html>", 100, False),
        ("config.json", b"", 0, True),
    ],
)
def test_a_file_begins_as_its_name_says(path: str, head: bytes, size: int, is_fine: bool) -> None:
    assert (header_fault(path, head, size) is None) is is_fine
