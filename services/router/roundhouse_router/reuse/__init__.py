"""Answers that are given again: the response cache, equal requests in flight, and `Idempotency-Key` (docs/reuse.md).

The pipeline with all three, `reuse` being a `Reuse` and `order` the cache's:

    begun = None
    if (given := exchange.headers.get(IDEMPOTENCY_HEADER)) is not None:
        wanted = idempotent_request(given, tenant_id=key.tenant_id, key_id=key.key_id, path=path, body=body)
        begun = await reuse.idempotency.begin(wanted)           # 409, 422
        if isinstance(begun, Kept):
            return await replay(exchange, begun, [*headers, REPLAYED])          # record: Reuse.REPLAYED
    try:
        order = cache_order(route.cache, operation, exchange.headers.get(b"cache-control"))   # None: off
        if order is not None or route.is_coalesced:
            reuse_id = reuse_key(key.tenant_id, route_id=route.route_id, serving=..., api=..., request=request)
        if order is not None:
            hit = await reuse.cache.find(reuse_id, order)
            headers += reuse.cache.headers(order, hit)
            if hit is not None:
                return await replay(exchange, hit, headers)                     # record: Reuse.CACHED, hit.counts
        grant = await limiter.admit(...)
        sink = exchange
        if begun is not None or (order is not None and order.is_kept):
            sink = Recorder(exchange, max_bytes=...)
        await relay(flight, sink)                               # or coalescing.Seat.relay, see there
        kept = sink.kept(clock.now(), counts=flight.counts) if it_completed else None
        if order is not None and order.is_kept:
            reuse.cache.keep(reuse_id, kept, route.cache)
        if begun is not None:
            begun.finish(kept)
    finally:
        if begun is not None:
            begun.finish(None)                                  # frees the key unless it was bound above
"""
