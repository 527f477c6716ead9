"""What the catalog tells routers: who may call, which name leads where, outside providers, and limits."""

from roundhouse_common.contracts.base import Message, OpenEnum
from roundhouse_common.contracts.catalog import ModelKind

__all__ = [
    "Access",
    "ApiKeyRecord",
    "Balancing",
    "Fallback",
    "FallbackReason",
    "LimitDimension",
    "LimitRecord",
    "ProviderFormat",
    "ProviderKey",
    "ProviderRecord",
    "RouteCache",
    "RouteMatch",
    "RouteQueue",
    "RouteRecord",
    "RouteRetries",
    "RouteTarget",
    "RouteTimeouts",
    "SplitBy",
    "Strategy",
]


class ApiKeyRecord(Message, frozen=True, kw_only=True):
    """One API key as routers need it. Bucket `keys`, key: key id. The secret itself is never stored."""

    key_id: str
    sha256: str
    """Hex digest of the whole secret."""
    name: str
    tenant_id: str
    user_id: str
    deployment_ids: tuple[str, ...] = ()
    """Deployments it may call; empty means all of the tenant."""
    expires_at: float = 0.0
    """Unix seconds; 0 means never."""
    is_revoked: bool = False
    priority: int = 0
    """Where engines are full, requests of higher priority go first; a request may ask for less, never for more."""
    project_id: str = ""
    """Empty: of none."""
    models: tuple[str, ...] = ()
    """Names of routes that it may use, `*` standing for any characters; empty: all that it could use anyway."""
    ip_ranges: tuple[str, ...] = ()
    """Networks (CIDR) that requests may come from; empty: any."""
    previous_sha256: str = ""
    """Digest of the secret before the last rotation, which is valid until `previous_until`."""
    previous_until: float = 0.0
    """Unix seconds."""
    is_blocked: bool = False
    """For now: its tenant is suspended, its user disabled or no longer a member."""


class Access(OpenEnum):
    """Whose API keys may use a route."""

    UNKNOWN = "unknown"
    PRIVATE = "private"
    """Those of its owner, of its project, and those that name the deployment."""
    TENANT = "tenant"
    """All of its tenant."""
    PUBLIC = "public"
    """All of the platform."""


class Strategy(OpenEnum):
    """How one of several endpoints is chosen."""

    UNKNOWN = "unknown"
    ROUND_ROBIN = "round-robin"
    RANDOM = "random"
    WEIGHTED = "weighted"
    """In proportion to `Balancing.weights`, evenly spaced (smooth weighted round robin)."""
    LEAST_IN_FLIGHT = "least-in-flight"
    POWER_OF_TWO = "power-of-two"
    """The less busy of two drawn at random, by requests in flight and the engine's own queue."""
    PREFIX_AFFINITY = "prefix-affinity"
    """Where the longest prefix of the prompt was sent before, as long as that endpoint is not much busier."""
    SESSION_AFFINITY = "session-affinity"
    """Requests of one session go to one endpoint (rendezvous hashing)."""
    LOWEST_LATENCY = "lowest-latency"
    """By a moving average of the time to first token, weighted with the requests in flight."""


class Balancing(Message, frozen=True, kw_only=True):
    """How requests of a route are spread over the endpoints of the target that was chosen."""

    strategy: Strategy = Strategy.LEAST_IN_FLIGHT
    weights: dict[str, int] = {}
    """For `weighted`: by replica id, node id or region, the first of them that is named; 1 for what is not."""
    session_header: str = ""
    """For `session-affinity`: a request header, in lower case; without it, or without a value, the body's `user`."""
    load_ceiling: float = 1.5
    """For affinities: an endpoint with more than this times the mean number of requests in flight is passed over."""
    is_local_preferred: bool = True
    """Endpoints of the router's own region go first."""
    spill_in_flight: int = 0
    """Requests in flight at every local endpoint from which on other regions are used too; 0: only when no local
    endpoint can take the request."""


class RouteMatch(Message, frozen=True, kw_only=True):
    """Which requests a target is for. All that is given must hold."""

    header: str = ""
    """A request header, in lower case."""
    value: str = ""
    """Its exact value; empty: any."""
    key_ids: tuple[str, ...] = ()
    user_ids: tuple[str, ...] = ()


class RouteTarget(Message, frozen=True, kw_only=True):
    """A deployment, or a model of an outside provider."""

    deployment_id: str = ""
    weight: int = 1
    """Its share among the targets of the same priority; 0: only as a fallback."""
    provider_id: str = ""
    """With an empty `deployment_id`."""
    model: str = ""
    """The provider's name for the model; empty: the name that the client sent."""
    priority: int = 0
    """Targets of the lowest number are used; the next ones when those have failed or cannot take a request."""
    match: RouteMatch | None = None
    """Requests that match go to matching targets only; all others to targets without a match."""


class SplitBy(OpenEnum):
    """What a draw by weight holds for."""

    UNKNOWN = "unknown"
    REQUEST = "request"
    KEY = "key"
    USER = "user"
    """The body's `user`, else the key's."""


class FallbackReason(OpenEnum):
    UNKNOWN = "unknown"
    ERROR = "error"
    """No target answered."""
    CONTEXT_LENGTH = "context-length"
    """The prompt is too long for the model."""
    CONTENT_POLICY = "content-policy"
    """A provider refused the content."""


class Fallback(Message, frozen=True, kw_only=True):
    reason: FallbackReason
    route: str
    """The name of another route."""


class RouteTimeouts(Message, frozen=True, kw_only=True):
    """Seconds; 0: the router's own setting, and no bound for `total_s`."""

    first_token_s: float = 0.0
    idle_s: float = 0.0
    """Between two chunks."""
    total_s: float = 0.0


class RouteRetries(Message, frozen=True, kw_only=True):
    max_attempts: int = 0
    """Upstream attempts per request, the first one included; 0: the router's own setting."""
    is_429_retried: bool = True
    """Whether an endpoint that says 429 leads to another one."""


class RouteQueue(Message, frozen=True, kw_only=True):
    """Requests wait here, by priority, while every endpoint has as many as it may have."""

    in_flight_per_endpoint: int = 0
    """How many that is; 0: what the engine was started for, and no bound where that is not known."""
    max_waiting: int = 0
    """Further requests are refused with 429; 0: nobody waits here, engines queue for themselves."""
    deadline_s: float = 30.0
    """Who waited so long is refused with 503."""


class RouteCache(Message, frozen=True, kw_only=True):
    """Equal requests of one tenant are answered from what an engine said before."""

    ttl_s: float = 0.0
    """0: nothing is kept."""
    max_answer_bytes: int = 1024 * 1024


class RouteRecord(Message, frozen=True, kw_only=True):
    """A name that clients send as `model`, and where it leads. Bucket `routes`, key: route id."""

    route_id: str
    name: str
    """A `*` in it stands for any characters: of several that fit, an exact name wins, then the longest fixed part."""
    tenant_id: str
    """Empty: a route of the platform, for all tenants; a tenant's own route of the same name wins."""
    targets: tuple[RouteTarget, ...]
    model_kind: ModelKind
    created_at: float
    is_deleted: bool = False
    """Kept as a tombstone: a missing key never means "delete"."""
    alias_of: str = ""
    """The name of the route whose targets and settings are meant, instead of targets."""
    balancing: Balancing = Balancing()
    split_by: SplitBy = SplitBy.REQUEST
    fallbacks: tuple[Fallback, ...] = ()
    """In order, for each reason."""
    timeouts: RouteTimeouts = RouteTimeouts()
    retries: RouteRetries = RouteRetries()
    queue: RouteQueue = RouteQueue()
    cache: RouteCache = RouteCache()
    is_coalesced: bool = False
    """Equal requests in flight share one call of an engine."""
    is_continued: bool = False
    """A stream whose engine dies goes on at another endpoint, with what was said so far as its beginning."""
    key_ids: tuple[str, ...] = ()
    """Keys that may use it; empty: all."""
    tenant_ids: tuple[str, ...] = ()
    """Of a platform's route: tenants that may use it; empty: all."""
    access: Access = Access.TENANT
    owner_id: str = ""
    """The user who made it."""
    project_id: str = ""
    """Empty: of none."""


class ProviderFormat(OpenEnum):
    """Which API an outside provider speaks."""

    UNKNOWN = "unknown"
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    OLLAMA = "ollama"
    REPLICATE = "replicate"


class ProviderKey(Message, frozen=True, kw_only=True):
    """One of a provider's keys. Only who has the platform's secret key can read it."""

    key_id: str
    sealed: str
    """The secret as `roundhouse_common.secret_box` sealed it."""


class ProviderRecord(Message, frozen=True, kw_only=True):
    """An outside API as an endpoint of routes. Bucket `providers`, key: provider id."""

    provider_id: str
    name: str
    tenant_id: str
    """Empty: of the platform, for routes of every tenant."""
    format: ProviderFormat
    base_url: str
    """Without a trailing slash; the API's paths come behind it: `https://api.example.com/v1` for OpenAI's."""
    keys: tuple[ProviderKey, ...] = ()
    headers: dict[str, str] = {}
    """Sent with every request."""
    features: tuple[str, ...] = ()
    """Which endpoints it has, values of `Feature`; empty: those that its format has."""
    in_flight_most: int = 0
    """Requests at once from one router; 0: no bound."""
    is_deleted: bool = False


class LimitDimension(OpenEnum):
    UNKNOWN = "unknown"
    TENANT = "tenant"
    USER = "user"
    KEY = "key"
    ROUTE = "route"


class LimitRecord(Message, frozen=True, kw_only=True):
    """Bounds on what requests may use. Bucket `limits`, key: limit id. All limits that a request falls under hold.

    None as a bound: no such bound. 0: nothing is admitted.
    """

    limit_id: str
    name: str
    tenant_id: str = ""
    """Who set it, and whose requests it is about; empty: the platform, and all."""
    per: tuple[LimitDimension, ...] = ()
    """Counted apart for each of these (two make a pair, e.g. each key on each route); empty: counted together."""
    tenant_ids: tuple[str, ...] = ()
    """Only requests of these; empty: of any. The same for the next three."""
    user_ids: tuple[str, ...] = ()
    key_ids: tuple[str, ...] = ()
    route_ids: tuple[str, ...] = ()
    requests_per_second: int | None = None
    requests_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    input_tokens_per_minute: int | None = None
    input_tokens_per_day: int | None = None
    output_tokens_per_minute: int | None = None
    output_tokens_per_day: int | None = None
    concurrent_requests: int | None = None
    is_deleted: bool = False
