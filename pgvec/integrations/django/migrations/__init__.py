"""One Django migration for each script of the Postgres schema ``pgvec``; ``make migration`` makes them."""
