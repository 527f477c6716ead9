"""The metadata that every table of the catalog is declared in."""

from sqlalchemy import MetaData

__all__ = ["metadata"]

_NAMING = {  # so that a migration can name what it changes, on both databases
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=_NAMING)
