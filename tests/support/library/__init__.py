"""A Django app for the tests: a library of articles with embeddings."""
