"""Doors for frameworks; none of them knows of another, and each imports its framework itself."""
