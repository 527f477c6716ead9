"""What every reader raises."""

__all__ = ["Unreadable"]


class Unreadable(ValueError):
    """The bytes are not what they should be. The message says what was found, and where."""
