"""What a connection to NATS proves itself with: a seed, and in production the JWT that was signed for its key."""

import re
from dataclasses import dataclass, field

__all__ = ["Credentials"]

_BLOCK = re.compile(r"-+BEGIN ([A-Z ]+)-+\s+(\S+)\s+-+END [A-Z ]+-+")
_JWT = "NATS USER JWT"
_SEED = "USER NKEY SEED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """As NATS' own tools keep them in a `.creds` file."""

    seed: str = field(repr=False)
    jwt: str = ""
    """Empty: the server knows the key itself."""

    @classmethod
    def parse(cls, text: str) -> "Credentials":
        """Read a credentials file, or a file with nothing but a seed. Raises ValueError."""
        blocks = dict(_BLOCK.findall(text))
        if not blocks:
            return cls(seed=text.strip())
        try:
            return cls(seed=blocks[_SEED], jwt=blocks[_JWT])
        except KeyError as error:
            raise ValueError(f"this credentials file lacks its part {error}") from error

    def dumps(self) -> str:
        """Return the text of the file."""
        return "".join(
            f"-----BEGIN {name}-----\n{value}\n------END {name}------\n\n"
            for name, value in ((_JWT, self.jwt), (_SEED, self.seed))
        )
