"""`python -m roundhouse_router`."""

from roundhouse_router.main import main

if __name__ == "__main__":
    raise SystemExit(main())
