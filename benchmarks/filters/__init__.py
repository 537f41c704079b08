"""Filtered search, cell by cell, against the best that can be written by hand: ``python -m benchmarks.filters --help``."""
