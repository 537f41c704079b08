"""The cells of ``benchmarks.filters`` on engines that install from PyPI, beside pgvec: ``python -m benchmarks.peers --help``."""
