"""``pgvec demo``: search the docstrings of the Python that runs, from nothing to answers."""
