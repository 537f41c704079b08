DROP TABLE pgvec.migration;

-- The schema stays where it holds something else (Alembic's version table, when pgvec's own environment runs this), and where an
-- administrator made it for a role that could not make it again.
DO $do$
BEGIN
    IF pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') THEN
        DROP SCHEMA pgvec;
    END IF;
EXCEPTION
    WHEN dependent_objects_still_exist THEN NULL;
END
$do$;
