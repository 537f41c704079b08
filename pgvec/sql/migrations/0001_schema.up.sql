-- The schema "pgvec" and the record of the scripts that were run in it.
--
-- CREATE SCHEMA IF NOT EXISTS asks for CREATE on the database even where the schema exists, so look first: an administrator may
-- have made the schema for a role that cannot.
DO $do$
BEGIN
    IF pg_catalog.to_regnamespace('pgvec') IS NULL THEN
        CREATE SCHEMA pgvec;
    END IF;
END
$do$;

COMMENT ON SCHEMA pgvec IS 'Objects of the library pgvec; change them only with its migrations.';

CREATE TABLE pgvec.migration (
    name text PRIMARY KEY,
    checksum text NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
    applied_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    applied_by text NOT NULL DEFAULT CURRENT_USER
);

COMMENT ON TABLE pgvec.migration IS 'Scripts that made this schema, one row each; the names sort in the order in which they ran.';
COMMENT ON COLUMN pgvec.migration.name IS 'File name of the script without ".up.sql".';
COMMENT ON COLUMN pgvec.migration.checksum IS 'SHA-256 of the script as it was run, in hexadecimal.';
COMMENT ON COLUMN pgvec.migration.applied_at IS 'Start of the transaction that ran the script.';
COMMENT ON COLUMN pgvec.migration.applied_by IS 'Role that ran the script.';

-- An application role needs no grant of its own to learn whether the schema fits its library.
GRANT USAGE ON SCHEMA pgvec TO PUBLIC;
GRANT SELECT ON pgvec.migration TO PUBLIC;
