"""What the router publishes: one record per admitted request."""

from typing import Final

from roundhouse_common.contracts.base import Message, OpenEnum

__all__ = [
    "INPUT_CLASSES",
    "OUTPUT_CLASSES",
    "TOKEN_CLASSES",
    "Operation",
    "Outcome",
    "Reuse",
    "UsageBatch",
    "UsageRecord",
    "UsageSource",
]

INPUT_CLASSES: Final = (
    *("input_tokens", "cached_input_tokens", "cache_write_tokens"),
    *("input_audio_tokens", "input_image_tokens"),
)
"""Fields of a record that together are what was read: no token is in two of them."""
OUTPUT_CLASSES: Final = ("output_tokens", "reasoning_tokens", "output_audio_tokens", "output_image_tokens")
"""Fields of a record that together are what was made."""
TOKEN_CLASSES: Final = (*INPUT_CLASSES, *OUTPUT_CLASSES)


class Operation(OpenEnum):
    """What was asked for. Values follow OpenTelemetry's `gen_ai.operation.name` where it has one."""

    UNKNOWN = "unknown"
    CHAT = "chat"
    COMPLETION = "text_completion"
    EMBEDDING = "embeddings"
    RERANK = "rerank"
    SCORE = "score"
    IMAGE = "image_generation"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"
    TRANSLATION = "translation"


class Outcome(OpenEnum):
    """How an admitted request ended. Admitted = completed + failed + aborted."""

    UNKNOWN = "unknown"
    COMPLETED = "completed"
    FAILED = "failed"
    """The engine or the router failed it."""
    ABORTED = "aborted"
    """The client left, or the router died with the request in flight."""


class UsageSource(OpenEnum):
    """Where the token figures come from."""

    UNKNOWN = "unknown"
    ENGINE_FINAL = "engine-final"
    """The engine's own final usage."""
    ENGINE_RUNNING = "engine-running"
    """Counted from the chunks an engine sent before the stream ended early."""
    TOKENIZER = "tokenizer"
    """Counted by the engine's tokenizer, asked for it."""
    ESTIMATE = "estimate"
    """From the number of bytes."""
    NONE = "none"
    """No figure; the tokens are 0 because nothing was produced."""


class Reuse(OpenEnum):
    """Whether an answer was an engine's own work for this request."""

    UNKNOWN = "unknown"
    NONE = "none"
    CACHED = "cached"
    """From the response cache: the tokens are those of the answer, no engine worked."""
    COALESCED = "coalesced"
    """Shared with an equal request in flight, whose record has the engine's work."""
    REPLAYED = "replayed"
    """The answer to an earlier request with the same `Idempotency-Key`."""


class UsageRecord(Message, frozen=True, kw_only=True):
    """One admitted request, final. The id is minted at admission and is unique in the ledger for ever."""

    request_id: str
    router_id: str
    sequence: int
    """1, 2, 3, ... without gaps per router: a gap in the ledger is a lost record."""
    operation: Operation
    key_id: str
    user_id: str
    tenant_id: str
    model_requested: str
    model_served: str
    deployment_id: str
    replica_id: str
    node_id: str
    admitted_at: float
    """Unix seconds."""
    ended_at: float
    duration_ms: float
    time_to_first_token_ms: float | None = None
    is_stream: bool
    outcome: Outcome
    http_status: int
    error_code: str = ""
    input_tokens: int = 0
    """Of text, and of whatever nobody told apart. The classes are disjoint: without those of the others."""
    cached_input_tokens: int = 0
    output_tokens: int = 0
    """Of text, without the reasoning ones."""
    reasoning_tokens: int = 0
    source: UsageSource = UsageSource.NONE
    attempts: int = 1
    """Upstream attempts made, retries included."""
    api: str = ""
    """The API that the client spoke: `openai.chat`, `anthropic.messages`, `ollama.generate`, ..."""
    route_id: str = ""
    """Empty in records of routers that did not tell."""
    provider_id: str = ""
    """Of an outside provider, instead of a deployment."""
    reuse: Reuse = Reuse.NONE
    continuations: int = 0
    """How often a stream went on at another endpoint after its engine had died."""
    cache_write_tokens: int = 0
    """Input tokens that a provider charged for keeping; a class of its own."""
    audio_ms: int = 0
    """Length of the audio that went in or came out, where it is known."""
    images: int = 0
    """Images made."""
    input_characters: int = 0
    """Of a text to be spoken."""
    queued_ms: float = 0.0
    """How long it waited in the router for room at an engine or for a replica."""
    project_id: str = ""
    """Of the key; empty: of none."""
    region: str = ""
    """Where the endpoint was."""
    device_class: str = ""
    """Model of the accelerators that served it, e.g. `NVIDIA H100 80GB HBM3`; `cpu` without; empty: not known."""
    version_id: str = ""
    """Of the deployment, that served it."""
    input_audio_tokens: int = 0
    """Of sound that was sent, without those read from a cache, which are cached ones."""
    output_audio_tokens: int = 0
    """Of sound that was made."""
    input_image_tokens: int = 0
    """Of images that were sent, without those read from a cache."""
    output_image_tokens: int = 0
    """Of images that were made."""

    @property
    def all_input_tokens(self) -> int:
        """Of all classes that were read."""
        read = self.input_tokens + self.cached_input_tokens + self.cache_write_tokens
        return read + self.input_audio_tokens + self.input_image_tokens

    @property
    def all_output_tokens(self) -> int:
        """Of all classes that were made."""
        made = self.output_tokens + self.reasoning_tokens
        return made + self.output_audio_tokens + self.output_image_tokens


class UsageBatch(Message, frozen=True, kw_only=True):
    """Records in the order in which one router settled them: a stream that syncs every message takes few messages."""

    records: tuple[UsageRecord, ...]
