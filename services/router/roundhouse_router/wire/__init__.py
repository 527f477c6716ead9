"""The data plane: HTTP/1.1 on both sides, as asyncio protocols on httptools. It knows no model, key or limit.

`server` receives requests and makes each an `Exchange`; `client` keeps the connections to engines and providers; `asgi`
serves an ASGI application in the same listener. What clients send is checked here and nowhere else: framing, sizes,
how slow they may be.
"""
