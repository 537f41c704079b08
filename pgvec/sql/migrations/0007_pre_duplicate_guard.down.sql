-- The triggers on the users' tables go first: without their function every write to those tables would fail.
DO $do$
DECLARE
    guard record;
BEGIN
    FOR guard IN SELECT relation, embedding_column FROM pgvec.duplicate_guard LOOP
        PERFORM pgvec.drop_duplicate_guard(guard.relation, guard.embedding_column);
    END LOOP;
END
$do$;

DROP FUNCTION pgvec.create_duplicate_guard(regclass, name, double precision, text);
DROP FUNCTION pgvec.drop_duplicate_guard(regclass, name);
DROP FUNCTION pgvec._refuse_duplicate_v1();
DROP FUNCTION pgvec._hold_guard_v1(integer);
DROP TABLE pgvec.duplicate_guard;
