"""What the router can be told, all by environment: `ROUNDHOUSE_ROUTER_<NAME>`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict
from redis.asyncio.connection import parse_url

from roundhouse_common.service import ServiceSettings
from roundhouse_router.domain.limits import RedisLostMode, UnheardMode, UnpricedMode
from roundhouse_router.domain.redaction import read_patterns

__all__ = ["RouterSettings"]

_MIB = 1024 * 1024


class RouterSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="ROUNDHOUSE_ROUTER_")

    port: int = Field(default=8800, ge=0, le=65535)

    workers: int = Field(default=1, ge=1, le=64)
    """Processes that serve the port together, one per core at most. Above 1 a parent keeps them running."""
    worker: int = Field(default=0, ge=0)
    """Which of the workers this process is. Their parent sets it."""
    workers_dir: Path | None = None
    """Where the workers find each other. Their parent sets it."""

    compiled: Literal["auto", "off", "required"] = "auto"
    """Whether the compiled build of the hot path is used that `scripts/compile` makes: `auto` (where there is one that
    fits these sources and this Python), `off`, or `required` (the router does not start without)."""
    compiled_dir: Path | None = None
    """Where that build is. Empty: `_compiled` in the router's package."""

    max_body_bytes: int = Field(default=64 * _MIB, gt=0)
    """A larger request body is refused with 413."""
    upload_memory_bytes: int = Field(default=4 * _MIB, gt=0)
    """A form with images or sound up to this size is read whole before an engine is asked; larger ones pass through,
    and what is beyond is kept in a file until the answer is there."""
    max_response_bytes: int = Field(default=256 * _MIB, gt=0)
    """A larger answer that is not a stream is given up with 502."""

    ready_wait_s: float = Field(default=2.0, ge=0)
    """How long a request waits for a ready replica before it is refused with 503. A deployment that may sleep has a
    longer time of its own, its `wake_timeout_s`."""
    held_most: int = Field(default=1000, ge=1)
    """Requests that wait for one deployment at once; further ones are refused with 503."""
    wake_comment_after_s: float = Field(default=2.0, ge=0)
    """A client that streams and has waited this long for a model to wake gets its headers and a comment line."""
    wake_comment_every_s: float = Field(default=5.0, gt=0)
    """How often it gets another one."""
    keep_alive_comment_s: float = Field(default=15.0, ge=0)
    """A client that streams gets a comment line this often while the engine reads its prompt; 0: never."""
    region: str = ""
    """Where this router stands: endpoints of the same region are preferred."""
    demand_interval_s: float = Field(default=2.0, gt=0, le=60)
    """How often the scheduler is told what there is to do."""
    secrets_key_file: Path | None = None
    """Keys that the catalog seals secrets of outside providers with, one in base64 per line, in a file of mode 600.
    Empty: providers that have keys cannot be used."""
    connect_timeout_s: float = Field(default=3.0, gt=0)
    """How long connecting to an engine may take."""
    first_byte_timeout_s: float = Field(default=600.0, gt=0)
    """How long an engine may be silent before the first byte of its answer: queueing and reading the prompt."""
    idle_timeout_s: float = Field(default=120.0, gt=0)
    """How long an engine may be silent between two chunks of a stream."""
    upstream_keep_alive_s: float = Field(default=4.0, gt=0)
    """How long an idle connection to an engine is kept; less than the engines' own limit (llama.cpp: 5 s)."""
    client_idle_timeout_s: float = Field(default=75.0, gt=0)
    """A client's connection without a request is closed after this."""
    client_head_timeout_s: float = Field(default=30.0, gt=0)
    """How long the headers of a request may take from their first byte; then 408."""
    client_body_timeout_s: float = Field(default=60.0, gt=0)
    """A request of whose body less than 1 KiB comes in this time is given up with 408."""
    client_stall_timeout_s: float = Field(default=60.0, gt=0)
    """A client that takes nothing of its answer for this long, up to twice this, is taken for gone."""
    drain_answer_s: float = Field(default=1.0, ge=0)
    """How long an engine may take to end a stream after its `[DONE]`, before its connection is given up."""

    max_attempts: int = Field(default=3, ge=1)
    """Upstream attempts per request, the first one included."""
    retry_share: float = Field(default=0.2, ge=0)
    """Retries at any moment, as a share of the requests in flight."""
    retries_at_least: int = Field(default=10, ge=0)
    """Retries that are allowed at any moment whatever the share says."""
    failure_rest_s: float = Field(default=2.0, ge=0)
    """How long an endpoint that failed is tried only after the others."""
    eject_failures: int = Field(default=5, ge=0)
    """Failures in a row that eject an endpoint; 0: none is ejected for that."""
    eject_base_s: float = Field(default=2.0, gt=0)
    """How long the first ejection lasts; each further one is twice as long."""
    eject_most_s: float = Field(default=300.0, gt=0)
    """The longest ejection."""
    eject_most_share: float = Field(default=0.5, ge=0, le=1)
    """The share of a deployment's endpoints that may be ejected at once. One at least always stays."""
    eject_panic_share: float = Field(default=0.5, ge=0, le=1)
    """When a smaller share of a deployment's endpoints is left that is not ejected, all are used."""
    eject_by_success_rate: bool = False
    """Whether endpoints are ejected that answer much less often than the others of their deployment."""
    prefix_entries: int = Field(default=65_536, ge=1)
    """Beginnings of prompts that are remembered for each deployment with prefix affinity, under 200 bytes each."""
    tenant_cache_salts: bool = True
    """Whether engines that more than one tenant may use are told to keep the tenants' prompts apart in their prefix
    caches (`cache_salt`, vLLM and SGLang), so that none can probe what another one asks."""
    state_interval_s: float = Field(default=0.5, gt=0, le=60)
    """How often the other routers are told how busy endpoints are and which are ejected."""

    redis_url: str = Field(default="", repr=False)
    """`redis://[user:password@]host:port/db`, or `rediss://` for TLS. Empty: limits are counted by each router for
    itself, and answers are kept in its memory."""
    redis_lost: RedisLostMode = RedisLostMode.LOCAL_SHARE
    """While Redis is lost: `local-share` (each router enforces its part of every limit), `open` (limits hold nobody) or
    `closed` (requests under a limit are refused)."""
    limit_redis_timeout_s: float = Field(default=0.1, gt=0)
    """How long Redis may take to judge a request before it counts as lost."""
    limit_lease_s: float = Field(default=15.0, ge=1)
    """How long requests in flight on a router that died count as concurrent."""
    unpriced: UnpricedMode = UnpricedMode.REFUSE
    """Requests under a hard budget of money for which there is no price: `refuse` (403), or `admit` (they take nothing
    from the budget, and a metric counts them)."""
    budgets_unheard: UnheardMode = UnheardMode.ADMIT
    """Requests on a router that has no snapshot and never heard which budgets there are: `admit` (they are counted in a
    metric, and charged once budgets are heard), or `refuse` (503)."""
    limit_output_estimate: int = Field(default=1000, ge=0)
    """Output tokens that are reserved for a request that does not say how many it wants at most."""
    cache_max_bytes: int = Field(default=256 * _MIB, ge=0)
    """Answers kept in this process for routes that have a cache; with Redis they are there instead."""
    cache_redis_timeout_s: float = Field(default=0.1, gt=0)
    """How long Redis may take for a kept answer or an Idempotency-Key, before the request goes on without it."""
    idempotency_ttl_s: float = Field(default=86_400.0, gt=0)
    """How long an Idempotency-Key stands for the answer that it got."""
    idempotency_max_bytes: int = Field(default=64 * _MIB, ge=0)
    """Answers kept for Idempotency-Keys in this process: all of them, or with Redis those of when it is away."""
    idempotency_max_answer_bytes: int = Field(default=8 * _MIB, ge=0)
    """A larger answer is not kept: its request is worked again when it is sent again."""
    coalesce_buffer_bytes: int = Field(default=1 * _MIB, gt=0)
    """How much of an answer that several clients share is held for those who join late or read slowly."""

    spool_sync_s: float = Field(default=0.1, gt=0)
    """How often usage is put on stable storage; only what is there is published."""
    spool_mapped: bool = True
    """Copy records into room of the disk that is reserved and mapped, on ext4, XFS and tmpfs. False, and on any other
    file system: hand each to the kernel by a write of its own, which costs 3 us more for a request."""
    spool_segment_bytes: int = Field(default=8 * _MIB, ge=64 * 1024)
    spool_segment_age_s: float = Field(default=3600.0, gt=0)
    spool_retain_s: float = Field(default=86_400.0, ge=0)
    """How long acknowledged usage is kept, to be published again after the bus lost it."""
    spool_retain_bytes: int = Field(default=1024 * _MIB, ge=0)
    """Acknowledged usage beyond this is deleted sooner. What is not acknowledged is never deleted."""
    publish_batch: int = Field(default=128, ge=1, le=1024)
    """Usage records after which a message is full; it may hold some more."""
    stream_check_s: float = Field(default=5.0, gt=0)
    """How often the router looks whether the usage stream was wiped."""
    snapshot_delay_s: float = Field(default=0.2, ge=0)
    """Changes of the routing table within this time are saved together."""

    snapshot_spent_s: float = Field(default=5.0, gt=0)
    """How often what was spent of budgets is saved, where no Redis has it."""

    request_log: Literal["off", "metadata", "bodies"] = "off"
    """Whether each admitted request is written to `requests/*.jsonl` in the state directory: `metadata` (ids, times,
    tokens, outcome), or also the `bodies` of request and answer, redacted."""
    request_log_body_characters: int = Field(default=16_384, ge=256, le=262_144)
    """How much is written of a request, and of an answer."""
    request_log_patterns_file: Path | None = None
    """More that is taken out of what is written: a name, a space and a regular expression per line."""
    request_log_file_bytes: int = Field(default=64 * _MIB, ge=64 * 1024)
    """A larger file of the request log is followed by a new one."""
    request_log_keep_files: int = Field(default=16, ge=1)
    """Files of the request log that are kept; the oldest are deleted."""
    request_log_keep_s: float = Field(default=7 * 86_400.0, gt=0)
    """How long a file of the request log is kept."""

    tenant_log_bytes: int = Field(default=1024 * _MIB, ge=1 * _MIB)
    """The most that is kept here of the request log of one tenant that has chosen to have one; the oldest goes."""
    request_log_spare_bytes: int = Field(default=1024 * _MIB, ge=0)
    """Tenants' request logs are not written while less than this is free on the disk."""

    @field_validator("request_log_patterns_file")
    @classmethod
    def _has_patterns(cls, path: Path | None) -> Path | None:
        """Refuse a file that cannot be used: what it should take out would be written."""
        try:
            if path is not None:
                read_patterns(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"cannot read {path}: {error.strerror}") from None
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        return path

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: str) -> str:
        """Refuse what redis-py would refuse later, without repeating a password."""
        try:
            if url:
                parse_url(url)
        except ValueError:
            raise ValueError("want redis://HOST:PORT/DB, with rediss:// for TLS, or unix://PATH") from None
        return url
