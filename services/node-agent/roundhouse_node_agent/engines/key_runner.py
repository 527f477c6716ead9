"""Runs an engine's module with its key added inside the process. Standard library and the engine only.

    python key_runner.py FLAG MODULE ARGUMENT...

is `python -m MODULE ARGUMENT... FLAG KEY`, where KEY is the environment variable ROUNDHOUSE_ENGINE_API_KEY: other
users of the machine can read the arguments of a process. `MODULE:FUNCTION` calls a console script's function.
"""

import importlib
import os
import runpy
import sys


def main(arguments: list[str]) -> None:
    """Become the engine; the exit code is its own."""
    flag, target, *rest = arguments
    key = os.environ.pop("ROUNDHOUSE_ENGINE_API_KEY", "")
    module, _, function = target.partition(":")
    sys.argv = [module, *rest, *([flag, key] if key else [])]
    if function:
        sys.exit(getattr(importlib.import_module(module), function)())
    # The name makes its main part run; this file stays the main module, which the processes it spawns do not run again.
    runpy.run_module(module, run_name="__main__", alter_sys=False)


if __name__ == "__main__":
    main(sys.argv[1:])
