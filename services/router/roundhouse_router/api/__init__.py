"""The HTTP edge: plain ASGI, bytes in and bytes out."""
