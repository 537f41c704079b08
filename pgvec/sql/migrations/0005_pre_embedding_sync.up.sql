-- Embeddings that follow their text: declarations, the outbox that triggers fill, and what workers call.
--
-- Names that begin with "_" are called by triggers and workers and carry a version; the others are for people and migrations.
-- Own error code: PV010, a declaration or call that cannot be carried out.
--
-- Rows are known by their primary key, written as text: one outbox then serves tables with every kind of key. Functions that
-- write keys fix the settings that decide how values look as text.

-- Versions and claim tokens need to be unique, not dense: so sessions take them in blocks.
CREATE SEQUENCE pgvec.embedding_version CACHE 64;

CREATE TABLE pgvec.embedding_sync (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    source_table regclass NOT NULL,
    key_columns text[] NOT NULL,
    source_columns text[] NOT NULL,
    template text,
    target_column text NOT NULL,
    embedder text NOT NULL,
    priority integer NOT NULL DEFAULT 0,
    paused boolean NOT NULL DEFAULT false,
    model_name text,
    model_revision text,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    UNIQUE (source_table, target_column)
);

CREATE TABLE pgvec.embedding_outbox (
    sync_id integer NOT NULL,
    key text[] NOT NULL,
    version bigint NOT NULL DEFAULT pg_catalog.nextval('pgvec.embedding_version'),
    enqueued_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    enqueued_by xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    ready_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    attempts integer NOT NULL DEFAULT 0,
    claim_token bigint,
    parked boolean NOT NULL DEFAULT false,
    error text,
    PRIMARY KEY (sync_id, key)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

CREATE INDEX embedding_outbox_ready ON pgvec.embedding_outbox (sync_id, ready_at) WHERE NOT parked;

-- Keys of rows that one large INSERT or COPY wrote: an outbox row for each would double the cost of the load.
CREATE TABLE pgvec.embedding_batch (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sync_id integer NOT NULL,
    enqueued_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    row_count integer NOT NULL,
    keys text[] NOT NULL,
    moved integer NOT NULL DEFAULT 0
);

-- Compressing the keys would cost a load more than writing them.
ALTER TABLE pgvec.embedding_batch ALTER COLUMN keys SET STORAGE EXTERNAL;

CREATE INDEX embedding_batch_sync ON pgvec.embedding_batch (sync_id, id);

CREATE TABLE pgvec.embedding_state (
    sync_id integer NOT NULL,
    key text[] NOT NULL,
    source_hash bytea NOT NULL,
    embedded_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (sync_id, key)
);

CREATE TABLE pgvec.embedding_worker (
    id uuid PRIMARY KEY,
    host text NOT NULL,
    process_id integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    seen_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    stopped_at timestamptz,
    embedded bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    retried bigint NOT NULL DEFAULT 0,
    parked bigint NOT NULL DEFAULT 0
);

COMMENT ON SEQUENCE pgvec.embedding_version IS 'Versions of texts and tokens of claims.';

COMMENT ON TABLE pgvec.embedding_sync IS 'Embeddings that follow their text, one declaration each; written by pgvec.sync_create().';
COMMENT ON COLUMN pgvec.embedding_sync.id IS 'Number that outbox, state and the names of the triggers carry.';
COMMENT ON COLUMN pgvec.embedding_sync.name IS 'Name for people and for the triggers; schema.table.column unless another was given.';
COMMENT ON COLUMN pgvec.embedding_sync.source_table IS 'Table whose rows are embedded.';
COMMENT ON COLUMN pgvec.embedding_sync.key_columns IS 'Columns of its primary key, by which rows are known here.';
COMMENT ON COLUMN pgvec.embedding_sync.source_columns IS 'Columns that the text is made from.';
COMMENT ON COLUMN pgvec.embedding_sync.template IS 'Text with {column} for values; NULL puts the columns one after the other, an empty line between them.';
COMMENT ON COLUMN pgvec.embedding_sync.target_column IS 'Vector column that takes the embeddings.';
COMMENT ON COLUMN pgvec.embedding_sync.embedder IS 'Name that a worker resolves; addresses and keys of models are never stored here.';
COMMENT ON COLUMN pgvec.embedding_sync.priority IS 'Workers turn to a sync of higher priority first.';
COMMENT ON COLUMN pgvec.embedding_sync.paused IS 'Whether workers leave it alone; changes are still written down.';
COMMENT ON COLUMN pgvec.embedding_sync.model_name IS 'Model that filled the column; a worker with another is refused.';
COMMENT ON COLUMN pgvec.embedding_sync.model_revision IS 'Revision of that model.';
COMMENT ON COLUMN pgvec.embedding_sync.created_at IS 'When it was declared.';

COMMENT ON TABLE pgvec.embedding_outbox IS 'Rows whose text changed after their embedding was made, one entry for each row and sync.';
COMMENT ON COLUMN pgvec.embedding_outbox.sync_id IS 'The sync.';
COMMENT ON COLUMN pgvec.embedding_outbox.key IS 'Primary key of the row, each column as text.';
COMMENT ON COLUMN pgvec.embedding_outbox.version IS 'Another number for each change of the text; a worker writes only for the number that it read.';
COMMENT ON COLUMN pgvec.embedding_outbox.enqueued_at IS 'Start of the transaction that changed the text.';
COMMENT ON COLUMN pgvec.embedding_outbox.enqueued_by IS 'That transaction.';
COMMENT ON COLUMN pgvec.embedding_outbox.ready_at IS 'When the row may be claimed: at once, after a pause, or when the lease of its claim ends.';
COMMENT ON COLUMN pgvec.embedding_outbox.attempts IS 'Charged when the row is claimed, so that a death of the worker counts too.';
COMMENT ON COLUMN pgvec.embedding_outbox.claim_token IS 'Which claim holds the row; a worker whose lease ended finds another token and is refused.';
COMMENT ON COLUMN pgvec.embedding_outbox.parked IS 'Whether workers have given the row up.';
COMMENT ON COLUMN pgvec.embedding_outbox.error IS 'Why the last attempt failed.';

COMMENT ON TABLE pgvec.embedding_batch IS 'Keys of rows written by large statements, before a worker moves them into the outbox.';
COMMENT ON COLUMN pgvec.embedding_batch.id IS 'Order in which they came.';
COMMENT ON COLUMN pgvec.embedding_batch.sync_id IS 'The sync.';
COMMENT ON COLUMN pgvec.embedding_batch.enqueued_at IS 'Start of the transaction that wrote the rows.';
COMMENT ON COLUMN pgvec.embedding_batch.row_count IS 'How many rows have not been moved yet.';
COMMENT ON COLUMN pgvec.embedding_batch.moved IS 'How many rows have been moved into the outbox.';
COMMENT ON COLUMN pgvec.embedding_batch.keys IS 'Keys one after the other; a key of two columns takes two elements. None: look for rows that are gone.';

COMMENT ON TABLE pgvec.embedding_state IS 'What the stored embeddings were made from.';
COMMENT ON COLUMN pgvec.embedding_state.sync_id IS 'The sync.';
COMMENT ON COLUMN pgvec.embedding_state.key IS 'Primary key of the row, each column as text.';
COMMENT ON COLUMN pgvec.embedding_state.source_hash IS 'SHA-256 of the text, in UTF-8.';
COMMENT ON COLUMN pgvec.embedding_state.embedded_at IS 'Start of the transaction that wrote the embedding.';

COMMENT ON TABLE pgvec.embedding_worker IS 'Workers, when they were last seen, and what they did.';
COMMENT ON COLUMN pgvec.embedding_worker.id IS 'The worker.';
COMMENT ON COLUMN pgvec.embedding_worker.host IS 'Where it runs.';
COMMENT ON COLUMN pgvec.embedding_worker.process_id IS 'Its process there.';
COMMENT ON COLUMN pgvec.embedding_worker.started_at IS 'When it began.';
COMMENT ON COLUMN pgvec.embedding_worker.seen_at IS 'When it last did something.';
COMMENT ON COLUMN pgvec.embedding_worker.stopped_at IS 'When it ended in order; NULL while it runs, and where it was killed.';
COMMENT ON COLUMN pgvec.embedding_worker.embedded IS 'Embeddings written.';
COMMENT ON COLUMN pgvec.embedding_worker.unchanged IS 'Rows that needed none, because their text was as before, empty or gone.';
COMMENT ON COLUMN pgvec.embedding_worker.refused IS 'Results refused, because the text had changed or another worker held the row meanwhile.';
COMMENT ON COLUMN pgvec.embedding_worker.retried IS 'Rows given back to be tried again.';
COMMENT ON COLUMN pgvec.embedding_worker.parked IS 'Rows given up.';

-- What is embedded -------------------------------------------------------------------------------------------------------------

-- The expression that gives a column as text, '' for NULL. For types of Postgres itself a cast, which is quick; for others the
-- output function: anybody may define a cast to text for a type of his own, and a trigger would run it as the owner of this schema.
CREATE FUNCTION pgvec._text_v1(p_table regclass, p_column text, p_alias text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $body$
    SELECT format(CASE WHEN EXISTS (
                      SELECT FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
                       WHERE a.attrelid = p_table AND a.attname = p_column AND t.oid < 16384 AND t.typtype = 'b' AND t.typcategory <> 'A')
                  THEN 'coalesce(%s.%I::pg_catalog.text, '''')' ELSE 'pg_catalog.format(''%%s'', %s.%I)' END, p_alias, p_column)
$body$;

-- The expression that gives the text to embed for a row "alias": the columns that are not empty, with an empty line between
-- them, or a template in which {column} stands for a value, {{ and }} for braces. A row whose columns are all empty has the text ''.
CREATE FUNCTION pgvec._document_v1(p_table regclass, p_columns text[], p_template text, p_alias text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    every_value text;
    part text[];
    pieces text[] := '{}';
BEGIN
    SELECT string_agg(pgvec._text_v1(p_table, c, p_alias), ', ' ORDER BY n)
      INTO every_value FROM unnest(p_columns) WITH ORDINALITY AS u(c, n);
    IF p_template IS NULL THEN
        IF cardinality(p_columns) = 1 THEN
            RETURN every_value;
        END IF;
        RETURN (SELECT format('pg_catalog.concat_ws(E''\n\n'', %s)', string_agg(format('nullif(%s, '''')', pgvec._text_v1(p_table, c, p_alias)), ', ' ORDER BY n))
                  FROM unnest(p_columns) WITH ORDINALITY AS u(c, n));
    END IF;
    FOR part IN SELECT regexp_matches(p_template, '(\{\{|\}\})|\{([^{}]+)\}|([^{}]+)|(.)', 'g') LOOP
        IF part[1] IS NOT NULL THEN
            pieces := pieces || quote_literal(left(part[1], 1));
        ELSIF part[2] IS NOT NULL THEN
            IF part[2] <> ALL (p_columns) THEN
                RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format(
                    'the template names {%s}, which is none of the source columns (%s)', part[2], array_to_string(p_columns, ', '));
            END IF;
            pieces := pieces || pgvec._text_v1(p_table, part[2], p_alias);
        ELSIF part[3] IS NOT NULL THEN
            pieces := pieces || quote_literal(part[3]);
        ELSE
            RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format(
                'the template %L has a brace without its partner; {{ and }} stand for braces', p_template);
        END IF;
    END LOOP;
    RETURN format('CASE WHEN pg_catalog.concat(%s) = '''' THEN '''' ELSE pg_catalog.concat(%s) END',
                  every_value, array_to_string(pieces, ', '));
END
$body$;

-- The expression that gives the key of a row "alias" as text[].
CREATE FUNCTION pgvec._key_v1(p_table regclass, p_columns text[], p_alias text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $body$
    SELECT format('ARRAY[%s]', string_agg(pgvec._text_v1(p_table, c, p_alias), ', ' ORDER BY n))
      FROM unnest(p_columns) WITH ORDINALITY AS u(c, n)
$body$;

-- The aggregate that collects the keys of all rows "alias", one after the other.
CREATE FUNCTION pgvec._all_keys_v1(p_table regclass, p_columns text[], p_alias text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $body$
    SELECT CASE WHEN cardinality(p_columns) = 1 THEN format('pg_catalog.array_agg(%s)', pgvec._text_v1(p_table, p_columns[1], p_alias))
                ELSE format('pg_catalog.array_agg(%s)', pgvec._key_v1(p_table, p_columns, p_alias)) END
$body$;

-- The condition that a row "alias" has a key, which an index on the primary key can answer.
CREATE FUNCTION pgvec._has_key_v1(p_table regclass, p_columns text[], p_alias text, p_key text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $body$
    SELECT string_agg(
               format('%s.%I OPERATOR(pg_catalog.=) (%s)[%s]::%s', p_alias, c, p_key, n, format_type(a.atttypid, a.atttypmod)),
               ' AND ' ORDER BY n)
      FROM unnest(p_columns) WITH ORDINALITY AS u(c, n)
      JOIN pg_attribute AS a ON a.attrelid = p_table AND a.attname = c AND NOT a.attisdropped
$body$;

-- Capture ----------------------------------------------------------------------------------------------------------------------
--
-- One trigger for each event, at the level of statements: Postgres refuses transition tables with several events, with column
-- lists and on TRUNCATE. They run as the owner of the schema, so that a role needs no privilege here to write its own table.

CREATE FUNCTION pgvec._capture_insert_v1() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex'
AS $body$
DECLARE
    sync pgvec.embedding_sync;
    written bigint;
    keys text[] := '{}';
    one text[];
BEGIN
    SELECT * INTO sync FROM pgvec.embedding_sync WHERE name = TG_ARGV[0];
    IF sync.id IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT count(*) INTO written FROM pgvec_new;
    IF written > 200000 THEN
        -- Row by row takes longer, but no more memory however many rows there are.
        FOR one IN EXECUTE format('SELECT %s FROM pgvec_new AS n', pgvec._key_v1(sync.source_table, sync.key_columns, 'n')) LOOP
            keys := keys || one;
            IF cardinality(keys) >= 100000 THEN
                PERFORM pgvec._note_batch_v1(sync.id, cardinality(sync.key_columns), keys);
                keys := '{}';
            END IF;
        END LOOP;
        PERFORM pgvec._note_batch_v1(sync.id, cardinality(sync.key_columns), keys);
        PERFORM pg_notify('pgvec_sync', sync.id::text);
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT %s FROM pgvec_new AS n', pgvec._all_keys_v1(sync.source_table, sync.key_columns, 'n')) INTO keys;
    IF written = 0 THEN
        RETURN NULL;
    END IF;
    IF written < 1000 THEN
        INSERT INTO pgvec.embedding_outbox AS o (sync_id, key)
        SELECT sync.id, k.key FROM pgvec._keys_v1(cardinality(sync.key_columns), keys) AS k
            ON CONFLICT (sync_id, key) DO UPDATE
               SET version = excluded.version, enqueued_at = excluded.enqueued_at, enqueued_by = excluded.enqueued_by,
                   ready_at = excluded.ready_at, attempts = 0, claim_token = NULL, parked = false, error = NULL;
    ELSE
        PERFORM pgvec._note_batch_v1(sync.id, cardinality(sync.key_columns), keys);
    END IF;
    PERFORM pg_notify('pgvec_sync', sync.id::text);
    RETURN NULL;
END
$body$;

CREATE FUNCTION pgvec._capture_update_v1() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex'
AS $body$
DECLARE
    sync pgvec.embedding_sync;
    changed bigint;
    left_behind text[];
BEGIN
    SELECT * INTO sync FROM pgvec.embedding_sync WHERE name = TG_ARGV[0];
    IF sync.id IS NULL THEN
        RETURN NULL;
    END IF;
    -- A text is compared byte by byte: a collation may call texts equal that a model tells apart.
    EXECUTE format(
        'INSERT INTO pgvec.embedding_outbox AS o (sync_id, key)'
        ' SELECT $1, n.key FROM (SELECT %1$s AS key, %2$s AS document FROM pgvec_new AS n) AS n'
        '  LEFT JOIN (SELECT %3$s AS key, %4$s AS document FROM pgvec_old AS p) AS p ON p.key = n.key'
        ' WHERE p.document COLLATE "C" IS DISTINCT FROM n.document COLLATE "C"'
        ' ON CONFLICT (sync_id, key) DO UPDATE SET version = excluded.version, enqueued_at = excluded.enqueued_at,'
        ' enqueued_by = excluded.enqueued_by, ready_at = excluded.ready_at, attempts = 0, claim_token = NULL, parked = false,'
        ' error = NULL',
        pgvec._key_v1(sync.source_table, sync.key_columns, 'n'), pgvec._document_v1(sync.source_table, sync.source_columns, sync.template, 'n'),
        pgvec._key_v1(sync.source_table, sync.key_columns, 'p'), pgvec._document_v1(sync.source_table, sync.source_columns, sync.template, 'p')) USING sync.id;
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF changed > 0 THEN
        PERFORM pg_notify('pgvec_sync', sync.id::text);
        -- Where a key changed, its new value is among the rows just written, and the old one has to go.
        EXECUTE format(
            'SELECT array_agg(g.key) FROM (SELECT %s AS key FROM pgvec_old AS p EXCEPT SELECT %s FROM pgvec_new AS n) AS g',
            pgvec._key_v1(sync.source_table, sync.key_columns, 'p'), pgvec._key_v1(sync.source_table, sync.key_columns, 'n')) INTO left_behind;
        IF left_behind IS NOT NULL THEN
            PERFORM pgvec._forget_v1(sync.id, cardinality(sync.key_columns), left_behind);
        END IF;
    END IF;
    RETURN NULL;
END
$body$;

CREATE FUNCTION pgvec._capture_delete_v1() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex'
AS $body$
DECLARE
    sync pgvec.embedding_sync;
    gone text[];
BEGIN
    SELECT * INTO sync FROM pgvec.embedding_sync WHERE name = TG_ARGV[0];
    IF sync.id IS NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT array_agg(%s) FROM pgvec_old AS p', pgvec._key_v1(sync.source_table, sync.key_columns, 'p')) INTO gone;
    IF gone IS NOT NULL THEN
        PERFORM pgvec._forget_v1(sync.id, cardinality(sync.key_columns), gone);
    END IF;
    RETURN NULL;
END
$body$;

-- Whoever truncates holds the table exclusively, so no row of it is being written; a claim takes the table before the outbox, so
-- neither waits for the other in a circle. Of a partition the keys cannot be told: a batch without any has a worker look.
CREATE FUNCTION pgvec._capture_truncate_v1() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    sync pgvec.embedding_sync;
BEGIN
    SELECT * INTO sync FROM pgvec.embedding_sync WHERE name = TG_ARGV[0];
    IF sync.id IS NULL THEN
        RETURN NULL;
    END IF;
    IF sync.source_table = TG_RELID THEN
        DELETE FROM pgvec.embedding_outbox WHERE sync_id = sync.id;
        DELETE FROM pgvec.embedding_batch WHERE sync_id = sync.id;
        DELETE FROM pgvec.embedding_state WHERE sync_id = sync.id;
    ELSE
        INSERT INTO pgvec.embedding_batch (sync_id, row_count, keys) VALUES (sync.id, 0, '{}');
        PERFORM pg_notify('pgvec_sync', sync.id::text);
    END IF;
    RETURN NULL;
END
$body$;

CREATE FUNCTION pgvec._note_batch_v1(p_sync integer, p_width integer, p_keys text[]) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $body$
    INSERT INTO pgvec.embedding_batch (sync_id, row_count, keys)
    SELECT p_sync, cardinality(p_keys) / p_width, p_keys WHERE cardinality(p_keys) > 0
$body$;

-- Keys, one after the other, as rows.
CREATE FUNCTION pgvec._keys_v1(p_width integer, p_keys text[]) RETURNS TABLE (key text[])
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $body$
    SELECT array_agg(u.v ORDER BY u.n) FROM unnest(p_keys) WITH ORDINALITY AS u(v, n) GROUP BY (u.n - 1) / p_width
$body$;

-- A row that this transaction has also enqueued may be there again under its key: that one is left for a worker to look at.
CREATE FUNCTION pgvec._forget_v1(p_sync integer, p_width integer, p_keys text[]) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $body$
    DELETE FROM pgvec.embedding_outbox AS o USING pgvec._keys_v1(p_width, p_keys) AS k
     WHERE o.sync_id = p_sync AND o.key = k.key AND o.enqueued_by <> pg_current_xact_id();
    DELETE FROM pgvec.embedding_state AS s USING pgvec._keys_v1(p_width, p_keys) AS k
     WHERE s.sync_id = p_sync AND s.key = k.key;
$body$;

REVOKE ALL ON FUNCTION pgvec._capture_insert_v1(), pgvec._capture_update_v1(), pgvec._capture_delete_v1(),
    pgvec._capture_truncate_v1() FROM PUBLIC;

-- Declarations -----------------------------------------------------------------------------------------------------------------

CREATE FUNCTION pgvec._find_sync_v1(p_name text) RETURNS pgvec.embedding_sync
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    sync pgvec.embedding_sync;
BEGIN
    SELECT * INTO sync FROM pgvec.embedding_sync WHERE name = p_name;
    IF sync.id IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format('there is no embedding sync %L', p_name),
            HINT = coalesce('There are: ' || (SELECT string_agg(name, ', ' ORDER BY name) FROM pgvec.embedding_sync), 'There is none at all.');
    END IF;
    RETURN sync;
END
$body$;

-- The table, its partitions and the tables that inherit from it.
CREATE FUNCTION pgvec._tree_v1(p_table regclass) RETURNS TABLE (member regclass)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $body$
    WITH RECURSIVE tree AS (
        SELECT p_table::oid AS member
        UNION
        SELECT i.inhrelid FROM pg_inherits AS i JOIN tree AS t ON i.inhparent = t.member
    )
    SELECT c.oid::regclass FROM tree JOIN pg_class AS c ON c.oid = tree.member WHERE c.relkind IN ('r', 'p')
$body$;

-- Create the triggers of a sync where they are missing, and return how many tables got some.
CREATE FUNCTION pgvec._install_triggers_v1(p_sync pgvec.embedding_sync) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    place regclass;
    installed integer := 0;
BEGIN
    FOR place IN
        SELECT t.member FROM pgvec._tree_v1(p_sync.source_table) AS t
         WHERE NOT EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = t.member AND g.tgname = format('pgvec_sync_%s_insert', p_sync.id))
    LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON %s REFERENCING NEW TABLE AS pgvec_new'
            ' FOR EACH STATEMENT EXECUTE FUNCTION pgvec._capture_insert_v1(%L)', format('pgvec_sync_%s_insert', p_sync.id), place, p_sync.name);
        EXECUTE format('CREATE TRIGGER %I AFTER UPDATE ON %s REFERENCING OLD TABLE AS pgvec_old NEW TABLE AS pgvec_new'
            ' FOR EACH STATEMENT EXECUTE FUNCTION pgvec._capture_update_v1(%L)', format('pgvec_sync_%s_update', p_sync.id), place, p_sync.name);
        EXECUTE format('CREATE TRIGGER %I AFTER DELETE ON %s REFERENCING OLD TABLE AS pgvec_old'
            ' FOR EACH STATEMENT EXECUTE FUNCTION pgvec._capture_delete_v1(%L)', format('pgvec_sync_%s_delete', p_sync.id), place, p_sync.name);
        EXECUTE format('CREATE TRIGGER %I AFTER TRUNCATE ON %s'
            ' FOR EACH STATEMENT EXECUTE FUNCTION pgvec._capture_truncate_v1(%L)', format('pgvec_sync_%s_truncate', p_sync.id), place, p_sync.name);
        installed := installed + 1;
    END LOOP;
    RETURN installed;
END
$body$;

CREATE FUNCTION pgvec._drop_triggers_v1(p_sync pgvec.embedding_sync) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT g.tgname, g.tgrelid::regclass AS place FROM pg_trigger AS g
         WHERE g.tgname = ANY (ARRAY[format('pgvec_sync_%s_insert', p_sync.id), format('pgvec_sync_%s_update', p_sync.id),
                                     format('pgvec_sync_%s_delete', p_sync.id), format('pgvec_sync_%s_truncate', p_sync.id)])
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', found.tgname, found.place);
    END LOOP;
END
$body$;

-- Refuse a declaration that cannot work, and return the columns of the primary key.
CREATE FUNCTION pgvec._check_sync_v1(p_table regclass, p_columns text[], p_template text, p_target text) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    key_columns text[];
    missing text;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = p_table) NOT IN ('r', 'p') THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format('%s is no table, and only the writes to a table can be followed', p_table);
    END IF;
    SELECT array_agg(a.attname::text ORDER BY u.n) INTO key_columns
      FROM pg_index AS i, unnest(i.indkey::int2[]) WITH ORDINALITY AS u(attnum, n), pg_attribute AS a
     WHERE i.indrelid = p_table AND i.indisprimary AND a.attrelid = p_table AND a.attnum = u.attnum;
    IF key_columns IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format('%s has no primary key, by which its rows could be told apart', p_table);
    END IF;
    IF coalesce(cardinality(p_columns), 0) = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = 'no source column is named';
    END IF;
    SELECT c INTO missing FROM unnest(p_columns || p_target) AS c
     WHERE NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = p_table AND a.attname = c AND a.attnum > 0 AND NOT a.attisdropped)
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format('%s has no column %L', p_table, missing);
    END IF;
    IF p_target = ANY (p_columns) THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format('the column %L cannot be made from itself', p_target);
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
          JOIN pg_depend AS d ON d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
          JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND e.extname = 'vector'
         WHERE a.attrelid = p_table AND a.attname = p_target AND t.typname IN ('vector', 'halfvec'))
    THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format('the column %L of %s is neither vector nor halfvec', p_target, p_table);
    END IF;
    -- Raises where the template is wrong.
    PERFORM pgvec._document_v1(p_table, p_columns, p_template, 't');
    RETURN key_columns;
END
$body$;

-- Declare that a vector column follows text columns, and return the name of the sync.
--
-- Calling it again with the same arguments changes nothing; with another template or other columns, rows whose text is another
-- now are enqueued. backfill: which rows that are there already to enqueue, 'missing' (without an embedding), 'all' or 'none'.
CREATE FUNCTION pgvec.sync_create(
    source_table regclass,
    source_columns text[],
    target_column text,
    embedder text,
    name text DEFAULT NULL,
    template text DEFAULT NULL,
    priority integer DEFAULT 0,
    backfill text DEFAULT 'all'
) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
#variable_conflict use_variable
DECLARE
    key_columns text[] := pgvec._check_sync_v1(source_table, source_columns, template, target_column);
    known pgvec.embedding_sync;
    sync pgvec.embedding_sync;
    chosen text := coalesce(name, (
        SELECT format('%s.%s.%s', n.nspname, c.relname, target_column) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE c.oid = source_table));
BEGIN
    IF coalesce(embedder, '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = 'no embedder is named';
    END IF;
    IF backfill IS NULL OR backfill NOT IN ('missing', 'all', 'none') THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format('backfill is %L; it must be missing, all or none', backfill);
    END IF;
    -- No row may be written between the first look at the table and the triggers.
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', source_table);
    SELECT s.* INTO known FROM pgvec.embedding_sync AS s WHERE s.name = chosen FOR UPDATE;
    IF known.id IS NULL THEN
        INSERT INTO pgvec.embedding_sync (name, source_table, key_columns, source_columns, template, target_column, embedder, priority)
        VALUES (chosen, source_table, key_columns, source_columns, template, target_column, embedder, priority) RETURNING * INTO sync;
        PERFORM pgvec._install_triggers_v1(sync);
        PERFORM pgvec._backfill_v1(sync, backfill);
        RETURN chosen;
    END IF;
    IF (known.source_table, known.target_column, known.embedder) IS DISTINCT FROM (source_table, target_column, embedder) THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010',
            MESSAGE = format('the embedding sync %L exists, for %s.%I by %L', chosen, known.source_table, known.target_column, known.embedder),
            HINT = 'Drop it first (pgvec.sync_drop), or give this one another name.';
    END IF;
    UPDATE pgvec.embedding_sync AS s SET key_columns = key_columns, source_columns = source_columns, template = template, priority = priority
     WHERE s.id = known.id RETURNING s.* INTO sync;
    PERFORM pgvec._install_triggers_v1(sync);
    IF (known.key_columns, known.source_columns, known.template) IS DISTINCT FROM (sync.key_columns, sync.source_columns, sync.template) THEN
        PERFORM pgvec.sync_reconcile(chosen);
    END IF;
    RETURN chosen;
END
$body$;

CREATE FUNCTION pgvec._backfill_v1(p_sync pgvec.embedding_sync, p_which text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex'
AS $body$
DECLARE
    keys text[] := '{}';
    one text[];
BEGIN
    IF p_which = 'none' THEN
        RETURN;
    END IF;
    FOR one IN EXECUTE format(
        'SELECT %s FROM %s AS t WHERE %s', pgvec._key_v1(p_sync.source_table, p_sync.key_columns, 't'), p_sync.source_table,
        CASE WHEN p_which = 'all' THEN 'true' ELSE format('t.%I IS NULL', p_sync.target_column) END)
    LOOP
        keys := keys || one;
        IF cardinality(keys) >= 100000 THEN
            PERFORM pgvec._note_batch_v1(p_sync.id, cardinality(p_sync.key_columns), keys);
            keys := '{}';
        END IF;
    END LOOP;
    PERFORM pgvec._note_batch_v1(p_sync.id, cardinality(p_sync.key_columns), keys);
    PERFORM pg_notify('pgvec_sync', p_sync.id::text);
END
$body$;

-- Forget what is known of rows that are no more.
CREATE FUNCTION pgvec._sweep_v1(p_sync pgvec.embedding_sync) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex'
AS $body$
BEGIN
    EXECUTE format(
        'DELETE FROM pgvec.embedding_state AS s WHERE s.sync_id = $1 AND NOT EXISTS (SELECT FROM %s AS t WHERE %s = s.key)',
        p_sync.source_table, pgvec._key_v1(p_sync.source_table, p_sync.key_columns, 't')) USING p_sync.id;
END
$body$;

-- Forget a sync: its triggers, and what was pending. The embeddings stay.
CREATE FUNCTION pgvec.sync_drop(name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    sync pgvec.embedding_sync := pgvec._find_sync_v1($1);
BEGIN
    PERFORM pgvec._drop_triggers_v1(sync);
    DELETE FROM pgvec.embedding_sync AS s WHERE s.id = sync.id;
    DELETE FROM pgvec.embedding_outbox AS o WHERE o.sync_id = sync.id;
    DELETE FROM pgvec.embedding_batch AS b WHERE b.sync_id = sync.id;
    DELETE FROM pgvec.embedding_state AS t WHERE t.sync_id = sync.id;
END
$body$;

-- Let workers leave a sync alone; changes are still written down.
CREATE FUNCTION pgvec.sync_pause(name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    sync pgvec.embedding_sync := pgvec._find_sync_v1($1);
BEGIN
    UPDATE pgvec.embedding_sync AS s SET paused = true WHERE s.id = sync.id;
END
$body$;

CREATE FUNCTION pgvec.sync_resume(name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    sync pgvec.embedding_sync := pgvec._find_sync_v1($1);
BEGIN
    UPDATE pgvec.embedding_sync AS s SET paused = false WHERE s.id = sync.id;
    PERFORM pg_notify('pgvec_sync', sync.id::text);
END
$body$;

-- Try again at once what was parked or waits for its next attempt; returns how many rows.
CREATE FUNCTION pgvec.sync_retry(name text) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    sync pgvec.embedding_sync := pgvec._find_sync_v1($1);
    released bigint;
BEGIN
    UPDATE pgvec.embedding_outbox AS o
       SET parked = false, attempts = 0, ready_at = now(), enqueued_at = now(), error = NULL
     WHERE o.sync_id = sync.id AND (o.parked OR o.error IS NOT NULL) AND o.claim_token IS NULL;
    GET DIAGNOSTICS released = ROW_COUNT;
    PERFORM pg_notify('pgvec_sync', sync.id::text);
    RETURN released;
END
$body$;

-- Find what the triggers could not see: rows written with triggers disabled or by logical replication, partitions attached since.
-- Returns how many rows were enqueued.
CREATE FUNCTION pgvec.sync_reconcile(name text) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex'
AS $body$
DECLARE
    sync pgvec.embedding_sync := pgvec._find_sync_v1($1);
    enqueued bigint;
BEGIN
    PERFORM pgvec._install_triggers_v1(sync);
    EXECUTE format(
        'INSERT INTO pgvec.embedding_outbox AS o (sync_id, key)'
        ' SELECT $1, r.key FROM (SELECT %1$s AS key, %2$s AS document, t.%3$I IS NULL AS bare FROM %4$s AS t) AS r'
        '  LEFT JOIN pgvec.embedding_state AS s ON s.sync_id = $1 AND s.key = r.key'
        ' WHERE s.source_hash IS DISTINCT FROM sha256(convert_to(r.document, ''UTF8'')) OR (r.bare AND r.document <> '''')'
        ' ON CONFLICT DO NOTHING',
        pgvec._key_v1(sync.source_table, sync.key_columns, 't'), pgvec._document_v1(sync.source_table, sync.source_columns, sync.template, 't'), sync.target_column,
        sync.source_table) USING sync.id;
    GET DIAGNOSTICS enqueued = ROW_COUNT;
    PERFORM pgvec._sweep_v1(sync);
    PERFORM pg_notify('pgvec_sync', sync.id::text);
    RETURN enqueued;
END
$body$;

-- How many rows of a sync wait for their embedding (parked ones do not wait). Every role may ask.
CREATE FUNCTION pgvec.sync_backlog(name text) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    sync pgvec.embedding_sync := pgvec._find_sync_v1($1);
BEGIN
    RETURN (SELECT count(*) FROM pgvec.embedding_outbox AS o WHERE o.sync_id = sync.id AND NOT o.parked)
         + (SELECT coalesce(sum(b.row_count), 0) FROM pgvec.embedding_batch AS b WHERE b.sync_id = sync.id);
END
$body$;

CREATE VIEW pgvec.sync_status AS
SELECT s.name, s.source_table::text AS source_table, s.target_column, s.embedder, s.priority, s.paused, s.model_name, s.model_revision,
       o.waiting + b.loaded AS waiting, o.claimed, o.retrying, o.parked, least(o.oldest, b.oldest) AS oldest, o.error
  FROM pgvec.embedding_sync AS s
 CROSS JOIN LATERAL (
     SELECT count(*) FILTER (WHERE NOT p.parked AND p.claim_token IS NULL) AS waiting,
            count(*) FILTER (WHERE NOT p.parked AND p.claim_token IS NOT NULL) AS claimed,
            count(*) FILTER (WHERE NOT p.parked AND p.error IS NOT NULL) AS retrying,
            count(*) FILTER (WHERE p.parked) AS parked,
            min(p.enqueued_at) FILTER (WHERE NOT p.parked) AS oldest,
            (array_agg(p.error ORDER BY p.enqueued_at DESC) FILTER (WHERE p.error IS NOT NULL))[1] AS error
       FROM pgvec.embedding_outbox AS p WHERE p.sync_id = s.id) AS o
 CROSS JOIN LATERAL (
     SELECT coalesce(sum(l.row_count), 0)::bigint AS loaded, min(l.enqueued_at) AS oldest
       FROM pgvec.embedding_batch AS l WHERE l.sync_id = s.id) AS b;

COMMENT ON VIEW pgvec.sync_status IS 'Each sync, and how many rows wait, are claimed by a worker, failed before and are tried again, or are parked.';
COMMENT ON COLUMN pgvec.sync_status.name IS 'Name of the sync.';
COMMENT ON COLUMN pgvec.sync_status.source_table IS 'Table whose rows are embedded.';
COMMENT ON COLUMN pgvec.sync_status.target_column IS 'Vector column that takes the embeddings.';
COMMENT ON COLUMN pgvec.sync_status.embedder IS 'Name of the embedder.';
COMMENT ON COLUMN pgvec.sync_status.priority IS 'Workers turn to higher ones first.';
COMMENT ON COLUMN pgvec.sync_status.paused IS 'Whether workers leave it alone.';
COMMENT ON COLUMN pgvec.sync_status.model_name IS 'Model that filled the column.';
COMMENT ON COLUMN pgvec.sync_status.model_revision IS 'Revision of that model.';
COMMENT ON COLUMN pgvec.sync_status.waiting IS 'Rows that no worker has claimed.';
COMMENT ON COLUMN pgvec.sync_status.claimed IS 'Rows that a worker has claimed.';
COMMENT ON COLUMN pgvec.sync_status.retrying IS 'Rows, of both, that failed before.';
COMMENT ON COLUMN pgvec.sync_status.parked IS 'Rows that workers have given up.';
COMMENT ON COLUMN pgvec.sync_status.oldest IS 'Since when the oldest of the waiting and claimed rows has changed.';
COMMENT ON COLUMN pgvec.sync_status.error IS 'Latest error of a row.';

-- Workers ----------------------------------------------------------------------------------------------------------------------

-- Move the keys of one large write into the outbox; rows that are there already keep what they have.
CREATE FUNCTION pgvec._expand_v1(p_sync pgvec.embedding_sync) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    batch pgvec.embedding_batch;
    width CONSTANT integer := cardinality(p_sync.key_columns);
    step CONSTANT integer := 5000;
BEGIN
    SELECT * INTO batch FROM pgvec.embedding_batch AS b WHERE b.sync_id = p_sync.id ORDER BY b.id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF batch.id IS NULL THEN
        RETURN;
    END IF;
    IF batch.row_count = 0 THEN
        PERFORM pgvec._sweep_v1(p_sync);
    END IF;
    INSERT INTO pgvec.embedding_outbox (sync_id, key, enqueued_at, ready_at)
    SELECT p_sync.id, k.key, batch.enqueued_at, batch.enqueued_at
      FROM pgvec._keys_v1(width, (
               SELECT array_agg(u.v ORDER BY u.n) FROM unnest(batch.keys) WITH ORDINALITY AS u(v, n)
                WHERE u.n > batch.moved * width AND u.n <= (batch.moved + step) * width)) AS k
        ON CONFLICT DO NOTHING;
    IF batch.row_count > step THEN
        UPDATE pgvec.embedding_batch AS b SET moved = b.moved + step, row_count = b.row_count - step WHERE b.id = batch.id;
    ELSE
        DELETE FROM pgvec.embedding_batch AS b WHERE b.id = batch.id;
    END IF;
END
$body$;

-- Claim rows for one lease, and return them with their texts: {"token": n, "rows": [{"n", "key", "version", "attempts", "found",
-- "document", "stored_hash", "has_embedding"}]}. Runs in a transaction of its own, which ends before a model is called.
--
-- Rows that were claimed before without success come in ever smaller batches, so that one that kills its worker ends up alone.
CREATE FUNCTION pgvec._claim_v1(p_sync integer, p_size integer, p_lease interval, p_max_attempts integer) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD' SET timezone = 'UTC' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex'
AS $body$
DECLARE
    sync pgvec.embedding_sync;
    moment timestamptz;
    token CONSTANT bigint := nextval('pgvec.embedding_version');
    tier integer;
    width integer;
    looks integer := 0;
    picked jsonb;
    claimed jsonb;
BEGIN
    SELECT * INTO sync FROM pgvec.embedding_sync AS s WHERE s.id = p_sync AND NOT s.paused;
    IF sync.id IS NULL THEN
        RETURN NULL;
    END IF;
    -- Before the outbox: see _capture_truncate_v1.
    EXECUTE format('LOCK TABLE %s IN ACCESS SHARE MODE', sync.source_table);
    LOOP
        moment := clock_timestamp();
        SELECT o.attempts INTO tier FROM pgvec.embedding_outbox AS o
         WHERE o.sync_id = p_sync AND NOT o.parked AND o.ready_at <= moment ORDER BY o.ready_at LIMIT 1 FOR UPDATE SKIP LOCKED;
        IF tier IS NULL THEN
            IF NOT EXISTS (SELECT FROM pgvec.embedding_batch AS b WHERE b.sync_id = p_sync) THEN
                RETURN NULL;
            END IF;
            PERFORM pgvec._expand_v1(sync);
            SELECT 0 INTO tier FROM pgvec.embedding_outbox AS o
             WHERE o.sync_id = p_sync AND NOT o.parked AND o.ready_at <= moment LIMIT 1 FOR UPDATE SKIP LOCKED;
            IF tier IS NULL THEN
                RETURN NULL;
            END IF;
        END IF;
        IF tier = 0 THEN
            SELECT jsonb_agg(to_jsonb(c.key)) INTO picked FROM (
                SELECT o.key FROM pgvec.embedding_outbox AS o
                 WHERE o.sync_id = p_sync AND NOT o.parked AND o.ready_at <= moment AND o.attempts = 0
                 ORDER BY o.ready_at LIMIT p_size FOR UPDATE SKIP LOCKED) AS c;
        ELSE
            width := greatest(1, p_size >> least(2 * tier, 30));
            SELECT jsonb_agg(to_jsonb(c.key)) INTO picked FROM (
                SELECT a.key FROM (
                    SELECT o.key, o.attempts FROM pgvec.embedding_outbox AS o
                     WHERE o.sync_id = p_sync AND NOT o.parked AND o.ready_at <= moment
                     ORDER BY o.ready_at LIMIT p_size FOR UPDATE SKIP LOCKED) AS a
                 WHERE a.attempts = tier LIMIT width) AS c;
        END IF;
        IF picked IS NULL THEN
            -- Between the two looks the row was changed by a writer, or taken.
            looks := looks + 1;
            IF looks = 10 THEN
                RETURN NULL;
            END IF;
            CONTINUE;
        END IF;
        EXIT WHEN tier < p_max_attempts;
        UPDATE pgvec.embedding_outbox AS o
           SET parked = true, claim_token = NULL,
               error = coalesce(o.error, format('the worker died or lost its lease on each of %s attempts', o.attempts))
          FROM jsonb_to_recordset(pgvec._as_records_v1(picked)) AS c(key text[])
         WHERE o.sync_id = p_sync AND o.key = c.key;
    END LOOP;
    WITH taken AS (
        UPDATE pgvec.embedding_outbox AS o
           SET claim_token = token, attempts = o.attempts + 1, ready_at = clock_timestamp() + p_lease
          FROM jsonb_to_recordset(pgvec._as_records_v1(picked)) AS c(key text[])
         WHERE o.sync_id = p_sync AND o.key = c.key
     RETURNING o.key, o.version, o.attempts, extract(epoch FROM clock_timestamp() - o.enqueued_at) AS age
    )
    SELECT jsonb_agg(to_jsonb(taken)) INTO claimed FROM taken;
    IF claimed IS NULL THEN
        RETURN NULL;
    END IF;
    -- In the statement after the claim: a change that came before it is seen, and one that comes after it waits for the claim
    -- to end and then takes it away. So the text read here is the one of the version read above.
    EXECUTE format(
        'SELECT jsonb_agg(jsonb_build_object(''n'', r.n, ''key'', r.key, ''version'', r.version, ''attempts'', r.attempts, ''age'', r.age,'
        ' ''found'', t.%1$I IS NOT NULL, ''document'', %2$s, ''has_embedding'', t.%3$I IS NOT NULL,'
        ' ''stored_hash'', encode(s.source_hash, ''hex'')))'
        ' FROM (SELECT (row_number() OVER ())::int AS n, c.* FROM jsonb_to_recordset($1)'
        '        AS c(key text[], version bigint, attempts integer, age float8)) AS r'
        ' LEFT JOIN %4$s AS t ON %5$s LEFT JOIN pgvec.embedding_state AS s ON s.sync_id = $2 AND s.key = r.key',
        sync.key_columns[1], pgvec._document_v1(sync.source_table, sync.source_columns, sync.template, 't'), sync.target_column, sync.source_table,
        pgvec._has_key_v1(sync.source_table, sync.key_columns, 't', 'r.key')) INTO claimed USING claimed, p_sync;
    RETURN jsonb_build_object('token', token, 'rows', claimed);
END
$body$;

CREATE FUNCTION pgvec._as_records_v1(p_keys jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $body$
    SELECT coalesce(jsonb_agg(jsonb_build_object('key', k)), '[]') FROM jsonb_array_elements(p_keys) AS k
$body$;

-- Write embeddings, for the rows whose claim and version still are what the worker read; returns {"written", "refused", "busy"}.
--
-- p_entries: [{"n", "key", "version", "hash", "vector", "kind"}], kind "write", "unchanged" (the stored embedding is of this text)
-- or "gone" (the row is no more). Rows that a transaction holds are not waited for ("busy"): they are claimed again later.
--
-- The order of locks is that of every writer, first the row and then its outbox entry, so the two cannot wait in a circle.
CREATE FUNCTION pgvec._finish_v1(p_sync integer, p_token bigint, p_worker uuid, p_entries jsonb) RETURNS jsonb
LANGUAGE plpgsql
AS $body$
DECLARE
    -- A trigger of the table may need the search path that the worker connected with, so that is set aside, not lost.
    given_path CONSTANT text := pg_catalog.current_setting('search_path');
    sync pgvec.embedding_sync;
    locked integer[];
    owned integer[];
    refused_now integer;
    writable integer;
    written_now integer := 0;
    busy integer;
    command text;
BEGIN
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    SELECT * INTO sync FROM pgvec.embedding_sync AS s WHERE s.id = p_sync;
    IF sync.id IS NULL THEN
        PERFORM set_config('search_path', given_path, true);
        RETURN jsonb_build_object('written', 0, 'refused', jsonb_array_length(p_entries), 'busy', 0);
    END IF;
    EXECUTE format(
        'SELECT coalesce(array_agg(l.n), ''{}'') FROM ('
        ' SELECT e.n FROM jsonb_to_recordset($1) AS e(n integer, key text[], kind text) JOIN %s AS t ON %s'
        ' WHERE e.kind <> ''gone'' FOR NO KEY UPDATE OF t SKIP LOCKED) AS l',
        sync.source_table, pgvec._has_key_v1(sync.source_table, sync.key_columns, 't', 'e.key')) INTO locked USING p_entries;
    SELECT coalesce(array_agg(m.n), '{}') INTO owned FROM (
        SELECT e.n FROM jsonb_to_recordset(p_entries) AS e(n integer, key text[], version bigint, kind text)
          JOIN pgvec.embedding_outbox AS o ON o.sync_id = p_sync AND o.key = e.key
         WHERE o.claim_token = p_token AND o.version = e.version AND (e.kind = 'gone' OR e.n = ANY (locked))
           FOR UPDATE OF o SKIP LOCKED) AS m;
    SELECT count(*) INTO refused_now FROM jsonb_to_recordset(p_entries) AS e(n integer, key text[], version bigint)
     WHERE e.n <> ALL (owned) AND NOT EXISTS (
        SELECT FROM pgvec.embedding_outbox AS o
         WHERE o.sync_id = p_sync AND o.key = e.key AND o.claim_token = p_token AND o.version = e.version);
    SELECT count(*) INTO writable FROM jsonb_to_recordset(p_entries) AS e(n integer, kind text)
     WHERE e.kind = 'write' AND e.n = ANY (owned);
    IF writable > 0 THEN
        SELECT format(
            'UPDATE %s AS t SET %I = e.vector::%s FROM pg_catalog.jsonb_to_recordset($1) AS e(n integer, key text[], vector text, kind text)'
            ' WHERE e.kind OPERATOR(pg_catalog.=) ''write'' AND e.n OPERATOR(pg_catalog.=) ANY ($2) AND %s',
            sync.source_table, sync.target_column, format_type(a.atttypid, a.atttypmod),
            pgvec._has_key_v1(sync.source_table, sync.key_columns, 't', 'e.key')) INTO command
          FROM pg_attribute AS a WHERE a.attrelid = sync.source_table AND a.attname = sync.target_column AND NOT a.attisdropped;
        PERFORM set_config('search_path', given_path, true);
        EXECUTE command USING p_entries, owned;
        GET DIAGNOSTICS written_now = ROW_COUNT;
        PERFORM set_config('search_path', 'pg_catalog, pg_temp', true);
        IF written_now <> writable THEN
            RAISE EXCEPTION USING ERRCODE = 'PV010', MESSAGE = format(
                'of %s rows of %s only %s took their embedding; a trigger or a policy of the table refuses the worker''s update',
                writable, sync.source_table, written_now);
        END IF;
    END IF;
    DELETE FROM pgvec.embedding_outbox AS o USING jsonb_to_recordset(p_entries) AS e(n integer, key text[])
     WHERE o.sync_id = p_sync AND o.key = e.key AND e.n = ANY (owned);
    INSERT INTO pgvec.embedding_state AS s (sync_id, key, source_hash)
    SELECT p_sync, e.key, decode(e.hash, 'hex') FROM jsonb_to_recordset(p_entries) AS e(n integer, key text[], hash text, kind text)
     WHERE e.kind = 'write' AND e.n = ANY (owned)
        ON CONFLICT (sync_id, key) DO UPDATE SET source_hash = excluded.source_hash, embedded_at = excluded.embedded_at;
    DELETE FROM pgvec.embedding_state AS s USING jsonb_to_recordset(p_entries) AS e(n integer, key text[], kind text)
     WHERE s.sync_id = p_sync AND s.key = e.key AND e.kind = 'gone' AND e.n = ANY (owned);
    busy := jsonb_array_length(p_entries) - cardinality(owned) - refused_now;
    IF busy > 0 THEN
        UPDATE pgvec.embedding_outbox AS o SET claim_token = NULL, attempts = o.attempts - 1, ready_at = clock_timestamp() + interval '1 second'
          FROM (SELECT p.key FROM jsonb_to_recordset(p_entries) AS e(n integer, key text[], version bigint)
                  JOIN pgvec.embedding_outbox AS p ON p.sync_id = p_sync AND p.key = e.key
                 WHERE p.claim_token = p_token AND p.version = e.version AND e.n <> ALL (owned) FOR UPDATE OF p SKIP LOCKED) AS w
         WHERE o.sync_id = p_sync AND o.key = w.key;
    END IF;
    UPDATE pgvec.embedding_worker AS w
       SET embedded = w.embedded + written_now, refused = w.refused + refused_now,
           unchanged = w.unchanged + cardinality(owned) - written_now,
           seen_at = clock_timestamp()
     WHERE w.id = p_worker;
    PERFORM set_config('search_path', given_path, true);
    RETURN jsonb_build_object('written', cardinality(owned), 'refused', refused_now, 'busy', busy);
END
$body$;

-- Give rows back that could not be embedded; returns {"retried", "parked", "refused"}.
--
-- p_entries: [{"key", "version", "error", "delay", "park", "refund"}], delay in seconds; refund takes the attempt back, because
-- nothing is wrong with the row.
CREATE FUNCTION pgvec._release_v1(p_sync integer, p_token bigint, p_worker uuid, p_entries jsonb) RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    retried_now integer;
    parked_now integer;
    refused_now integer;
BEGIN
    WITH released AS (
        UPDATE pgvec.embedding_outbox AS o
           SET claim_token = NULL, error = e.error, parked = e.park, attempts = o.attempts - CASE WHEN e.refund THEN 1 ELSE 0 END,
               ready_at = clock_timestamp() + make_interval(secs => e.delay)
          FROM jsonb_to_recordset(p_entries) AS e(key text[], version bigint, error text, delay float8, park boolean, refund boolean)
         WHERE o.sync_id = p_sync AND o.key = e.key AND o.claim_token = p_token AND o.version = e.version
     RETURNING o.parked
    )
    SELECT count(*) FILTER (WHERE NOT parked), count(*) FILTER (WHERE parked) INTO retried_now, parked_now FROM released;
    refused_now := jsonb_array_length(p_entries) - retried_now - parked_now;
    UPDATE pgvec.embedding_worker AS w
       SET retried = w.retried + retried_now, parked = w.parked + parked_now, refused = w.refused + refused_now, seen_at = clock_timestamp()
     WHERE w.id = p_worker;
    RETURN jsonb_build_object('retried', retried_now, 'parked', parked_now, 'refused', refused_now);
END
$body$;

-- Lengthen the lease of a claim that is still held, while a slow model works; returns how many rows are.
CREATE FUNCTION pgvec._extend_v1(p_sync integer, p_token bigint, p_worker uuid, p_keys jsonb, p_lease interval) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    held integer;
BEGIN
    UPDATE pgvec.embedding_outbox AS o SET ready_at = clock_timestamp() + p_lease
      FROM (SELECT p.key FROM jsonb_to_recordset(pgvec._as_records_v1(p_keys)) AS e(key text[])
              JOIN pgvec.embedding_outbox AS p ON p.sync_id = p_sync AND p.key = e.key
             WHERE p.claim_token = p_token FOR UPDATE OF p SKIP LOCKED) AS w
     WHERE o.sync_id = p_sync AND o.key = w.key;
    GET DIAGNOSTICS held = ROW_COUNT;
    UPDATE pgvec.embedding_worker AS w SET seen_at = clock_timestamp() WHERE w.id = p_worker;
    RETURN held;
END
$body$;

-- Note which model fills a column, and refuse another: vectors of two models cannot be compared, though their widths be equal.
CREATE FUNCTION pgvec._fix_model_v1(p_sync integer, p_name text, p_revision text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    sync pgvec.embedding_sync;
BEGIN
    UPDATE pgvec.embedding_sync AS s SET model_name = p_name, model_revision = p_revision WHERE s.id = p_sync AND s.model_name IS NULL;
    SELECT * INTO sync FROM pgvec.embedding_sync AS s WHERE s.id = p_sync;
    IF (sync.model_name, sync.model_revision) IS DISTINCT FROM (p_name, p_revision) AND sync.id IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PV010',
            MESSAGE = format('%s was filled by the model %s, revision %s; the embedder %L of this worker is %s, revision %s',
                             sync.name, sync.model_name, sync.model_revision, sync.embedder, p_name, p_revision),
            HINT = 'Give the worker the same model; or drop the sync and create it again with backfill => ''all'' to embed every row anew.';
    END IF;
END
$body$;
