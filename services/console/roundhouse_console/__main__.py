"""`python -m roundhouse_console` runs the service."""

import sys

import roundhouse_common.starting  # noqa: F401 - before what it makes quick to load
from roundhouse_console.main import main

match sys.argv[1:]:
    case []:
        sys.exit(main())
    case _:
        print("usage: python -m roundhouse_console", file=sys.stderr)  # noqa: T201 - for the person who typed it
        sys.exit(2)
