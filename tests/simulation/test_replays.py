"""The same seed is the same run: in another process, with other hashes and addresses."""

import os
import subprocess
import sys

import pytest

from tests.simulation.chaos import chaos
from tests.simulation.simulate import SimulationFailed, simulate
from tests.simulation.world import World


def last_line_of_a_replay(seed: int, hash_seed: str) -> str:
    command = [sys.executable, "-m", "tests.simulation.replay", str(seed)]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(("seed", "hash_seed"), [(10, "1"), (11, "2")])
def test_a_seed_replays_exactly(seed: int, hash_seed: str) -> None:
    expected = f"seed {seed} holds; digest {simulate(chaos, seed).digest}"
    assert last_line_of_a_replay(seed, hash_seed) == expected


def test_other_seeds_are_other_runs() -> None:
    assert simulate(chaos, 3).digest != simulate(chaos, 4).digest


def test_a_failure_names_its_seed_and_shows_its_last_lines() -> None:
    async def scenario(world: World) -> None:
        await world.add_node("nod_0")
        await world.run_for(1.0)
        world.oracle.broken.append("the sky fell")

    with pytest.raises(SimulationFailed, match=r"seed 7: the sky fell(.|\n)*node_registered"):
        simulate(scenario, 7)
