"""A look that changes nothing leaves nothing to look at: else each look at everything would ask for another one."""

from roundhouse_scheduler.domain.focus import NOTHING
from tests.support.scheduler import a_deployment, a_fleet


def test_a_look_at_what_agrees_and_was_reported_touches_nothing() -> None:
    fleet = a_fleet(nodes=2, replicas=4).settle()
    fleet.report_all()
    fleet.settle()
    plan = fleet.step()
    assert plan.is_empty
    assert plan.touched == NOTHING


def test_a_look_touches_what_it_made() -> None:
    fleet = a_fleet(nodes=2, replicas=1).with_deployment(a_deployment(replicas=3))
    plan = fleet.step()
    assert plan.touched.replicas == {row.replica_id for row in plan.new_replicas}
    assert len(plan.new_replicas) == 2
