"""Forms and sounds for tests."""

import io
import wave

__all__ = ["FORM", "form", "wav"]

FORM = "multipart/form-data; boundary=edge"


def form(*parts: tuple[str, bytes] | tuple[str, bytes, str]) -> bytes:
    """Return a form of fields (name, value) and files (name, content, file name)."""
    body = b""
    for part in parts:
        disposition = f'form-data; name="{part[0]}"' + (f'; filename="{part[2]}"' if len(part) == 3 else "")
        body += b"--edge\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\n" + part[1] + b"\r\n"
    return body + b"--edge--\r\n"


def wav(milliseconds: int, *, rate: int = 8000) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(b"\0\0" * (rate * milliseconds // 1000))
    return buffer.getvalue()
