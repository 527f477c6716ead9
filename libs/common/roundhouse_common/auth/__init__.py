"""Who is asking, and what they may do.

`permissions.py` holds the one table of roles; `tokens.py` the access tokens of people and services (import it by its
own name: it loads the cryptography library, which routers and agents do without); `api_keys.py` the keys of clients.
"""

from roundhouse_common.auth.api_keys import API_KEY_PREFIX, hash_api_key, new_api_key
from roundhouse_common.auth.permissions import (
    ACTIONS,
    PERMISSIONS,
    PLATFORM_ACTIONS,
    Action,
    Role,
    Subject,
    SubjectKind,
    actions_in,
    allowed,
)
from roundhouse_common.auth.reach import Reach, reach_of

__all__ = [
    "ACTIONS",
    "API_KEY_PREFIX",
    "PERMISSIONS",
    "PLATFORM_ACTIONS",
    "Action",
    "Reach",
    "Role",
    "Subject",
    "SubjectKind",
    "actions_in",
    "allowed",
    "hash_api_key",
    "new_api_key",
    "reach_of",
]
