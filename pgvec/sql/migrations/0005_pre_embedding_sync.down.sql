-- The triggers on the users' tables go first: without their functions every write to those tables would fail.
DO $do$
DECLARE
    sync text;
BEGIN
    FOR sync IN SELECT name FROM pgvec.embedding_sync LOOP
        PERFORM pgvec.sync_drop(sync);
    END LOOP;
END
$do$;

DROP FUNCTION pgvec.sync_create(regclass, text[], text, text, text, text, integer, text);
DROP FUNCTION pgvec.sync_drop(text);
DROP FUNCTION pgvec.sync_pause(text);
DROP FUNCTION pgvec.sync_resume(text);
DROP FUNCTION pgvec.sync_retry(text);
DROP FUNCTION pgvec.sync_reconcile(text);
DROP FUNCTION pgvec.sync_backlog(text);
DROP VIEW pgvec.sync_status;
DROP FUNCTION pgvec._fix_model_v1(integer, text, text);
DROP FUNCTION pgvec._extend_v1(integer, bigint, uuid, jsonb, interval);
DROP FUNCTION pgvec._release_v1(integer, bigint, uuid, jsonb);
DROP FUNCTION pgvec._finish_v1(integer, bigint, uuid, jsonb);
DROP FUNCTION pgvec._claim_v1(integer, integer, interval, integer);
DROP FUNCTION pgvec._as_records_v1(jsonb);
DROP FUNCTION pgvec._expand_v1(pgvec.embedding_sync);
DROP FUNCTION pgvec._sweep_v1(pgvec.embedding_sync);
DROP FUNCTION pgvec._backfill_v1(pgvec.embedding_sync, text);
DROP FUNCTION pgvec._check_sync_v1(regclass, text[], text, text);
DROP FUNCTION pgvec._install_triggers_v1(pgvec.embedding_sync);
DROP FUNCTION pgvec._drop_triggers_v1(pgvec.embedding_sync);
DROP FUNCTION pgvec._tree_v1(regclass);
DROP FUNCTION pgvec._find_sync_v1(text);
DROP FUNCTION pgvec._capture_insert_v1();
DROP FUNCTION pgvec._capture_update_v1();
DROP FUNCTION pgvec._capture_delete_v1();
DROP FUNCTION pgvec._capture_truncate_v1();
DROP FUNCTION pgvec._forget_v1(integer, integer, text[]);
DROP FUNCTION pgvec._note_batch_v1(integer, integer, text[]);
DROP FUNCTION pgvec._keys_v1(integer, text[]);
DROP FUNCTION pgvec._has_key_v1(regclass, text[], text, text);
DROP FUNCTION pgvec._all_keys_v1(regclass, text[], text);
DROP FUNCTION pgvec._key_v1(regclass, text[], text);
DROP FUNCTION pgvec._document_v1(regclass, text[], text, text);
DROP FUNCTION pgvec._text_v1(regclass, text, text);
DROP TABLE pgvec.embedding_worker;
DROP TABLE pgvec.embedding_state;
DROP TABLE pgvec.embedding_batch;
DROP TABLE pgvec.embedding_outbox;
DROP TABLE pgvec.embedding_sync;
DROP SEQUENCE pgvec.embedding_version;
