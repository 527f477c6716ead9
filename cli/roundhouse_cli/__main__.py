"""`python -m roundhouse_cli`."""

import sys

from roundhouse_cli.entry import main

sys.exit(main())
