"""A newsroom: articles that are found by meaning."""
