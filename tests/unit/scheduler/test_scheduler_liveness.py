"""What may be concluded from silence, on a clock that goes on while this process stands still."""

from roundhouse_scheduler.loops.liveness import Liveness


def listening(until: float) -> Liveness:
    liveness = Liveness(stall_s=5.0)
    for second in range(int(until) + 1):
        liveness.tick(float(second), is_connected=True)
    return liveness


def test_a_node_is_silent_since_it_was_heard_or_could_have_been() -> None:
    liveness = listening(until=20)
    liveness.heard("heard", 12.0)
    found = liveness.silence(["heard", "unheard"], 20.0)
    assert (found["heard"].contact_s, found["heard"].silent_s) == (8.0, 8.0)
    assert (found["unheard"].contact_s, found["unheard"].silent_s) == (None, 20.0)


def test_after_a_standstill_nobody_was_silent() -> None:
    liveness = listening(until=20)
    liveness.heard("heard", 20.0)
    liveness.tick(60.0, is_connected=True)
    assert liveness.silence(["heard"], 61.0)["heard"].silent_s == 1.0
    assert liveness.trusted_s(61.0) == 1.0


def test_whoever_looks_before_the_tick_that_notices_a_standstill_concludes_nothing() -> None:
    liveness = listening(until=20)
    liveness.heard("heard", 20.0)
    assert liveness.silence(["heard"], 60.0)["heard"].silent_s == 0.0
    assert liveness.trusted_s(60.0) == 0.0
