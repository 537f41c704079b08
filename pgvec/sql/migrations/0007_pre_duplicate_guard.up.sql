-- A guard that refuses a row whose vector is near another's, as a unique constraint refuses a key: exact, also for writers that
-- write at the same time.
--
-- Two writers cannot see each other's rows before they commit. So whoever writes to a guarded table takes the row of its guard
-- until his transaction ends, and compares afterwards, with a snapshot that shows what the holder before him has committed. There is
-- one such row for each guard, so that writers cannot wait for each other in a circle. In a transaction of REPEATABLE READ or
-- SERIALIZABLE, whose snapshot cannot be newer, taking it fails with a serialization failure where another writer has committed.
--
-- No index of vectors is exact. What spares most comparisons is the distance from one fixed vector, which a btree holds: by the
-- triangle inequality rows within eps of each other differ in it by no more than eps.
--
-- Own error codes: PV020, a row is near another; PV021, a guard that cannot be made.

CREATE TABLE pgvec.duplicate_guard (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation regclass NOT NULL,
    embedding_column name NOT NULL,
    distance text NOT NULL CHECK (distance IN ('l2', 'cosine', 'l1')),
    eps double precision NOT NULL CHECK (eps >= 0 AND eps < 'Infinity'),
    index_name name NOT NULL,
    query text NOT NULL,
    holder xid8,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    UNIQUE (relation, embedding_column)
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

COMMENT ON TABLE pgvec.duplicate_guard IS 'Guards that refuse rows near others; pgvec.create_duplicate_guard() makes them.';
COMMENT ON COLUMN pgvec.duplicate_guard.id IS 'Number that the name of the trigger carries.';
COMMENT ON COLUMN pgvec.duplicate_guard.relation IS 'The table.';
COMMENT ON COLUMN pgvec.duplicate_guard.embedding_column IS 'Its vector column.';
COMMENT ON COLUMN pgvec.duplicate_guard.distance IS 'The distance that is meant: l2, cosine or l1.';
COMMENT ON COLUMN pgvec.duplicate_guard.eps IS 'Two rows are no farther from each other than that: the later one is refused.';
COMMENT ON COLUMN pgvec.duplicate_guard.index_name IS 'The index of distances from a fixed vector, beside the table.';
COMMENT ON COLUMN pgvec.duplicate_guard.query IS 'What finds a row near another one; {relation} stands for the table, which may be renamed.';
COMMENT ON COLUMN pgvec.duplicate_guard.holder IS 'The transaction that wrote last: until it ends, the next one waits.';
COMMENT ON COLUMN pgvec.duplicate_guard.created_at IS 'When it was made.';

GRANT SELECT ON pgvec.duplicate_guard TO PUBLIC;

-- Take a guard for this transaction. Writers need no right on the table of guards for it.
CREATE FUNCTION pgvec._hold_guard_v1(p_guard integer) RETURNS void
LANGUAGE sql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
    UPDATE pgvec.duplicate_guard AS g SET holder = pg_current_xact_id()
     WHERE g.id = p_guard AND g.holder IS DISTINCT FROM pg_current_xact_id();
$body$;

COMMENT ON FUNCTION pgvec._hold_guard_v1(integer) IS 'Lets other writers of a guarded table wait until this transaction ends.';

CREATE FUNCTION pgvec._refuse_duplicate_v1() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    found record;
    guard record;
BEGIN
    PERFORM pgvec._hold_guard_v1(TG_ARGV[0]::integer);
    SELECT g.query, g.eps, g.relation INTO guard FROM pgvec.duplicate_guard AS g WHERE g.id = TG_ARGV[0]::integer;
    EXECUTE replace(guard.query, '{relation}', guard.relation::text) INTO found USING NEW, guard.eps;
    IF found.near IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PV020',
            MESSAGE = format('the row %s of %s is at a distance of %s from the row %s, and its guard allows none within %s',
                             found.key, guard.relation, found.distance, found.near, guard.eps),
            DETAIL = jsonb_build_object('key', found.key, 'near', found.near, 'distance', found.distance)::text,
            TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NULL;
END
$body$;

COMMENT ON FUNCTION pgvec._refuse_duplicate_v1() IS 'Trigger of a guard: refuses the row where another one is within eps of it.';

CREATE FUNCTION pgvec.create_duplicate_guard(
    relation regclass, embedding_column name, eps double precision, distance text DEFAULT 'cosine'
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
#variable_conflict use_variable
DECLARE
    type_name name;
    type_schema name;
    dimensions integer;
    keys name[];
    operator text;
    reach text;
    place text;
    anchor text;
    index_name name;
    guard integer;
BEGIN
    SELECT t.typname, n.nspname, NULLIF(a.atttypmod, -1) INTO type_name, type_schema, dimensions
      FROM pg_attribute AS a
      JOIN pg_type AS t ON t.oid = a.atttypid
      JOIN pg_namespace AS n ON n.oid = t.typnamespace
      JOIN pg_extension AS e ON e.extname = 'vector' AND e.extnamespace = n.oid
      JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
     WHERE a.attrelid = relation AND a.attname = embedding_column AND a.attnum > 0 AND NOT a.attisdropped
       AND t.typname IN ('vector', 'halfvec');
    IF type_name IS NULL OR dimensions IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PV021',
            MESSAGE = format('%s has no column %I of type vector or halfvec with a number of dimensions', relation, embedding_column),
            HINT = 'Name such a column of a table.';
    END IF;
    IF distance IS NULL OR distance NOT IN ('l2', 'cosine', 'l1') OR eps IS NULL OR NOT (eps >= 0 AND eps < 'Infinity') THEN
        RAISE EXCEPTION USING ERRCODE = 'PV021',
            MESSAGE = format('a guard takes the distance l2, cosine or l1 and an eps from 0, not %L and %L', distance, eps),
            HINT = 'Of the other distances none is kept by the triangle inequality.';
    END IF;
    SELECT array_agg(a.attname ORDER BY p.place) INTO keys
      FROM pg_index AS i
     CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS p(attnum, place)
      JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = p.attnum
     WHERE i.indrelid = relation AND i.indisprimary AND p.place <= i.indnkeyatts;
    IF keys IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PV021',
            MESSAGE = format('%s has no primary key, by which a row is told from others', relation),
            HINT = 'Give it one.';
    END IF;
    PERFORM pgvec.drop_duplicate_guard(relation, embedding_column);
    -- Any vector will do; one that no data are likely to be at right angles to.
    SELECT '[' || string_agg(round(sin(k * k * 0.7311 + k)::numeric, 4)::text, ',' ORDER BY k) || ']' INTO anchor
      FROM generate_series(1, dimensions) AS k;
    operator := format('OPERATOR(%I.%s)', type_schema, CASE distance WHEN 'l1' THEN '<+>' ELSE '<->' END);
    place := CASE distance WHEN 'cosine' THEN format('%I.l2_normalize(%%s)', type_schema) ELSE '%s' END
        || format(' %s %L::%I.%I', operator, anchor, type_schema, type_name);
    INSERT INTO pgvec.duplicate_guard (relation, embedding_column, distance, eps, index_name, query)
    VALUES (relation, embedding_column, distance, eps, '', '') RETURNING id INTO guard;
    index_name := format('pgvec_guard_%s', guard);
    EXECUTE format('CREATE INDEX %I ON %s ((%s))', index_name, relation, format(place, format('%I', embedding_column)));
    -- Numbers of single or half precision are rounded, in sums of many squares too: the slack is far above that.
    reach := CASE distance WHEN 'cosine' THEN 'sqrt(2 * $2)' ELSE '$2' END
        || CASE type_name WHEN 'halfvec' THEN ' + 0.01' ELSE ' + 0.0005' END || ' * (1 + p.at)';
    UPDATE pgvec.duplicate_guard AS g
       SET index_name = index_name,
           query = format(
               'SELECT jsonb_build_object(%1$s)::text AS key, jsonb_build_object(%2$s)::text AS near, t.%3$I %4$s ($1).%3$I AS distance'
               ' FROM (SELECT %5$s AS at) AS p, {relation} AS t'
               ' WHERE %6$s BETWEEN p.at - (%7$s) AND p.at + (%7$s) AND (%8$s) IS DISTINCT FROM (%9$s)'
               ' AND t.%3$I %4$s ($1).%3$I <= $2 LIMIT 1',
               (SELECT string_agg(format('%L, ($1).%I', k, k), ', ' ORDER BY n) FROM unnest(keys) WITH ORDINALITY AS u(k, n)),
               (SELECT string_agg(format('%L, t.%I', k, k), ', ' ORDER BY n) FROM unnest(keys) WITH ORDINALITY AS u(k, n)),
               embedding_column,
               format('OPERATOR(%I.%s)', type_schema, CASE distance WHEN 'l1' THEN '<+>' WHEN 'cosine' THEN '<=>' ELSE '<->' END),
               format(place, format('($1).%I', embedding_column)),
               format(place, format('t.%I', embedding_column)),
               reach,
               (SELECT 'ROW(' || string_agg(format('t.%I', k), ', ' ORDER BY n) || ')' FROM unnest(keys) WITH ORDINALITY AS u(k, n)),
               (SELECT 'ROW(' || string_agg(format('($1).%I', k), ', ' ORDER BY n) || ')' FROM unnest(keys) WITH ORDINALITY AS u(k, n)))
     WHERE g.id = guard;
    EXECUTE format(
        'CREATE TRIGGER %I AFTER INSERT OR UPDATE OF %I ON %s FOR EACH ROW WHEN (NEW.%I IS NOT NULL)'
        ' EXECUTE FUNCTION pgvec._refuse_duplicate_v1(%L)',
        index_name, embedding_column, relation, embedding_column, guard);
END
$body$;

COMMENT ON FUNCTION pgvec.create_duplicate_guard(regclass, name, double precision, text) IS
    'Refuse rows of a table whose vector is within eps of another row''s, from now on; takes the place of an earlier guard.';

CREATE FUNCTION pgvec.drop_duplicate_guard(relation regclass, embedding_column name) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    guard pgvec.duplicate_guard;
BEGIN
    DELETE FROM pgvec.duplicate_guard AS g
     WHERE g.relation = drop_duplicate_guard.relation AND g.embedding_column = drop_duplicate_guard.embedding_column
    RETURNING * INTO guard;
    IF guard.id IS NULL THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM pg_class AS c WHERE c.oid = guard.relation) THEN
        EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', guard.index_name, guard.relation);
        EXECUTE format('DROP INDEX IF EXISTS %I.%I', (
            SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = guard.relation
        ), guard.index_name);
    END IF;
    RETURN true;
END
$body$;

COMMENT ON FUNCTION pgvec.drop_duplicate_guard(regclass, name) IS 'Take a guard away; tells whether there was one.';
