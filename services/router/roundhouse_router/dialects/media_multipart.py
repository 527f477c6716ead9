"""Reads a form (multipart/form-data, RFC 7578) while it passes: small fields, sizes of files, where `model` stands.

The bytes themselves go on as they came. What two readers could understand differently is refused, because the engine
reads the form again: a name twice that decides something, bare line feeds, parts without a name.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from roundhouse_router.domain.errors import BadBody

__all__ = ["FilePart", "FormReader", "boundary_of", "quoted"]

KEPT_FIELDS: Final = frozenset({"input", "model", "n", "response_format", "stream", "user"})
"""Fields whose values are kept. Each may come once."""
MAX_PARTS: Final = 256
MAX_HEADER_BYTES: Final = 8 * 1024
MAX_VALUE_BYTES: Final = 4 * 1024
HEAD_BYTES: Final = 4 * 1024
"""Of each file, for reading its format."""

_BOUNDARY: Final = re.compile(
    rb"""multipart/form-data\s*;.*?\bboundary=(?:"([^"\r\n]{1,70})"|([^\s;,"]{1,70}))""", re.I
)
_TOKEN: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NAME: Final = re.compile(rb""";\s*name\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))""", re.I)
_FILENAME: Final = re.compile(rb""";\s*filename\*?\s*=""", re.I)
_PIECE_BYTES: Final = 64 * 1024
"""Each part costs a copy of what is behind it, so that is kept short."""
_PADDING: Final = b" \t"


def boundary_of(content_type: bytes) -> bytes:
    """Return the boundary that a form's header names. Raises BadBody."""
    found = _BOUNDARY.match(content_type.strip())
    if found is None:
        raise _bad("The content-type must be multipart/form-data and name a boundary.")
    return found[1] or found[2]


def quoted(boundary: bytes) -> bytes:
    """Return a boundary as a header has it."""
    return boundary if _TOKEN.fullmatch(boundary) else b'"%b"' % boundary


@dataclass(slots=True)
class FilePart:
    """A file in the form."""

    name: str
    size: int = 0
    head: bytes = b""
    """Its first bytes."""


class FormReader:
    """`feed` every chunk, then `finish`. Holds at most a header, a field and the head of each file.

    `fields` has the values of `KEPT_FIELDS` that have ended; `model_span` where the model's value stands in the body.
    """

    def __init__(self, boundary: bytes, *, is_digested: bool = False) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._held = b"\r\n"  # so that the first delimiter looks like all others
        self._offset = -2
        """Of the first held byte in the body."""
        self._state = self._preamble
        self._name = ""
        self._file: FilePart | None = None
        self._value: bytearray | None = None
        self._value_at = 0
        self._parts = 0
        self._digest = hashlib.sha256() if is_digested else None
        self.fields: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        """Bytes of the fields that are no files."""
        self.files: list[FilePart] = []
        self.model_span: tuple[int, int] | None = None
        self.is_ended = False

    def feed(self, chunk: bytes) -> None:
        """Read on. Raises BadBody."""
        for at in range(0, len(chunk), _PIECE_BYTES):
            if self.is_ended:
                return  # an epilogue means nothing
            self._held += chunk[at : at + _PIECE_BYTES]
            while not self.is_ended and self._state():
                pass

    def finish(self) -> None:
        """The body has ended. Raises BadBody unless the form has."""
        if not self.is_ended:
            raise _bad("The form breaks off: its closing boundary is missing.")

    def digest(self) -> bytes:
        """Return a digest of the parts that does not depend on the boundary."""
        assert self._digest is not None
        return self._digest.digest()

    # States. Each returns whether it got on, and leaves what it cannot use yet in `_held`.

    def _preamble(self) -> bool:
        if len(self._held) < len(self._delimiter):
            if not self._delimiter.startswith(self._held):
                raise _bad("The form does not begin with its boundary.")
            return False
        if not self._held.startswith(self._delimiter):
            raise _bad("The form does not begin with its boundary.")
        self._drop(len(self._delimiter))
        self._state = self._after_delimiter
        return True

    def _after_delimiter(self) -> bool:
        line = self._held.lstrip(_PADDING)
        if len(self._held) - len(line) > 70:
            raise _bad("There is too much behind a boundary.")
        if len(line) < 2:
            return False
        if self._held.startswith(b"--"):
            self.is_ended = True
            self._held = b""
            return False
        if not line.startswith(b"\r\n"):
            raise _bad("A boundary is not followed by a line's end.")
        self._drop(len(self._held) - len(line) + 2)
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _bad(f"The form has more than {MAX_PARTS} parts.")
        self._state = self._headers
        return True

    def _headers(self) -> bool:
        end = self._held.find(b"\r\n\r\n")
        if end > MAX_HEADER_BYTES or (end < 0 and len(self._held) > MAX_HEADER_BYTES):
            raise _bad(f"The headers of a part are larger than {MAX_HEADER_BYTES} bytes.")
        if end < 0:
            return False
        self._begin(self._held[:end])
        self._drop(end + 4)
        self._value_at = self._offset
        self._state = self._content
        return True

    def _content(self) -> bool:
        at = self._held.find(self._delimiter)
        if at >= 0:
            self._take(self._held[:at])
            self._end(self._offset + at)
            self._drop(at + len(self._delimiter))
            self._state = self._after_delimiter
            return True
        certain = len(self._held) - len(self._delimiter) + 1
        if certain > 0:
            self._take(self._held[:certain])
            self._drop(certain)
        return False

    def _begin(self, headers: bytes) -> None:
        lines = headers.split(b"\r\n")
        if any(b"\n" in line or b"\r" in line or b"\0" in line for line in lines):
            raise _bad("The headers of a part have a bare line's end or a null byte.")
        said = [line for line in lines if line.lower().startswith(b"content-disposition:")]
        found = _NAME.findall(said[0]) if len(said) == 1 else []
        if len(found) != 1:
            raise _bad("A part needs exactly one Content-Disposition with one name.")
        raw = found[0][1] or re.sub(rb"\\(.)", rb"\1", found[0][0])
        try:
            self._name = raw.decode()
        except UnicodeDecodeError:
            raise _bad("The name of a part is not UTF-8.") from None
        is_file = _FILENAME.search(said[0]) is not None
        if self._name in KEPT_FIELDS and (is_file or self._name in self.sizes):
            raise _bad(f"`{self._name}` must be a field of its own, once.", param=self._name)
        self._file = FilePart(self._name) if is_file else None
        if self._file is not None:
            self.files.append(self._file)
        else:
            self.sizes.setdefault(self._name, 0)
        self._value = bytearray() if self._name in KEPT_FIELDS else None
        if self._digest is not None:
            self._digest.update(b"%d:%d:" % (is_file, len(raw)) + raw)

    def _take(self, data: bytes) -> None:
        if self._digest is not None:
            self._digest.update(data)
        if self._file is not None:
            self._file.size += len(data)
            if len(self._file.head) < HEAD_BYTES:
                self._file.head += data[: HEAD_BYTES - len(self._file.head)]
            return
        self.sizes[self._name] += len(data)
        if self._value is not None:
            self._value += data
            if len(self._value) > MAX_VALUE_BYTES:
                raise _bad(f"`{self._name}` is longer than {MAX_VALUE_BYTES} bytes.", param=self._name)

    def _end(self, end: int) -> None:
        if self._digest is not None:
            size = self._file.size if self._file is not None else self.sizes[self._name]
            self._digest.update(b":%d;" % size)
        if self._value is None:
            return
        try:
            self.fields[self._name] = self._value.decode()
        except UnicodeDecodeError:
            raise _bad(f"`{self._name}` is not UTF-8.", param=self._name) from None
        if self._name == "model":
            self.model_span = (self._value_at, end)

    def _drop(self, count: int) -> None:
        self._held = self._held[count:]
        self._offset += count


def _bad(message: str, *, param: str | None = None) -> BadBody:
    return BadBody(message, param=param, code="invalid_multipart")
