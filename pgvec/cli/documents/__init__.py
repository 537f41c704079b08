"""The tables of ``pgvec ingest`` and ``pgvec ask``."""
