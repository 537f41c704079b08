-- The extension "vector", where it is missing; one that is too old is refused.
--
-- SET LOCAL pgvec.extension_schema = '...' before this script chooses its schema.
-- Own error codes: PV001 too old (DETAIL is JSON for programs), PV002 missing and not to be had.
DO $do$
DECLARE
    required CONSTANT text := '0.8.0';
    wanted_schema CONSTANT text := nullif(pg_catalog.current_setting('pgvec.extension_schema', true), '');
    command text := 'CREATE EXTENSION vector';
    installed text;
BEGIN
    IF wanted_schema IS NOT NULL THEN
        command := command || pg_catalog.format(' SCHEMA %I', wanted_schema);
    END IF;

    IF NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'vector') THEN
        BEGIN
            EXECUTE command;
        EXCEPTION
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION USING
                    ERRCODE = 'PV002',
                    MESSAGE = pg_catalog.format(
                        'The extension "vector" is not installed in the database %I, and the role %I may not install it (%s).',
                        pg_catalog.current_database(), CURRENT_USER, SQLERRM),
                    HINT = pg_catalog.format(
                        'Let an administrator (on a managed service: its admin user, after allowing the extension there) run in this database:  %s;',
                        command);
            WHEN feature_not_supported OR undefined_file THEN
                RAISE EXCEPTION USING
                    ERRCODE = 'PV002',
                    MESSAGE = pg_catalog.format('This server cannot install the extension "vector" (%s).', SQLERRM),
                    HINT = 'Install the package of pgvector for this PostgreSQL on the server (Debian: postgresql-NN-pgvector), or allow it in the settings of the managed service.';
            WHEN invalid_schema_name THEN
                RAISE EXCEPTION USING
                    ERRCODE = 'PV002',
                    MESSAGE = pg_catalog.format('The schema %I that the extension "vector" should live in does not exist.', wanted_schema),
                    HINT = pg_catalog.format('Run:  CREATE SCHEMA %I;', wanted_schema);
        END;
    END IF;

    SELECT extversion INTO STRICT installed FROM pg_catalog.pg_extension WHERE extname = 'vector';
    IF pg_catalog.string_to_array(pg_catalog.substring(installed, '^[0-9.]*[0-9]'), '.')::int[]
        < pg_catalog.string_to_array(required, '.')::int[]
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'PV001',
            MESSAGE = pg_catalog.format('The extension "vector" is version %s; pgvec needs %s or newer.', installed, required),
            DETAIL = pg_catalog.json_build_object('installed', installed, 'required', required)::text,
            HINT = 'Install a newer pgvector on the server, then run:  ALTER EXTENSION vector UPDATE;';
    END IF;
END
$do$;
