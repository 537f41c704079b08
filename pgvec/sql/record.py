"""The table ``pgvec.migration`` as the script ``0001_schema`` makes it."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, MetaData, Table, Text

__all__ = ["SCHEMA", "migration_record"]

SCHEMA = "pgvec"

migration_record = Table(
    "migration",
    MetaData(schema=SCHEMA),
    Column("name", Text, primary_key=True),
    Column("checksum", Text, nullable=False),
    Column("applied_at", DateTime(timezone=True), nullable=False),
    Column("applied_by", Text, nullable=False),
)
