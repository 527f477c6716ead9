"""`python -m tests.simulation.replay SEED` runs one seed of the random faults again and prints all that happened."""

import sys
import traceback

from tests.simulation.chaos import chaos
from tests.simulation.simulate import SimulationFailed, simulate

__all__: list[str] = []


def main(seed: int) -> int:
    """Print the trace, then the error if there is one."""
    try:
        trace = simulate(chaos, seed)
    except SimulationFailed as failure:
        print("\n".join(failure.trace.lines))
        traceback.print_exception(failure.__cause__)
        return 1
    print("\n".join(trace.lines))
    print(f"seed {seed} holds; digest {trace.digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
