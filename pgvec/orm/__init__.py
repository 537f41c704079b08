"""Columns, indexes, and the reading of mapped classes and tables."""

from pgvec.orm.embedding import Embedding
from pgvec.orm.indexes import HnswIndex, IvfflatIndex
from pgvec.orm.keyword_index import KeywordIndex
from pgvec.orm.reading import read_target
from pgvec.orm.storage import SetStorage

__all__ = ["Embedding", "HnswIndex", "IvfflatIndex", "KeywordIndex", "SetStorage", "read_target"]
