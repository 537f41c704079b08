-- Which model filled which column, and columns that are being replaced by columns of another model while the table stays in use.
--
-- A column never changes its model. A re-embedding adds a column, lets a sync of its own fill it and follow the text from then
-- on, and marks it as the current one. Both columns stay whole until the old one is dropped, so searchers may change over one
-- by one, and back. Own error code: PV010, as for the syncs.

CREATE TABLE pgvec.embedding_model (
    source_table regclass NOT NULL,
    column_name text NOT NULL,
    model_name text NOT NULL,
    model_revision text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (source_table, column_name)
);

CREATE TABLE pgvec.reembedding (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_table regclass NOT NULL,
    old_column text NOT NULL,
    new_column text NOT NULL,
    embedder text NOT NULL,
    old_sync text,
    new_sync text NOT NULL,
    stage text NOT NULL DEFAULT 'begun' CHECK (stage IN ('begun', 'filling', 'ready', 'switched', 'finished')),
    whole boolean NOT NULL DEFAULT false,
    begun_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    enqueued_at timestamptz,
    switched_at timestamptz,
    finished_at timestamptz,
    UNIQUE (source_table, old_column),
    UNIQUE (source_table, new_column)
);

INSERT INTO pgvec.embedding_model (source_table, column_name, model_name, model_revision)
SELECT s.source_table, s.target_column, s.model_name, s.model_revision FROM pgvec.embedding_sync AS s
 WHERE s.model_name IS NOT NULL AND s.model_revision IS NOT NULL;

-- Every search may look.
GRANT SELECT ON pgvec.embedding_model, pgvec.reembedding TO PUBLIC;

COMMENT ON TABLE pgvec.embedding_model IS 'Which model filled a column; it outlives the sync, because the vectors do.';
COMMENT ON COLUMN pgvec.embedding_model.source_table IS 'The table.';
COMMENT ON COLUMN pgvec.embedding_model.column_name IS 'Its vector column.';
COMMENT ON COLUMN pgvec.embedding_model.model_name IS 'Name of the model, as its embedder tells it.';
COMMENT ON COLUMN pgvec.embedding_model.model_revision IS 'Revision of the model.';
COMMENT ON COLUMN pgvec.embedding_model.recorded_at IS 'When the first worker told it.';

COMMENT ON TABLE pgvec.reembedding IS 'Columns that are replaced by columns of another model, now and before.';
COMMENT ON COLUMN pgvec.reembedding.id IS 'Number of the re-embedding.';
COMMENT ON COLUMN pgvec.reembedding.source_table IS 'The table.';
COMMENT ON COLUMN pgvec.reembedding.old_column IS 'Column of the old model.';
COMMENT ON COLUMN pgvec.reembedding.new_column IS 'Column of the new model.';
COMMENT ON COLUMN pgvec.reembedding.embedder IS 'Name of the embedder of the new model, which workers resolve.';
COMMENT ON COLUMN pgvec.reembedding.old_sync IS 'Sync that keeps the old column in step with the text, or NULL where none does.';
COMMENT ON COLUMN pgvec.reembedding.new_sync IS 'Sync that fills the new column and keeps it in step.';
COMMENT ON COLUMN pgvec.reembedding.stage IS 'begun, filling (every row was noted), ready, switched (the new column is current), finished (the old one is gone).';
COMMENT ON COLUMN pgvec.reembedding.whole IS 'Whether the new column was found to hold every row.';
COMMENT ON COLUMN pgvec.reembedding.begun_at IS 'When it began.';
COMMENT ON COLUMN pgvec.reembedding.enqueued_at IS 'When the rows that were there were noted.';
COMMENT ON COLUMN pgvec.reembedding.switched_at IS 'When the new column became the current one.';
COMMENT ON COLUMN pgvec.reembedding.finished_at IS 'When the old column was dropped.';

-- Note which model fills the column of a sync, and refuse another: vectors of two models cannot be compared, though their widths
-- be equal. A column without any vector is free for another model, unless it is being filled by a re-embedding.
CREATE FUNCTION pgvec._fix_model_v2(p_sync integer, p_name text, p_revision text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    sync pgvec.embedding_sync;
    known pgvec.embedding_model;
    filled boolean;
BEGIN
    SELECT s.* INTO sync FROM pgvec.embedding_sync AS s WHERE s.id = p_sync;
    IF sync.id IS NULL THEN
        RETURN;
    END IF;
    SELECT m.* INTO known FROM pgvec.embedding_model AS m
     WHERE m.source_table = sync.source_table AND m.column_name = sync.target_column;
    IF (known.model_name, known.model_revision) IS DISTINCT FROM (p_name, p_revision) AND known.model_name IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s AS t WHERE t.%I IS NOT NULL)', sync.source_table, sync.target_column) INTO filled;
        IF NOT filled AND NOT EXISTS (SELECT FROM pgvec.reembedding AS r WHERE r.new_sync = sync.name AND r.stage <> 'finished') THEN
            DELETE FROM pgvec.embedding_model AS m WHERE m.source_table = sync.source_table AND m.column_name = sync.target_column;
        END IF;
    END IF;
    INSERT INTO pgvec.embedding_model (source_table, column_name, model_name, model_revision)
    VALUES (sync.source_table, sync.target_column, p_name, p_revision) ON CONFLICT DO NOTHING;
    SELECT m.* INTO known FROM pgvec.embedding_model AS m
     WHERE m.source_table = sync.source_table AND m.column_name = sync.target_column;
    IF (known.model_name, known.model_revision) IS DISTINCT FROM (p_name, p_revision) THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010',
            MESSAGE = format('%s was filled by the model %s, revision %s; the embedder %L of this worker is %s, revision %s',
                             sync.name, known.model_name, known.model_revision, sync.embedder, p_name, p_revision),
            HINT = 'Give the worker the same model, or change the model of the column:  pgvec reembed';
    END IF;
    UPDATE pgvec.embedding_sync AS s SET model_name = p_name, model_revision = p_revision
     WHERE s.id = p_sync AND (s.model_name, s.model_revision) IS DISTINCT FROM (p_name, p_revision);
END
$body$;

CREATE FUNCTION pgvec._find_reembedding_v1(p_table regclass, p_column text) RETURNS pgvec.reembedding
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    found_one pgvec.reembedding;
BEGIN
    SELECT r.* INTO found_one FROM pgvec.reembedding AS r WHERE r.source_table = p_table AND r.old_column = p_column;
    IF found_one.id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format('no re-embedding of %s.%I has begun', p_table, p_column),
            HINT = coalesce('There is one of: ' || (SELECT string_agg(format('%s.%I', r.source_table, r.old_column), ', ') FROM pgvec.reembedding AS r
                                                     WHERE r.stage <> 'finished'), 'There is none at all.');
    END IF;
    RETURN found_one;
END
$body$;

-- Add the new column and let a sync of its own follow the text, or go on with what was begun; returns the name of the sync.
--
-- The table is locked for a moment only, because no row is touched. Without source columns those of the old column's sync are taken.
CREATE FUNCTION pgvec._reembed_begin_v1(
    p_table regclass, p_old text, p_new text, p_type text, p_dimensions integer,
    p_embedder text, p_model text, p_revision text, p_source text[], p_template text
) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    begun pgvec.reembedding;
    known pgvec.embedding_model;
    following pgvec.embedding_sync;
    declared text;
    found_type text;
    old_storage "char";
    made text;
BEGIN
    SELECT m.* INTO known FROM pgvec.embedding_model AS m WHERE m.source_table = p_table AND m.column_name = p_new;
    SELECT r.* INTO begun FROM pgvec.reembedding AS r WHERE r.source_table = p_table AND r.old_column = p_old;
    IF begun.id IS NOT NULL THEN
        IF (begun.new_column, begun.embedder, known.model_name, known.model_revision) IS DISTINCT FROM (p_new, p_embedder, p_model, p_revision) THEN
            RAISE EXCEPTION USING ERRCODE = 'PV010',
                MESSAGE = format('%s.%I is being replaced by %I, with the embedder %L', p_table, p_old, begun.new_column, begun.embedder)
                          || CASE WHEN known.model_name IS NULL THEN '' ELSE format(' (%s, revision %s)', known.model_name, known.model_revision) END
                          || format('; not by %I with %L (%s, revision %s)', p_new, p_embedder, p_model, p_revision),
                HINT = 'Go on with the same embedder and column, or abandon it first.';
        END IF;
        RETURN begun.new_sync;
    END IF;
    SELECT m.* INTO known FROM pgvec.embedding_model AS m WHERE m.source_table = p_table AND m.column_name = p_old;
    IF (known.model_name, known.model_revision) IS NOT DISTINCT FROM (p_model, p_revision) THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010',
            MESSAGE = format('%s.%I is filled by %s, revision %s, already', p_table, p_old, p_model, p_revision);
    END IF;
    SELECT s.* INTO following FROM pgvec.embedding_sync AS s WHERE s.source_table = p_table AND s.target_column = p_old;
    IF p_source IS NULL AND following.id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010',
            MESSAGE = format('no sync says which columns %s.%I is made from', p_table, p_old), HINT = 'Name the source columns.';
    END IF;
    IF following.embedder = p_embedder THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010',
            MESSAGE = format('the old model of %s.%I is known to workers by the name %L too', p_table, p_old, p_embedder),
            HINT = 'Both models work side by side for a while: give the new one a name of its own.';
    END IF;
    SELECT a.attstorage, format('%I.%I(%s)', n.nspname, coalesce(p_type, t.typname), p_dimensions) INTO old_storage, declared
      FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid JOIN pg_namespace AS n ON n.oid = t.typnamespace
     WHERE a.attrelid = p_table AND a.attname = p_old AND NOT a.attisdropped AND t.typname IN ('vector', 'halfvec');
    IF declared IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format('%s has no column %L of the type vector or halfvec', p_table, p_old);
    END IF;
    EXECUTE format('ALTER TABLE %s ADD COLUMN IF NOT EXISTS %I %s', p_table, p_new, declared);
    SELECT format('%I.%I(%s)', n.nspname, t.typname, a.atttypmod) INTO found_type
      FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid JOIN pg_namespace AS n ON n.oid = t.typnamespace
     WHERE a.attrelid = p_table AND a.attname = p_new AND NOT a.attisdropped;
    IF found_type <> declared THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format('%s.%I exists, and is %s instead of %s', p_table, p_new, found_type, declared);
    END IF;
    -- The widest that fits into a page.
    IF old_storage = 'p' AND p_dimensions <= (CASE WHEN found_type LIKE '%halfvec(%' THEN 4060 ELSE 2030 END) THEN
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STORAGE PLAIN', p_table, p_new);
    END IF;
    made := pgvec.sync_create(p_table, coalesce(p_source, following.source_columns), p_new, p_embedder, NULL,
                              CASE WHEN p_source IS NULL THEN following.template ELSE p_template END, coalesce(following.priority, 0), 'none');
    UPDATE pgvec.embedding_sync AS s SET model_name = p_model, model_revision = p_revision WHERE s.name = made;
    INSERT INTO pgvec.embedding_model AS m (source_table, column_name, model_name, model_revision) VALUES (p_table, p_new, p_model, p_revision)
        ON CONFLICT (source_table, column_name) DO UPDATE SET model_name = excluded.model_name, model_revision = excluded.model_revision;
    INSERT INTO pgvec.reembedding (source_table, old_column, new_column, embedder, old_sync, new_sync)
    VALUES (p_table, p_old, p_new, p_embedder, following.name, made);
    RETURN made;
END
$body$;

-- Note every row that has no embedding by the new model. Writers are not in its way, nor it in theirs: the triggers are there.
CREATE FUNCTION pgvec._reembed_enqueue_v1(p_table regclass, p_old text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    begun pgvec.reembedding := pgvec._find_reembedding_v1(p_table, p_old);
BEGIN
    UPDATE pgvec.reembedding AS r SET stage = 'filling', enqueued_at = now() WHERE r.id = begun.id AND r.stage = 'begun';
    IF FOUND THEN
        PERFORM pgvec._backfill_v1(pgvec._find_sync_v1(begun.new_sync), 'missing');
    END IF;
END
$body$;

-- How many of the rows that were noted in the beginning still wait, and how many rows were given up.
CREATE FUNCTION pgvec._reembed_left_v1(p_table regclass, p_old text, OUT waiting bigint, OUT parked bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    begun pgvec.reembedding := pgvec._find_reembedding_v1(p_table, p_old);
    sync pgvec.embedding_sync := pgvec._find_sync_v1(begun.new_sync);
BEGIN
    SELECT count(*) FILTER (WHERE NOT o.parked AND o.enqueued_at <= begun.enqueued_at), count(*) FILTER (WHERE o.parked)
      INTO waiting, parked FROM pgvec.embedding_outbox AS o WHERE o.sync_id = sync.id;
    waiting := waiting + (SELECT coalesce(sum(b.row_count), 0) FROM pgvec.embedding_batch AS b
                           WHERE b.sync_id = sync.id AND b.enqueued_at <= begun.enqueued_at);
END
$body$;

-- How many rows there are, and how many have an embedding by the old model, a text, and none by the new one, although they have
-- not been changed since it began: those are on their way, as such rows always are. Reads the whole table.
CREATE FUNCTION pgvec._reembed_coverage_v1(p_table regclass, p_old text, OUT row_count bigint, OUT missing bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex'
AS $body$
DECLARE
    begun pgvec.reembedding := pgvec._find_reembedding_v1(p_table, p_old);
    sync pgvec.embedding_sync := pgvec._find_sync_v1(begun.new_sync);
BEGIN
    EXECUTE format(
        'SELECT count(*), count(*) FILTER (WHERE t.%1$I IS NULL AND t.%2$I IS NOT NULL AND %3$s ~ ''\S'''
        ' AND NOT EXISTS (SELECT FROM pgvec.embedding_outbox AS o WHERE o.sync_id = $1 AND o.key = %4$s AND NOT o.parked'
        ' AND o.enqueued_at > $2)) FROM %5$s AS t',
        begun.new_column, begun.old_column, pgvec._document_v1(sync.source_table, sync.source_columns, sync.template, 't'),
        pgvec._key_v1(sync.source_table, sync.key_columns, 't'), p_table)
       INTO row_count, missing USING sync.id, begun.enqueued_at;
END
$body$;

-- Note that the new column holds every row, so that searches may use it.
CREATE FUNCTION pgvec._reembed_whole_v1(p_table regclass, p_old text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    begun pgvec.reembedding := pgvec._find_reembedding_v1(p_table, p_old);
BEGIN
    UPDATE pgvec.reembedding AS r SET stage = 'ready', whole = true WHERE r.id = begun.id AND r.stage = 'filling';
END
$body$;

-- Make the new column the current one.
CREATE FUNCTION pgvec.reembed_switch(source_table regclass, old_column text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    begun pgvec.reembedding := pgvec._find_reembedding_v1($1, $2);
BEGIN
    UPDATE pgvec.reembedding AS r SET stage = 'switched', switched_at = clock_timestamp() WHERE r.id = begun.id AND r.stage = 'ready';
    IF NOT FOUND AND begun.stage <> 'switched' THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format('%s.%I cannot be switched to %I: the re-embedding is %s', $1, $2, begun.new_column, begun.stage);
    END IF;
END
$body$;

-- Make the old column the current one again. It was kept in step meanwhile.
CREATE FUNCTION pgvec.reembed_rollback(source_table regclass, old_column text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    begun pgvec.reembedding := pgvec._find_reembedding_v1($1, $2);
BEGIN
    UPDATE pgvec.reembedding AS r SET stage = 'ready', switched_at = NULL WHERE r.id = begun.id AND r.stage = 'switched';
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format('%s.%I was not switched, so there is nothing to take back: the re-embedding is %s', $1, $2, begun.stage);
    END IF;
END
$body$;

-- Drop the old column with its sync and its indexes. Processes may still search it for as long as they trust what they know.
CREATE FUNCTION pgvec.reembed_clean_up(source_table regclass, old_column text, patience interval DEFAULT '5 minutes') RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    begun pgvec.reembedding := pgvec._find_reembedding_v1($1, $2);
BEGIN
    IF begun.stage <> 'switched' THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format('the old column %s.%I can go once the new one is current: the re-embedding is %s', $1, $2, begun.stage);
    END IF;
    IF begun.switched_at > clock_timestamp() - $3 THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010',
            MESSAGE = format('%s.%I was switched %s seconds ago, and processes may search the old column for %s seconds', $1, $2,
                             extract(epoch FROM clock_timestamp() - begun.switched_at)::integer, extract(epoch FROM $3)::integer),
            HINT = 'Try again then.';
    END IF;
    EXECUTE format('ALTER TABLE %s DROP COLUMN %I', $1, $2);
    IF EXISTS (SELECT FROM pgvec.embedding_sync AS s WHERE s.name = begun.old_sync) THEN
        PERFORM pgvec.sync_drop(begun.old_sync);
    END IF;
    DELETE FROM pgvec.embedding_model AS m WHERE m.source_table = $1 AND m.column_name = $2;
    UPDATE pgvec.reembedding AS r SET stage = 'finished', finished_at = clock_timestamp() WHERE r.id = begun.id;
END
$body$;

-- Drop the new column with its sync and its indexes, and forget the re-embedding.
CREATE FUNCTION pgvec.reembed_abandon(source_table regclass, old_column text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    begun pgvec.reembedding := pgvec._find_reembedding_v1($1, $2);
BEGIN
    IF begun.stage IN ('switched', 'finished') THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format('the new column of %s.%I is the current one', $1, $2), HINT = 'Take the switch back first.';
    END IF;
    EXECUTE format('ALTER TABLE %s DROP COLUMN IF EXISTS %I', $1, begun.new_column);
    IF EXISTS (SELECT FROM pgvec.embedding_sync AS s WHERE s.name = begun.new_sync) THEN
        PERFORM pgvec.sync_drop(begun.new_sync);
    END IF;
    DELETE FROM pgvec.embedding_model AS m WHERE m.source_table = $1 AND m.column_name = begun.new_column;
    DELETE FROM pgvec.reembedding AS r WHERE r.id = begun.id;
END
$body$;

-- The column to search in place of one that is, or was, replaced.
CREATE FUNCTION pgvec.current_column(source_table regclass, column_name text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    answer text := $2;
    step text;
BEGIN
    SELECT r.old_column INTO step FROM pgvec.reembedding AS r WHERE r.source_table = $1 AND r.new_column = answer AND r.stage NOT IN ('switched', 'finished');
    answer := coalesce(step, answer);
    LOOP
        SELECT r.new_column INTO step FROM pgvec.reembedding AS r WHERE r.source_table = $1 AND r.old_column = answer AND r.stage IN ('switched', 'finished');
        EXIT WHEN NOT FOUND;
        answer := step;
    END LOOP;
    RETURN answer;
END
$body$;
