"""Routers that are not heard any more keep their share for a while, and for as long as nobody could be heard."""

from roundhouse_router.limits.routers import RouterCount
from tests.support.hand_clock import HandClock


class Neighbourhood:
    def __init__(self) -> None:
        self.live, self.is_heard, self.clock = 1, True, HandClock()
        self.count = RouterCount(lambda: self.live, lambda: self.is_heard, self.clock)

    def after(self, seconds: float) -> int:
        """Look once a second for so long, and return the last answer."""
        for _ in range(int(seconds)):
            self.clock.at += 1
            self.count()
        return self.count()


def test_more_count_at_once_and_fewer_after_a_minute() -> None:
    around = Neighbourhood()
    around.live = 3
    assert around.count() == 3
    around.live = 2
    assert around.after(59) == 3
    assert around.after(1) == 2


def test_one_that_is_back_within_the_minute_was_never_gone() -> None:
    around = Neighbourhood()
    around.live = 3
    around.after(1)
    around.live = 2
    around.after(40)
    around.live = 3
    around.after(1)
    around.live = 2
    assert around.after(59) == 3


def test_nobody_is_gone_while_the_bus_is() -> None:
    around = Neighbourhood()
    around.live = 3
    around.after(1)
    around.live, around.is_heard = 1, False
    assert around.after(3600) == 3
    around.is_heard = True
    assert around.after(59) == 3
    assert around.after(1) == 1
