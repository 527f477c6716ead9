"""OpenAI's rate limit headers: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`."""

from typing import Final

from roundhouse_router.domain.limits.rules import Rule

__all__ = ["GrantHeaders", "Header", "duration", "pairs_of", "rate_limit_headers"]

Header = tuple[bytes, bytes]

_REMAINING: Final = {
    b"requests": b"x-ratelimit-remaining-requests",
    b"tokens": b"x-ratelimit-remaining-tokens",
}


def duration(milliseconds: int) -> bytes:
    """Return a duration as OpenAI writes it: `12ms`, `1.5s`, `6m0s`, `24h15m0s`."""
    if milliseconds < 1000:
        return b"%dms" % milliseconds
    seconds, rest = divmod(milliseconds, 1000)
    tail = f"{rest / 1000:.3f}".rstrip("0").lstrip("0") if rest and seconds < 60 else ""
    minutes, seconds = divmod(seconds + (1 if rest and not tail else 0), 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{seconds}{'' if tail == '.' else tail}s"
    if hours:
        return f"{hours}h{minutes}m{text}".encode()
    return f"{minutes}m{text}".encode() if minutes else text.encode()


def _fixed(kind: bytes, rule: Rule) -> tuple[Header, Header]:
    """Return what is the same for every answer. Whoever was just counted is forgotten with the window, so this is
    when all that is counted now is gone, rounded up to a whole slot."""
    reset = duration(rule.window.longest_ms) if rule.window else b"0ms"
    return (b"x-ratelimit-limit-" + kind, b"%d" % rule.bound), (b"x-ratelimit-reset-" + kind, reset)


def rate_limit_headers(kind: bytes, rule: Rule, used: int) -> tuple[Header, ...]:
    """Return the three headers of a rule, at least 0 remaining."""
    limit, reset = _fixed(kind, rule)
    return limit, (_REMAINING[kind], b"%d" % max(0, rule.bound - used)), reset


class GrantHeaders:
    """The headers of one rule, made once: only what remains changes from answer to answer."""

    __slots__ = ("_after", "_before")

    def __init__(self, kind: bytes, rule: Rule) -> None:
        limit, reset = _fixed(kind, rule)
        self._before = b"%b: %b\r\n%b: " % (*limit, _REMAINING[kind])
        self._after = b"\r\n%b: %b\r\n" % reset

    def lines(self, remaining: int) -> bytes:
        """Return them as an answer has them, at least 0 remaining."""
        shown = f"{remaining if remaining > 0 else 0}"
        return b"".join((self._before, shown.encode("ascii"), self._after))


def pairs_of(lines: bytes) -> tuple[Header, ...]:
    """Return such lines as headers."""
    found = []
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        found.append((name, value))
    return tuple(found)
