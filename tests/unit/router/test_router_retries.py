"""How many retries a router makes at once."""

from roundhouse_router.domain.retries import RetryBudget


def test_retries_are_bounded_by_a_share_of_the_traffic() -> None:
    budget = RetryBudget(share=0.5, at_least=1)
    assert budget.take()
    assert not budget.take()
    budget.in_flight = 6
    assert budget.take()
    assert budget.take()
    assert not budget.take()
    budget.release()
    assert budget.take()
