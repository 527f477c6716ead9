"""Every message that crosses a service boundary, and where it travels.

Messages are frozen msgspec structs (in modules named after their owner); `registry.py` says on
which subject, stream or bucket each one lives, who may write it and who reads it. The AsyncAPI document, the NATS
permissions and the stream configuration are generated from the registry.
"""
