"""Reads a stream of server-sent events as it passes, and changes it only where it must.

The common chunk passes untouched: one that differs from an earlier one by its text alone after a look at the text, any
other after three substring searches. Lines are looked at singly only when they hold
usage, when a member that the router asked for must be taken out again, or when the engine answers under another
model name. Chunk boundaries mean nothing: every decision is made on whole lines. Engines of which it is not known that
they put usage where OpenAI has it are corrected; that costs whole lines, and nothing per line without usage.
"""

import re
from typing import Final

import msgspec

from roundhouse_router.domain.chunk_frame import CONTENT, ChunkFrame
from roundhouse_router.domain.engines import Running
from roundhouse_router.domain.errors import UpstreamFailed
from roundhouse_router.domain.tokens import TokenCounts
from roundhouse_router.domain.usage_lines import UsageLine, alone, read_usage, without_usage

__all__ = ["MAX_LINE_BYTES", "StreamScanner"]

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""A longer line of an engine ends the stream: something must bound what is held."""

_DONE: Final = re.compile(rb"^data: ?\[DONE\]", re.MULTILINE)
_ERROR: Final = re.compile(rb'^(?:data: ?\{\s*"error"\s*:\s*(?!null)\S|error: ?\{)', re.MULTILINE)
_MODEL: Final = re.compile(rb'"model"\s*:\s*("(?:[^"\\]|\\.)*")')
_TEXT: Final = re.compile(rb'"(?:content|reasoning_content|reasoning|text|arguments)"\s*:\s*"[^"]')

_USAGE: Final = b'"usage"'
_NO_CONTENT: Final = b'"content":""'


class StreamScanner:
    """One stream. `feed` every chunk and send what it returns; `finish` at the end.

    `strip_usage` takes usage out; `moves_usage` puts it into a chunk of its own where the engine has it in the last
    chunk of text. `running` says how the engine reports figures on the way, and `strip_running` takes them out of the
    chunks that carry text.
    """

    def __init__(
        self,
        *,
        requested: str,
        strip_usage: bool,
        running: Running | None,
        strip_running: bool,
        moves_usage: bool = False,
    ) -> None:
        self._requested = requested
        self._strip_usage = strip_usage
        self._moves_usage = moves_usage and not strip_usage
        self._owed = b""
        """Usage that was taken out of the last chunk of text and is sent before the end."""
        self._is_open = False
        """While something is owed: no blank line has ended the last event."""
        self._running = running
        self._strip_running = strip_running and running is not None
        self._rename: bytes | None = None
        self._is_model_known = False
        self._is_plain = False
        """Lines without usage go out as they came."""
        self._holds = True
        """Only whole lines go out. Ends when the model's name is known and nothing is to be changed."""
        self._frame = ChunkFrame()
        self._tail = b""
        self._drops_blank = False
        self._last_running = b""
        self._read: tuple[bytes, UsageLine | None] = b"", None
        """The last line with usage, and what it says."""
        self._texts = 0
        self.usage: TokenCounts | None = None
        """The engine's final figures, once seen."""
        self.is_done = False
        """`data: [DONE]` was seen, possibly in the bytes that `feed` just returned."""
        self.has_error = False
        """The engine reported an error inside the stream."""

    def feed(self, chunk: bytes) -> bytes:
        """Return what may go to the client now. Raises UpstreamFailed for a line without an end."""
        if self.passes(chunk, 0, len(chunk)) or (self._is_at_ease() and self._holds_text_only(chunk)):
            return chunk
        data = self._tail + chunk if self._tail else chunk
        cut = data.rfind(b"\n") + 1
        lines, self._tail = (data, b"") if cut == len(data) else (data[:cut], data[cut:])
        if len(self._tail) > MAX_LINE_BYTES:
            raise UpstreamFailed(f"The engine sent a line of more than {MAX_LINE_BYTES} bytes.")
        if lines:
            self._observe(lines)
        if b"[DONE]" in data and not self.is_done:
            self.is_done = _DONE.search(data) is not None
        if not self._holds:
            return chunk
        if self._is_model_known and not self._changes_lines:
            self._holds = False
            return data
        return self._rewritten(lines)

    def passes(self, data: bytes, begin: int, end: int) -> bool:
        """Whether `data[begin:end]` goes out as it is, which counts as fed then; if not, `feed` it."""
        if self._is_at_ease() and self._frame.fits(data, begin, end):
            self._texts += 1
            return True
        return False

    def _is_at_ease(self) -> bool:
        """Whether whole lines without usage go out as they come."""
        return self._is_plain and not (self._tail or self._drops_blank or self._owed)

    def _holds_text_only(self, chunk: bytes) -> bool:
        """Whether these are whole lines that hold nothing but text, which is counted then."""
        if not chunk.endswith(b"\n"):
            return False
        if chunk.find(b"error") >= 0 or chunk.find(b"[DONE]") >= 0 or _says_usage(chunk):
            return False
        self._count(chunk)
        if self._running is None:  # else the figures on the way are looked for in every chunk
            self._frame.learn(chunk)
        return True

    def finish(self) -> bytes:
        """Return what is still held: a last line without an end, and usage that is owed."""
        tail, self._tail = self._tail, b""
        if tail:
            self._observe(tail)
            self.is_done = self.is_done or _DONE.search(tail) is not None
        last = self._rewritten(tail) if tail and self._holds else b""
        if not self._owed:
            return last
        owed, self._owed = self._owed, b""
        return last + (b"\n\n" if self._is_open else b"") + owed

    def so_far(self) -> TokenCounts | None:
        """Return the tokens used until now, for a stream that ends early; None when nothing was produced."""
        if self.usage is not None:
            return self.usage
        if self._running is not None and self._last_running:
            return self._running.read(self._last_running)
        return TokenCounts(output_tokens=self._texts) if self._texts else None

    @property
    def _changes_lines(self) -> bool:
        return bool(self._strip_usage or self._strip_running or self._rename or self._moves_usage)

    def _observe(self, lines: bytes) -> None:
        if not self._is_model_known:
            self._learn_model(lines)
        if lines.find(_USAGE) >= 0:
            for line in lines.split(b"\n"):
                if _USAGE in line and (found := read_usage(line)) is not None:
                    self.usage = found.counts
                    self._read = line, found
        self._count(lines)
        if lines.find(b"error") >= 0 and _ERROR.search(lines):
            self.has_error = True

    def _count(self, lines: bytes) -> None:
        """Keep the running figures, or count the chunks of text where there are none."""
        if self._running is not None and self._running.marker in lines:
            self._last_running = lines
        elif not self._last_running:
            texts = lines.count(CONTENT) - lines.count(_NO_CONTENT)
            self._texts += texts if texts > 0 else len(_TEXT.findall(lines))

    def _learn_model(self, lines: bytes) -> None:
        found = _MODEL.search(lines)
        if found is None:
            return
        try:
            name = msgspec.json.decode(found[1])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        self._is_model_known = True
        self._is_plain = name == self._requested and not self._strip_running
        if name != self._requested:
            self._rename = found[0]

    def _rewritten(self, lines: bytes) -> bytes:
        has_usage = (self._strip_usage or self._moves_usage) and _USAGE in lines
        if not has_usage and not self._drops_blank:
            return self._edited(self._paid(lines))
        kept: list[bytes] = []
        for line in lines.splitlines(keepends=True):
            sent = self._without_usage(line) if has_usage and _USAGE in line else line
            if not sent:
                self._drops_blank = True
            elif self._drops_blank and not line.strip():
                self._drops_blank = False
            else:
                self._drops_blank = False
                kept.append(sent)
        return self._edited(self._paid(b"".join(kept)))

    def _without_usage(self, line: bytes) -> bytes:
        """Return the line as it is sent; empty: it is taken out."""
        known, found = self._read
        if line.rstrip(b"\r\n") != known.rstrip(b"\r\n"):  # not the one that was just observed
            found = read_usage(line)
        if found is None:
            return line
        if self._strip_usage:
            return b"" if found.is_alone else without_usage(line, self._requested)
        if found.is_alone:
            self._owed = b""
        elif found.is_last:
            self._owed = alone(line, self._requested)
            return without_usage(line, self._requested)
        return line

    def _paid(self, lines: bytes) -> bytes:
        """Return the lines with what is owed before the end of the stream."""
        if not self._owed or not lines:
            return lines
        end = _DONE.search(lines) if self.is_done else None
        if end is None:
            self._is_open = not lines.endswith((b"\n\n", b"\r\n\r\n"))
            return lines
        owed, self._owed = self._owed, b""
        return lines[: end.start()] + owed + lines[end.start() :]

    def _edited(self, lines: bytes) -> bytes:
        if self._strip_running and self._running is not None and self._running.marker in lines:
            lines = b"".join(
                self._running.remove(line) if b'"finish_reason":null' in line else line
                for line in lines.splitlines(keepends=True)
            )
        if self._rename is not None:
            lines = lines.replace(self._rename, b'"model":' + msgspec.json.encode(self._requested))
        return lines


def _says_usage(chunk: bytes) -> bool:
    """Whether a member `usage` says something: of some engines every chunk has one, which is null until the last."""
    at = chunk.find(_USAGE)
    while at >= 0:
        at += len(_USAGE)
        if not chunk.startswith(b":null", at):
            return True
        at = chunk.find(_USAGE, at)
    return False
