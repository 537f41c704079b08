"""Rows as Postgres' binary COPY format, encoded block by block.

Source of the format: https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4
"""

from pgvec.execution.encoding.blocks import SIGNATURE, TRAILER, BlockEncoder
from pgvec.execution.encoding.rows import Chunk, names_of

__all__ = ["SIGNATURE", "TRAILER", "BlockEncoder", "Chunk", "names_of"]
