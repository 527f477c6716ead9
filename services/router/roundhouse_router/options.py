"""What the parts of the router may be told, out of its settings."""

from collections.abc import Callable

from roundhouse_common.secret_box import SecretBoxFault, SecretFile
from roundhouse_router.domain.cache_salts import CacheSalts
from roundhouse_router.domain.choosing.chooser import ChoosingOptions
from roundhouse_router.domain.health import HealthOptions
from roundhouse_router.reuse.assembly import ReuseLimits
from roundhouse_router.settings import RouterSettings
from roundhouse_router.store.spool import SpoolLimits
from roundhouse_router.wire.limits import WireLimits

__all__ = ["cache_salts_of", "choosing_of", "limits_of", "reuse_limits_of", "wire_limits_of"]


def wire_limits_of(settings: RouterSettings) -> WireLimits:
    """Return how large and how slow clients may be, as the settings have it."""
    return WireLimits(
        idle_s=settings.client_idle_timeout_s,
        head_s=settings.client_head_timeout_s,
        body_s=settings.client_body_timeout_s,
        stall_s=settings.client_stall_timeout_s,
    )


def limits_of(settings: RouterSettings) -> SpoolLimits:
    """Return the spool's bounds as the settings have them."""
    return SpoolLimits(
        is_mapped=None if settings.spool_mapped else False,
        segment_bytes=settings.spool_segment_bytes,
        segment_age_s=settings.spool_segment_age_s,
        retain_s=settings.spool_retain_s,
        retain_bytes=settings.spool_retain_bytes,
    )


def choosing_of(settings: RouterSettings) -> ChoosingOptions:
    """Return how endpoints are chosen and judged, as the settings have it."""
    return ChoosingOptions(
        region=settings.region,
        prefix_entries=settings.prefix_entries,
        health=HealthOptions(
            rest_s=settings.failure_rest_s,
            consecutive_failures=settings.eject_failures,
            base_ejection_s=settings.eject_base_s,
            max_ejection_s=settings.eject_most_s,
            max_ejected_share=settings.eject_most_share,
            panic_share=settings.eject_panic_share,
            is_success_rate_judged=settings.eject_by_success_rate,
        ),
    )


def cache_salts_of(
    settings: RouterSettings, sealing: SecretFile, random_bytes: Callable[[int], bytes]
) -> CacheSalts | None:
    """Return what keeps tenants apart in engines' caches; None where that is not wanted.

    Without a file of keys that can be read the salts are this process's own: as good at keeping apart, but what other
    routers had cached, and this one before, is not found again.
    """
    if not settings.tenant_cache_salts:
        return None
    try:
        return CacheSalts(sealing.box().derived(b"roundhouse cache salts v1"))
    except SecretBoxFault:
        return CacheSalts(random_bytes(32))


def reuse_limits_of(settings: RouterSettings) -> ReuseLimits:
    """Return how much may be kept of answers, as the settings have it."""
    return ReuseLimits(
        cache_max_bytes=settings.cache_max_bytes,
        idempotency_ttl_s=settings.idempotency_ttl_s,
        idempotency_max_bytes=settings.idempotency_max_bytes,
        coalesce_buffer_bytes=settings.coalesce_buffer_bytes,
        redis_timeout_s=settings.cache_redis_timeout_s,
    )
