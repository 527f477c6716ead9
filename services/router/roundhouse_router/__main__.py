"""`python -m roundhouse_router` runs the service; with `openapi` it prints the OpenAPI document."""

import json
import sys

import roundhouse_common.starting  # noqa: F401 - before what it makes quick to load
import roundhouse_router.starting  # noqa: F401 - before what it may replace by extensions
from roundhouse_router.api.document import openapi_document
from roundhouse_router.main import main

if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            sys.exit(main())
        case ["openapi"]:
            print(json.dumps(openapi_document(), indent=2, sort_keys=True))  # noqa: T201 - its output is the document
        case _:
            print("usage: python -m roundhouse_router [openapi]", file=sys.stderr)  # noqa: T201 - for whoever typed it
            sys.exit(2)
