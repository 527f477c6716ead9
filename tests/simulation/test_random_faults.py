"""Seeds of random faults: no invariant breaks, and quiet brings agreement.

Fifteen seeds, or as many as ROUNDHOUSE_SIMULATION_SEEDS says (`scripts/test --sim`: 2,000, over all cores). A seed that
fails is printed with the end of its trace; `python -m tests.simulation.replay SEED` runs it again.
"""

import os

import pytest

from tests.simulation.chaos import chaos
from tests.simulation.simulate import simulate

_SEEDS = int(os.environ.get("ROUNDHOUSE_SIMULATION_SEEDS", "15"))
_FIRST_SEEDS = 12
"""So many are enough to see everything that chaos can do."""
_SEEDS_PER_TEST = 5
_HAPPENS = (
    "after=lost",
    "before=lost",
    "reason=survivor-elsewhere",
    "reason=version-replaced",
    "reason=engine-exited",
    "reason=restart-backoff",
    "reason=engine-unresponsive",
    "report_ignored",
    "stop_unconfirmed",
    "fleet_brake_held",
    "engine_adopted",
    "reason=adopted",
    "leadership_lost",
    "reason=idle",
    "reason=evicted",
    "goes back to version",
    "reason=device-quarantined",
    "reason=gang-member-down",
)


def test_the_faults_of_the_first_seeds_reach_what_they_should_test() -> None:
    seen = "\n".join(line for seed in range(_FIRST_SEEDS) for line in simulate(chaos, seed).lines)
    assert [what for what in _HAPPENS if what not in seen] == []


@pytest.mark.parametrize("first", range(_FIRST_SEEDS, _SEEDS, _SEEDS_PER_TEST))
def test_five_seeds_from(first: int) -> None:
    for seed in range(first, min(first + _SEEDS_PER_TEST, _SEEDS)):
        simulate(chaos, seed)
