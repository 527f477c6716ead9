"""`python -m roundhouse_metering` runs the service; with `openapi` it prints the OpenAPI document."""

import json
import sys

import roundhouse_common.starting  # noqa: F401 - before what it makes quick to load
from roundhouse_metering.main import main, openapi

match sys.argv[1:]:
    case []:
        sys.exit(main())
    case ["openapi"]:
        print(json.dumps(openapi(), indent=2, sort_keys=True))  # noqa: T201 - its output is the document
    case _:
        print("usage: python -m roundhouse_metering [openapi]", file=sys.stderr)  # noqa: T201 - for the person who typed it
        sys.exit(2)
