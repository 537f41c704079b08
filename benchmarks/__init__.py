"""Measures pgvec beside psycopg written by hand, in one run: ``python -m benchmarks --help``."""
