"""Alembic migrations of the catalog. One that was released is never edited: write the next."""
