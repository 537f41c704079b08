-- Runs once, as the superuser, when the data directory is made; pgvec itself needs no superuser afterwards.
CREATE EXTENSION IF NOT EXISTS vector;
