"""The one collection that all tables of metering belong to."""

from sqlalchemy import MetaData

__all__ = ["metadata"]

metadata = MetaData()
