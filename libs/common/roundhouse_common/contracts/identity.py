"""What the catalog tells the others about tenants, and about who may not come in any more; and the audit."""

from roundhouse_common.contracts.base import Message, OpenEnum

__all__ = [
    "AuditOutcome",
    "AuditRecord",
    "EndedSession",
    "ProjectRecord",
    "Quota",
    "RedactionPattern",
    "RequestLogPolicy",
    "SignOut",
    "SigningKeys",
    "TenantRecord",
]


class Quota(Message, frozen=True, kw_only=True):
    """The most that a tenant, or one of its projects, may hold at once. None: no bound; 0: nothing."""

    devices: int | None = None
    """Accelerators that its replicas claim; one that is shared counts as one for each replica on it."""
    replicas: int | None = None
    storage_bytes: int | None = None
    """Of what it uploaded."""


class RedactionPattern(Message, frozen=True, kw_only=True):
    """What a tenant wants taken out of its request log, beside what always is."""

    name: str
    """Stands for it, as `[redacted:NAME]`."""
    expression: str
    """A regular expression whose steps are bounded (`roundhouse_common.redaction_patterns`)."""


class RequestLogPolicy(Message, frozen=True, kw_only=True):
    """Whether routers keep what a tenant's clients ask and are told. Off unless somebody turns it on."""

    is_on: bool = False
    has_texts: bool = False
    """Prompts and answers too, redacted; otherwise only what the usage record has."""
    keep_days: int = 30
    patterns: tuple[RedactionPattern, ...] = ()


class ProjectRecord(Message, frozen=True, kw_only=True):
    """A part of a tenant: deployments, keys and money of one purpose."""

    project_id: str
    name: str
    quota: Quota = Quota()
    is_deleted: bool = False


class TenantRecord(Message, frozen=True, kw_only=True):
    """One organisation. Bucket `tenants`, key: tenant id."""

    tenant_id: str
    name: str
    generation: int
    """Grows with every change; a reader ignores a lower one than it has seen."""
    is_suspended: bool = False
    """Its keys are refused; what runs goes on running."""
    is_deleted: bool = False
    quota: Quota = Quota()
    projects: tuple[ProjectRecord, ...] = ()
    request_log: RequestLogPolicy = RequestLogPolicy()


class EndedSession(Message, frozen=True, kw_only=True):
    session_id: str
    until: float
    """Unix seconds: when its last access token has expired, so that nobody need remember it."""


class SignOut(Message, frozen=True, kw_only=True):
    """Access tokens of one user that are void before they expire. Bucket `signouts`, key: user id."""

    user_id: str
    issued_before: float = 0.0
    """Unix seconds: tokens issued before this moment are void, of every session."""
    sessions: tuple[EndedSession, ...] = ()


class SigningKeys(Message, frozen=True, kw_only=True):
    """The public keys that access tokens are verified with. Bucket `signingkeys`, key: `current`."""

    jwks: str
    """A JWK set as JSON. A new key is in it well before the first token is signed with it, and an old one stays until
    the last token signed with it has expired."""
    generation: int


class AuditOutcome(OpenEnum):
    UNKNOWN = "unknown"
    DONE = "done"
    REFUSED = "refused"
    """Not permitted, or not who they said they were."""
    FAILED = "failed"


class AuditRecord(Message, frozen=True, kw_only=True):
    """Who did what to which object, from where, with the change. Event, from every service that has REST."""

    record_id: str
    """`aud_...`, minted where it happened: entered once, however often it comes."""
    at: float
    service: str
    actor: str
    """`user:usr_...`, `service-account:...`, `service:scheduler`, or `anonymous`."""
    tenant_id: str
    """Whose object it was, or whose token; empty: of the platform."""
    project_id: str = ""
    action: str
    """What was done: `deployment.scale`, `key.revoke`, `session.start`."""
    object_kind: str = ""
    object_id: str = ""
    object_name: str = ""
    change: str = ""
    """A JSON object, member -> [before, after]. Never a secret, a prompt or an answer."""
    outcome: AuditOutcome = AuditOutcome.DONE
    reason: str = ""
    """Of a refusal or failure: its error code."""
    client_address: str = ""
    user_agent: str = ""
    request_id: str = ""
    session_id: str = ""
