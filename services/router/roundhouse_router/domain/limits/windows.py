"""Counting what was used in the last second, minute or day, so that no such time ever holds more than the bound."""

from roundhouse_router.domain.limits.rules import Window

__all__ = ["WindowCounter"]


class WindowCounter:
    """One counter. Milliseconds on any clock; one that goes back counts as one that stands.

    `used` is the amounts of the slots that count, and the debt. Debt is what a request used beyond what was reserved
    and beyond the bound: it moves into the window as room appears there, so it is paid at the rate of the bound, and
    `used` stays at the bound or above until it is. While there is debt the window is full.

    `window.lua` does the same on Redis; a test holds the two equal.
    """

    __slots__ = ("_debt", "_past", "_past_sum", "_slot", "_slots", "bound", "ends_ms", "slot_ms", "used")

    def __init__(self, window: Window, bound: int) -> None:
        self.bound = bound
        """At least 1. May be changed at any time."""
        self.used = 0
        self.ends_ms = 0
        """When the slot that runs now ends: `advance` must be called before anything else from then on."""
        self.slot_ms = window.slot_ms
        self._slots = window.slots
        self._slot = -1
        self._past: dict[int, int] = {}
        """Amounts by slot, oldest first, without the slot that runs now."""
        self._past_sum = 0
        self._debt = 0

    def advance(self, now_ms: int) -> None:
        """Begin the slot of this moment and forget what has left the window."""
        slot = now_ms // self.slot_ms
        own = self.used - self._debt - self._past_sum
        if own:
            self._past[self._slot] = own
        self._forget(slot)
        if self._debt:
            self._pay_into(slot)
        self._past_sum = self.used - self._debt - self._past.pop(slot, 0)
        self._slot = slot
        self.ends_ms = (slot + 1) * self.slot_ms

    def _forget(self, slot: int) -> None:
        past = self._past
        while past:
            oldest = next(iter(past))
            if oldest >= slot - self._slots:
                return
            self.used -= past.pop(oldest)
            if self._debt:
                self._pay_into(oldest + self._slots + 1)

    def _pay_into(self, slot: int) -> None:
        """Move what there is room for from the debt into a slot, the newest so far."""
        paid = min(self._debt, self.bound - (self.used - self._debt))
        if paid > 0:
            self._debt -= paid
            self._past[slot] = self._past.get(slot, 0) + paid

    def charge(self, amount: int, now_ms: int) -> None:
        """Count what was used beyond what was reserved; what does not fit becomes debt."""
        if now_ms >= self.ends_ms:
            self.advance(now_ms)
        room = max(0, self.bound - (self.used - self._debt))
        self._debt += max(0, amount - room)
        self.used += amount

    def give_back(self, amount: int, reserved_at_ms: int, now_ms: int) -> None:
        """Take back what was reserved at that moment and not used: from the debt, else where it was counted."""
        if now_ms >= self.ends_ms:
            self.advance(now_ms)
        forgiven = min(amount, self._debt)
        self._debt -= forgiven
        self.used -= forgiven
        amount -= forgiven
        slot = reserved_at_ms // self.slot_ms
        if slot >= self._slot:
            self.used -= min(amount, self.used - self._debt - self._past_sum)
        elif there := self._past.get(slot, 0):
            taken = min(amount, there)
            self._past[slot] = there - taken
            self._past_sum -= taken
            self.used -= taken

    def wait_ms(self, need: int, now_ms: int) -> int:
        """Return after how long so much may be used if nothing else happens; 0: now. `need` is at most the bound."""
        excess = self.used + need - self.bound
        if excess <= 0:
            return 0
        held = max(1, self.used - self._debt)
        rounds, excess = divmod(excess - 1, held)  # with debt, what leaves the window is replaced, round by round
        excess += 1
        slot = self._slot
        for past_slot, amount in self._past.items():
            excess -= amount
            if excess <= 0:
                slot = past_slot
                break
        period = self._slots + 1
        return max(1, (slot + (rounds + 1) * period) * self.slot_ms - now_ms)
