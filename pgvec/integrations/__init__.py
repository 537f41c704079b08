"""Doors for frameworks: each sub-package serves one, and none knows of another."""
