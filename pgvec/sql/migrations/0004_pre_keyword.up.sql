-- Keyword search by BM25 on the user's own tables, with stock Postgres and pgvector.
--
-- For each keyword index there are, in this schema,
--   keyword_<id>             one row for each row of the user's table: its key, its length, its words as tsvector (GIN finds
--                            candidates and phrases) and as sparsevec (word -> weighted frequency; scores are computed from it),
--   keyword_<id>_statistics  rows whose sum is the number and the total length of the documents: every statement appends one,
--                            so that writers never wait for each other,
--   keyword_<id>_upkeep()    the trigger function, whose statements are static so that their plans are kept.
-- How many documents have a word is counted by the search itself, in its own snapshot.
--
-- Nobody but the owner of the user's table may read keyword_<id>: it holds words of all rows, whatever the policies of the table.
-- Own error codes: PV003 no such keyword index, PV004 not possible for this table.

CREATE TABLE pgvec.keyword_index (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation regclass NOT NULL,
    name text NOT NULL,
    key_columns text[] NOT NULL,
    text_columns text[] NOT NULL,
    weights numeric[] NOT NULL,
    config regconfig NOT NULL,
    k1 float8 NOT NULL CHECK (k1 > 0),
    b float8 NOT NULL CHECK (b BETWEEN 0 AND 1),
    UNIQUE (relation, name)
);
COMMENT ON TABLE pgvec.keyword_index IS 'Keyword indexes: made by pgvec.create_keyword_index, gone with pgvec.drop_keyword_index.';
COMMENT ON COLUMN pgvec.keyword_index.id IS 'Number in the names of the objects that belong to the index.';
COMMENT ON COLUMN pgvec.keyword_index.relation IS 'The table.';
COMMENT ON COLUMN pgvec.keyword_index.name IS 'Name of the index, unique for its table.';
COMMENT ON COLUMN pgvec.keyword_index.key_columns IS 'Columns of the primary key.';
COMMENT ON COLUMN pgvec.keyword_index.text_columns IS 'Columns whose words are indexed.';
COMMENT ON COLUMN pgvec.keyword_index.weights IS 'How much a word counts in each of these columns.';
COMMENT ON COLUMN pgvec.keyword_index.config IS 'Text search configuration: language, stop words.';
COMMENT ON COLUMN pgvec.keyword_index.k1 IS 'BM25: how soon further occurrences of a word stop to count.';
COMMENT ON COLUMN pgvec.keyword_index.b IS 'BM25: how much long documents are held back, from 0 to 1.';
GRANT SELECT ON pgvec.keyword_index TO PUBLIC;

-- The role whose privileges count. In a SECURITY DEFINER function CURRENT_USER is its owner, but SET ROLE still shows.
CREATE FUNCTION pgvec._keyword_caller_v1() RETURNS name
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN CASE current_setting('role') WHEN 'none' THEN SESSION_USER ELSE current_setting('role')::name END;
COMMENT ON FUNCTION pgvec._keyword_caller_v1() IS 'The role that called, seen from within a function of another owner.';

CREATE FUNCTION pgvec._keyword_find_v1(relation regclass, name text) RETURNS pgvec.keyword_index
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    wanted CONSTANT regclass := relation;
    wanted_name CONSTANT text := name;
    found pgvec.keyword_index;
    many bigint;
BEGIN
    SELECT count(*) INTO many FROM pgvec.keyword_index AS i
        WHERE i.relation = wanted AND i.name = coalesce(wanted_name, i.name);
    IF many <> 1 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'PV003',
            MESSAGE = CASE
                WHEN many > 1 THEN format('The table %s has %s keyword indexes', wanted, many)
                WHEN wanted_name IS NULL THEN format('The table %s has no keyword index', wanted)
                ELSE format('The table %s has no keyword index %s', wanted, quote_literal(wanted_name)) END,
            HINT = CASE
                WHEN many > 1 THEN 'Name one of them'
                ELSE 'Declare a KeywordIndex, or call  SELECT pgvec.create_keyword_index(...)' END;
    END IF;
    SELECT i.* INTO STRICT found FROM pgvec.keyword_index AS i
        WHERE i.relation = wanted AND i.name = coalesce(wanted_name, i.name);
    RETURN found;
END
$function$;
COMMENT ON FUNCTION pgvec._keyword_find_v1(regclass, text) IS 'The keyword index of a table with a name, or its only one.';

-- Weights are kept as whole numbers: frequencies and lengths count in these units, so that their sums are exact.
CREATE FUNCTION pgvec._keyword_unit_v1(weights numeric[]) RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT CASE WHEN bool_and(w = trunc(w)) THEN 1 ELSE 1000 END FROM unnest(weights) AS w);
COMMENT ON FUNCTION pgvec._keyword_unit_v1(numeric[]) IS 'What an occurrence of weight 1 counts.';

CREATE FUNCTION pgvec._keyword_label_v1(weights numeric[], weight numeric) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT substr('ABCD', 1 + count(DISTINCT w)::integer, 1) FROM unnest(weights) AS w WHERE w > weight);
COMMENT ON FUNCTION pgvec._keyword_label_v1(numeric[], numeric) IS 'The label of a weight in a tsvector: A for the greatest.';

CREATE FUNCTION pgvec._keyword_extension_v1() RETURNS name
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT n.nspname FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'vector');
COMMENT ON FUNCTION pgvec._keyword_extension_v1() IS 'The schema of the extension vector.';

-- The text of a SELECT that makes key_0 ..., length, terms and document from rows with the user's columns.
-- The place of a word in the sparsevec is its hash. A sparsevec holds 16,000 words, so of a longer document the others are only found.
CREATE FUNCTION pgvec._keyword_documents_v1(index pgvec.keyword_index, source text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    unit CONSTANT integer := pgvec._keyword_unit_v1(index.weights);
    keys CONSTANT text := (
        SELECT string_agg(format('r.%I AS key_%s', c, n - 1), ', ' ORDER BY n)
        FROM unnest(index.key_columns) WITH ORDINALITY AS k (c, n));
    given CONSTANT text := (
        SELECT string_agg(format('d.key_%s', n - 1), ', ' ORDER BY n) FROM generate_subscripts(index.key_columns, 1) AS n);
    words CONSTANT text := (
        SELECT string_agg(
            format('setweight(to_tsvector(%L::regconfig, coalesce(r.%I::text, %L)), %L)',
                index.config::text, c, '', pgvec._keyword_label_v1(index.weights, w)),
            ' || ' ORDER BY n)
        FROM unnest(index.text_columns, index.weights) WITH ORDINALITY AS t (c, w, n));
    frequency CONSTANT text := (
        SELECT CASE
            WHEN count(*) > 1 THEN string_agg(
                format('%s * cardinality(array_positions(l.weights, %L))',
                    (w * unit)::bigint, pgvec._keyword_label_v1(index.weights, w)), ' + ')
            ELSE format('%s * cardinality(l.positions)', (min(w) * unit)::bigint) END
        FROM (SELECT DISTINCT w FROM unnest(index.weights) AS w) AS different);
BEGIN
    RETURN format($sql$
        SELECT %1$s, m.length, m.terms, d.document
        FROM (SELECT %2$s, %3$s AS document FROM %4$s AS r OFFSET 0) AS d
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(f.frequency), 0)::bigint AS length,
                ('{' || coalesce(string_agg(f.place || ':' || f.frequency, ','), '') || '}/1000000000')::%5$I.sparsevec AS terms
            FROM (
                SELECT (hashtextextended(l.lexeme COLLATE "C", 0) & 536870911) + 1 AS place, sum(%6$s)::bigint AS frequency
                FROM unnest(d.document) AS l GROUP BY 1 LIMIT 16000) AS f) AS m$sql$,
        given, keys, words, source, pgvec._keyword_extension_v1(), frequency);
END
$function$;
COMMENT ON FUNCTION pgvec._keyword_documents_v1(pgvec.keyword_index, text) IS 'SQL that makes documents from rows.';

-- Appended rows are added up now and then, by whoever comes by; who cannot have the lock at once leaves it to the next. Under
-- REPEATABLE READ the rows might have been added up since, and the statement of the user would fail.
CREATE FUNCTION pgvec._keyword_compact_v1(statistics regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF current_setting('transaction_isolation') = 'read committed'
        AND pg_try_advisory_xact_lock('pgvec.keyword_index'::regclass::oid::integer, statistics::oid::integer)
    THEN
        EXECUTE format('WITH gone AS (DELETE FROM %1$s RETURNING documents, length)
            INSERT INTO %1$s SELECT sum(documents), sum(length) FROM gone HAVING count(*) > 0', statistics);
    END IF;
END
$function$;
COMMENT ON FUNCTION pgvec._keyword_compact_v1(regclass) IS 'Adds up what statements appended to the statistics of a keyword index.';
REVOKE ALL ON FUNCTION pgvec._keyword_compact_v1(regclass) FROM PUBLIC;

-- Refuses what cannot be indexed. The trigger function runs with the rights of the owner of this schema, so no cast, operator or
-- generated column of a user may run within it: texts have to be texts already, and keys of types that Postgres brings along.
CREATE FUNCTION pgvec._keyword_check_v1(relation regclass, text_columns text[], weights numeric[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    table_name CONSTANT regclass := relation;
    problem text;
BEGIN
    SELECT CASE
        WHEN NOT pg_has_role(pgvec._keyword_caller_v1(), c.relowner, 'USAGE')
            THEN NULL
        WHEN c.relkind <> 'r' OR c.relpersistence = 't' OR c.relispartition OR c.relhassubclass
            OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid)
            THEN format('%s is not a plain table: a keyword index is not possible on partitions, inheritance, views, temporary '
                'and foreign tables', c.oid::regclass)
        WHEN NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype = 'p')
            THEN format('%s has no primary key: rows are told apart by it', c.oid::regclass)
        WHEN cardinality(text_columns) IS NULL OR cardinality(text_columns) = 0
            THEN 'Name at least one column of texts'
        WHEN cardinality(text_columns) <> cardinality(weights) OR EXISTS (
                SELECT FROM unnest(weights) AS w WHERE w IS NULL OR NOT w BETWEEN 0.001 AND 1000 OR w <> round(w, 3))
            THEN 'Give one weight for each column, from 0.001 to 1000 with at most three decimals'
        WHEN (SELECT count(DISTINCT w) FROM unnest(weights) AS w) > 4
            THEN 'Postgres tells four weights apart: give some columns equal weights'
        ELSE (
            SELECT format('%s.%I cannot be indexed: it has to be a column of text, varchar, char or citext', c.oid::regclass, t)
            FROM unnest(text_columns) AS t
            LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = t AND a.attnum > 0 AND NOT a.attisdropped
            WHERE a.attname IS NULL OR a.attgenerated NOT IN ('', 's') OR NOT pgvec._keyword_is_text_v1(a.atttypid)
            LIMIT 1)
        END
    INTO STRICT problem FROM pg_class AS c WHERE c.oid = table_name;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PV004', MESSAGE = problem;
    END IF;
    IF NOT (SELECT pg_has_role(pgvec._keyword_caller_v1(), c.relowner, 'USAGE') FROM pg_class AS c WHERE c.oid = table_name) THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('must be owner of table %s', table_name);
    END IF;
    SELECT format('The key column %s.%I is of the type %s, which a keyword index cannot hold',
            table_name, a.attname, format_type(a.atttypid, a.atttypmod))
        INTO problem
        FROM pg_constraint AS k JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
        WHERE k.conrelid = table_name AND k.contype = 'p' AND NOT pgvec._keyword_is_key_v1(a.atttypid) LIMIT 1;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'PV004', MESSAGE = problem;
    END IF;
END
$function$;

CREATE FUNCTION pgvec._keyword_base_v1(type oid) RETURNS oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (
    WITH RECURSIVE bases AS (
        SELECT t.oid, t.typbasetype, t.typtype FROM pg_type AS t WHERE t.oid = type
        UNION ALL SELECT t.oid, t.typbasetype, t.typtype FROM pg_type AS t JOIN bases AS d ON t.oid = d.typbasetype)
    SELECT bases.oid FROM bases WHERE typtype <> 'd');
COMMENT ON FUNCTION pgvec._keyword_base_v1(oid) IS 'The type that a domain is made of.';

-- Not the domains themselves: a cast to one runs its constraints.
CREATE FUNCTION pgvec._keyword_key_types_v1(index pgvec.keyword_index) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (
    SELECT array_agg(
        format_type(pgvec._keyword_base_v1(a.atttypid), CASE WHEN t.typtype = 'd' THEN -1 ELSE a.atttypmod END) ORDER BY k.n)
    FROM unnest(index.key_columns) WITH ORDINALITY AS k (c, n)
    JOIN pg_attribute AS a ON a.attrelid = index.relation AND a.attname = k.c AND NOT a.attisdropped
    JOIN pg_type AS t ON t.oid = a.atttypid);
COMMENT ON FUNCTION pgvec._keyword_key_types_v1(pgvec.keyword_index) IS 'The types of the key columns.';

CREATE FUNCTION pgvec._keyword_is_text_v1(type oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (
    WITH base AS (SELECT pgvec._keyword_base_v1(type) AS oid)
    SELECT b.oid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype)
        OR EXISTS (SELECT FROM pg_cast WHERE castsource = b.oid AND casttarget = 'text'::regtype AND castmethod = 'b')
    FROM base AS b);
COMMENT ON FUNCTION pgvec._keyword_is_text_v1(oid) IS 'Whether values are texts without running a cast.';

CREATE FUNCTION pgvec._keyword_is_key_v1(type oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (SELECT t.oid < 16384 OR t.typtype = 'e' FROM pg_type AS t WHERE t.oid = pgvec._keyword_base_v1(type));
COMMENT ON FUNCTION pgvec._keyword_is_key_v1(oid) IS 'Whether values are compared by functions of Postgres only.';
COMMENT ON FUNCTION pgvec._keyword_check_v1(regclass, text[], numeric[]) IS 'Refuses what cannot be indexed, and who may not.';

-- Makes what belongs to a keyword index in this schema, where users may create nothing.
CREATE FUNCTION pgvec._keyword_prepare_v1(
    relation regclass, name text, text_columns text[], weights numeric[], config regconfig, k1 float8, b float8
) RETURNS pgvec.keyword_index
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    made pgvec.keyword_index;
    store text;
    keys text;
    same_key text;
    listed text;
    owner name;
BEGIN
    PERFORM pgvec._keyword_check_v1(relation, text_columns, weights);
    -- What a dropped table left behind.
    PERFORM pgvec._keyword_discard_v1(i.id) FROM pgvec.keyword_index AS i
        WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = i.relation);
    INSERT INTO pgvec.keyword_index AS i (relation, name, key_columns, text_columns, weights, config, k1, b)
        SELECT $1, $2, array_agg(a.attname::text ORDER BY p.n), $3, $4, $5, $6, $7
        FROM pg_constraint AS k
        CROSS JOIN LATERAL unnest(k.conkey) WITH ORDINALITY AS p (attnum, n)
        JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = p.attnum
        WHERE k.conrelid = $1 AND k.contype = 'p'
        RETURNING i.* INTO STRICT made;
    store := format('pgvec.keyword_%s', made.id);
    SELECT pg_get_userbyid(c.relowner) INTO STRICT owner FROM pg_class AS c WHERE c.oid = $1;
    SELECT string_agg(
            format('key_%s %s %s NOT NULL', n - 1, (pgvec._keyword_key_types_v1(made))[n],
                CASE WHEN l.oid IS NOT NULL THEN format('COLLATE %I.%I', s.nspname, l.collname) END), ', ' ORDER BY n),
            string_agg(format('key_%s', n - 1), ', ' ORDER BY n),
            string_agg(format('kept.key_%s = r.%I', n - 1, c), ' AND ' ORDER BY n)
        INTO STRICT keys, listed, same_key
        FROM unnest(made.key_columns) WITH ORDINALITY AS k (c, n)
        JOIN pg_attribute AS a ON a.attrelid = $1 AND a.attname = c AND NOT a.attisdropped
        LEFT JOIN pg_collation AS l ON l.oid = a.attcollation AND l.collname <> 'default'
        LEFT JOIN pg_namespace AS s ON s.oid = l.collnamespace;
    -- Rows stay whole as long as a page holds them: scores read them all, and would unpack each once for every word.
    EXECUTE format('CREATE TABLE %s (%s, length bigint NOT NULL, terms %I.sparsevec NOT NULL, document tsvector NOT NULL,
            PRIMARY KEY (%s)) WITH (toast_tuple_target = 8160)',
        store, keys, pgvec._keyword_extension_v1(), listed);
    EXECUTE format('ALTER TABLE %s ALTER COLUMN terms SET STORAGE MAIN, ALTER COLUMN document SET STORAGE EXTERNAL', store);
    EXECUTE format('CREATE INDEX ON %s USING gin (document)', store);
    EXECUTE format('CREATE TABLE %s_statistics (documents bigint NOT NULL, length bigint NOT NULL)', store);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON %1$s, %1$s_statistics TO %2$I', store, owner);
    EXECUTE pgvec._keyword_upkeep_v1(made, listed, same_key);
    EXECUTE format('REVOKE ALL ON FUNCTION %s_upkeep() FROM PUBLIC', store);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s_upkeep() TO %I', store, owner);
    EXECUTE format('COMMENT ON TABLE %s IS %L', store, format('Words of %s for its keyword index %s.', $1, $2));
    EXECUTE format('COMMENT ON TABLE %s_statistics IS %L', store, 'The sum of its rows is the number and the length of the documents.');
    EXECUTE format('COMMENT ON FUNCTION %s_upkeep() IS %L', store, format('Keeps the keyword index %s of %s current.', $2, $1));
    RETURN made;
END
$function$;
COMMENT ON FUNCTION pgvec._keyword_prepare_v1(regclass, text, text[], numeric[], regconfig, float8, float8)
    IS 'Makes tables and trigger function of a keyword index.';

-- The trigger function's text. Its plans are kept for the session, so joins are settled beforehand: a plan for one row would be
-- slow for a hundred thousand, and one for a hundred thousand for one row. An UPDATE reindexes what it changes: rows that are
-- among the new ones but not among the old, and the other way round; no join of the two is needed to see that.
--
-- It first makes sure of table and types: its owner is not the table's, who might have changed a column to a type of his own since,
-- or put the trigger on another table, and the casts and operators of that type would run with the rights of the function's owner.
CREATE FUNCTION pgvec._keyword_upkeep_v1(index pgvec.keyword_index, listed text, same_key text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    store CONSTANT text := format('pgvec.keyword_%s', index.id);
    -- As "C", since other collations may call texts equal that differ.
    columns CONSTANT text := (
        SELECT string_agg(c, ', ' ORDER BY n) FROM (
            SELECT format('%I', c) AS c, n FROM unnest(index.key_columns) WITH ORDINALITY AS k (c, n)
            UNION ALL
            SELECT format('%1$I::text COLLATE "C" AS %1$I', c), n + 1000
                FROM unnest(index.text_columns) WITH ORDINALITY AS t (c, n) WHERE c <> ALL (index.key_columns)) AS named);
    places CONSTANT text := (
        SELECT string_agg(n::text, ', ')
        FROM generate_series(1, (SELECT count(DISTINCT c) FROM unnest(index.key_columns || index.text_columns) AS c)) AS n);
    changed CONSTANT text := format(
        '(SELECT * FROM (SELECT %1$s, 1 AS pgvec_sign FROM new_rows UNION ALL SELECT %1$s, -1 FROM old_rows) AS both_rows)', columns);
    names CONSTANT text := (
        SELECT string_agg(format('%I', c), ', ' ORDER BY n)
        FROM (SELECT c, min(n) AS n FROM unnest(index.key_columns || index.text_columns) WITH ORDINALITY AS t (c, n) GROUP BY c) AS u);
    before CONSTANT text := format('(SELECT %s FROM %s AS c GROUP BY %s HAVING sum(pgvec_sign) < 0)', names, changed, places);
    after CONSTANT text := format('(SELECT %s FROM %s AS c GROUP BY %s HAVING sum(pgvec_sign) > 0)', names, changed, places);
    insertion CONSTANT text := format(
        'WITH made AS (INSERT INTO %s (%s, length, terms, document) %%s ON CONFLICT (%s) DO UPDATE SET length = excluded.length, '
        'terms = excluded.terms, document = excluded.document RETURNING length) '
        'SELECT count(*), coalesce(sum(length), 0) INTO more, longer FROM made', store, listed, listed);
    deletion CONSTANT text := format(
        'WITH gone AS (DELETE FROM %s AS kept USING %%s AS r WHERE %s RETURNING kept.length) '
        'SELECT count(*), coalesce(sum(length), 0) INTO fewer, shorter FROM gone', store, same_key);
BEGIN
    RETURN format($sql$
CREATE FUNCTION %1$s_upkeep() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $body$
DECLARE
    fewer bigint := 0;
    shorter bigint := 0;
    more bigint := 0;
    longer bigint := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM pgvec.keyword_index AS i WHERE i.id = %6$s AND i.relation = TG_RELID) OR EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = TG_RELID AND a.attname = ANY (%7$L::name[]) AND (
            a.attgenerated NOT IN ('', 's')
            OR CASE WHEN a.atttypid IN (25, 1042, 1043) THEN false ELSE NOT pgvec._keyword_is_text_v1(a.atttypid) END)
        UNION ALL
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = TG_RELID AND a.attname = ANY (%8$L::name[]) AND (
            a.attgenerated NOT IN ('', 's')
            OR CASE WHEN a.atttypid < 16384 THEN false ELSE NOT pgvec._keyword_is_key_v1(a.atttypid) END))
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'PV004',
            MESSAGE = format('The columns of %%s are not those any more that its keyword index was made for', TG_RELID::regclass),
            HINT = 'Drop the keyword index, and make it anew';
    END IF;
    IF TG_OP = 'INSERT' THEN
        %2$s;
    ELSIF TG_OP = 'DELETE' THEN
        %3$s;
    ELSIF TG_OP = 'UPDATE' THEN
        %4$s;
        IF fewer > 0 THEN
            %5$s;
        END IF;
    ELSE
        TRUNCATE %1$s, %1$s_statistics;
        RETURN NULL;
    END IF;
    IF more > 0 OR fewer > 0 THEN
        INSERT INTO %1$s_statistics VALUES (more - fewer, longer - shorter);
        IF random() < 0.01 THEN
            PERFORM pgvec._keyword_compact_v1('%1$s_statistics');
        END IF;
    END IF;
    RETURN NULL;
END
$body$$sql$,
        store,
        format(insertion, pgvec._keyword_documents_v1(index, 'new_rows')),
        format(deletion, 'old_rows'),
        format(deletion, before),
        format(insertion, pgvec._keyword_documents_v1(index, after)),
        index.id, index.text_columns, index.key_columns);
END
$function$;
COMMENT ON FUNCTION pgvec._keyword_upkeep_v1(pgvec.keyword_index, text, text) IS 'SQL that creates the trigger function of a keyword index.';

CREATE FUNCTION pgvec._keyword_discard_v1(number integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    table_owner oid;
BEGIN
    SELECT c.relowner INTO table_owner
        FROM pgvec.keyword_index AS i JOIN pg_class AS c ON c.oid = i.relation WHERE i.id = number;
    -- Of a table that is gone anybody may clean up.
    IF table_owner IS NOT NULL AND NOT pg_has_role(pgvec._keyword_caller_v1(), table_owner, 'USAGE') THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = 'must be owner of the table';
    END IF;
    DELETE FROM pgvec.keyword_index AS i WHERE i.id = number;
    IF FOUND THEN
        EXECUTE format('DROP TABLE IF EXISTS pgvec.keyword_%1$s, pgvec.keyword_%1$s_statistics', number);
        EXECUTE format('DROP FUNCTION IF EXISTS pgvec.keyword_%s_upkeep()', number);
    END IF;
END
$function$;
COMMENT ON FUNCTION pgvec._keyword_discard_v1(integer) IS 'Drops tables and trigger function of a keyword index.';

CREATE FUNCTION pgvec.create_keyword_index(
    relation regclass,
    text_columns text[],
    weights numeric[] DEFAULT NULL,
    config regconfig DEFAULT 'pg_catalog.english',
    name text DEFAULT 'keywords',
    k1 float8 DEFAULT 1.2,
    b float8 DEFAULT 0.75
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    made pgvec.keyword_index;
    event text;
BEGIN
    weights := coalesce(weights, array_fill(1::numeric, ARRAY[cardinality(text_columns)]));
    PERFORM pgvec._keyword_check_v1(relation, text_columns, weights);
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', relation);
    made := pgvec._keyword_prepare_v1(relation, name, text_columns, weights, config, k1, b);
    FOR event IN VALUES ('INSERT REFERENCING NEW TABLE AS new_rows'),
        ('UPDATE REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'),
        ('DELETE REFERENCING OLD TABLE AS old_rows'), ('TRUNCATE')
    LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION pgvec.keyword_%s_upkeep()',
            format('pgvec_keyword_%s_%s', made.id, lower(split_part(event, ' ', 1))), split_part(event, ' ', 1), relation,
            substr(event, length(split_part(event, ' ', 1)) + 2), made.id);
    END LOOP;
    PERFORM pgvec._keyword_fill_v1(made);
END
$function$;
COMMENT ON FUNCTION pgvec.create_keyword_index(regclass, text[], numeric[], regconfig, text, float8, float8)
    IS 'Indexes the words of columns for search by BM25, and keeps the index current in the transaction of each write.';

CREATE FUNCTION pgvec._keyword_fill_v1(index pgvec.keyword_index) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    store CONSTANT text := format('pgvec.keyword_%s', index.id);
    listed CONSTANT text := (
        SELECT string_agg(format('key_%s', n - 1), ', ' ORDER BY n) FROM generate_subscripts(index.key_columns, 1) AS n);
BEGIN
    EXECUTE format('INSERT INTO %s (%s, length, terms, document) %s',
        store, listed, pgvec._keyword_documents_v1(index, 'ONLY ' || index.relation::text));
    EXECUTE format('INSERT INTO %1$s_statistics SELECT count(*), sum(length) FROM %1$s HAVING count(*) > 0', store);
END
$function$;
COMMENT ON FUNCTION pgvec._keyword_fill_v1(pgvec.keyword_index) IS 'Indexes all rows of a table.';

CREATE FUNCTION pgvec.rebuild_keyword_index(relation regclass, name text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    found CONSTANT pgvec.keyword_index := pgvec._keyword_find_v1(relation, name);
BEGIN
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', relation);
    EXECUTE format('TRUNCATE pgvec.keyword_%1$s, pgvec.keyword_%1$s_statistics', found.id);
    PERFORM pgvec._keyword_fill_v1(found);
END
$function$;
COMMENT ON FUNCTION pgvec.rebuild_keyword_index(regclass, text)
    IS 'Indexes all rows anew, after writes that ran no triggers (session_replication_role, DISABLE TRIGGER).';

CREATE FUNCTION pgvec.drop_keyword_index(relation regclass, name text DEFAULT NULL, if_exists boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    found pgvec.keyword_index;
    trigger_name name;
BEGIN
    BEGIN
        found := pgvec._keyword_find_v1(relation, name);
    EXCEPTION WHEN SQLSTATE 'PV003' THEN
        IF if_exists THEN
            RETURN;
        END IF;
        RAISE;
    END;
    FOR trigger_name IN
        SELECT t.tgname FROM pg_trigger AS t
        WHERE t.tgrelid = found.relation AND t.tgfoid = format('pgvec.keyword_%s_upkeep', found.id)::regproc
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', trigger_name, found.relation);
    END LOOP;
    PERFORM pgvec._keyword_discard_v1(found.id);
END
$function$;
COMMENT ON FUNCTION pgvec.drop_keyword_index(regclass, text, boolean) IS 'Drops a keyword index with everything that belongs to it.';

-- Whether the whole index may be used: the caller may read the columns, and no policy hides rows from him.
CREATE FUNCTION pgvec._keyword_is_open_v1(index pgvec.keyword_index) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN (
    WITH caller AS (
        SELECT r.rolname, r.oid, r.rolsuper OR r.rolbypassrls AS bypasses
        FROM pg_roles AS r WHERE r.rolname = pgvec._keyword_caller_v1())
    SELECT (
            NOT t.relrowsecurity OR caller.bypasses
            OR (NOT t.relforcerowsecurity AND pg_has_role(caller.oid, t.relowner, 'USAGE')))
        AND (
            SELECT bool_and(has_column_privilege(caller.oid, t.oid, c, 'SELECT'))
            FROM unnest(index.key_columns || index.text_columns) AS c)
    FROM pg_class AS t, caller WHERE t.oid = index.relation);
COMMENT ON FUNCTION pgvec._keyword_is_open_v1(pgvec.keyword_index) IS 'Whether the caller may see the words of all rows.';

-- What a text asks for. Words become lexemes of the configuration; "..." is required as a phrase, and its words count; word* is a
-- beginning of words. The text is never read as tsquery: what is cast to tsquery is what Postgres itself wrote, quoted by it.
CREATE FUNCTION pgvec._keyword_terms_v1(
    config regconfig, asked text, OUT terms tsquery[], OUT places bigint[], OUT times bigint[], OUT required tsquery
)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    beginning CONSTANT text := '(?:^|(?<=[^[:alnum:]_]))([[:alnum:]_]+)\*';
    phrase CONSTANT text := '"([^"]*)"';
    outside CONSTANT text := regexp_replace(asked, phrase, ' ', 'g');
    phrases CONSTANT text[] := ARRAY(SELECT m[1] FROM regexp_matches(asked, phrase, 'g') AS m);
BEGIN
    SELECT array_agg(t.term ORDER BY t.term::text), array_agg(t.place ORDER BY t.term::text), array_agg(t.times ORDER BY t.term::text)
        INTO terms, places, times
        FROM (
            SELECT array_to_tsvector(ARRAY[l.lexeme])::text::tsquery AS term,
                (hashtextextended(l.lexeme COLLATE "C", 0) & 536870911) + 1 AS place, cardinality(l.positions)::bigint AS times
            FROM unnest(to_tsvector(config,
                regexp_replace(outside, beginning, ' ', 'g') || ' ' || array_to_string(phrases, ' '))) AS l
            UNION ALL
            SELECT (b.query::text || ':*')::tsquery, NULL, count(*)
            FROM regexp_matches(outside, beginning, 'g') AS m
            CROSS JOIN LATERAL (SELECT plainto_tsquery(config, m[1]) AS query) AS s
            -- What would be a stop word may still begin other words.
            CROSS JOIN LATERAL (
                SELECT CASE WHEN numnode(s.query) = 1 THEN s.query ELSE plainto_tsquery('simple', m[1]) END AS query) AS b
            WHERE numnode(b.query) = 1 GROUP BY 1) AS t;
    IF cardinality(terms) > 500 THEN
        RAISE EXCEPTION USING ERRCODE = '54000', MESSAGE = format('The query has %s different words', cardinality(terms)),
            HINT = 'Ask with at most 500 words';
    END IF;
    SELECT string_agg(format('( %s )', p.query), ' & ')::tsquery INTO required
        FROM unnest(phrases) AS given (text)
        CROSS JOIN LATERAL (SELECT phraseto_tsquery(config, given.text) AS query) AS p
        WHERE numnode(p.query) > 0;
END
$function$;
COMMENT ON FUNCTION pgvec._keyword_terms_v1(regconfig, text) IS 'Words, beginnings of words and phrases of a query.';

-- The statement that scores documents, or NULL where the text asks for nothing. Its parameters: $1 most rows or NULL, $2 keys (as
-- texts of arrays) whose scores are wanted in any case.
--
-- Every term is one column of "hit", computed once; from these come both the number of documents that have it and the scores:
--   sum over terms of  times * ln(1 + (N - n + 0.5) / (n + 0.5)) * f / (f + k1 * (1 - b + b * length / average length))
CREATE FUNCTION pgvec._keyword_statement_v1(
    index pgvec.keyword_index, asked text, before text, store text, totals text
) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    extension CONSTANT name := pgvec._keyword_extension_v1();
    unit CONSTANT integer := pgvec._keyword_unit_v1(index.weights);
    greatest_weight CONSTANT numeric := (SELECT max(w) FROM unnest(index.weights) AS w);
    -- In the order D, C, B, A; ts_rank_cd of a single term counts its positions, each as its label weighs, at most 1.
    labels CONSTANT text := (
        SELECT format('{%s}', string_agg(coalesce(((
            SELECT max(w) FROM unnest(index.weights) AS w WHERE pgvec._keyword_label_v1(index.weights, w) = l
            ) / greatest_weight)::float4, 1)::text, ',' ORDER BY l DESC)) FROM unnest('{A,B,C,D}'::text[]) AS l);
    keys CONSTANT text := (
        SELECT string_agg(format('key_%s', n - 1), ', ' ORDER BY n) FROM generate_subscripts(index.key_columns, 1) AS n);
    query record;
    frequencies text;
    counts text;
    weights text;
    scores text;
BEGIN
    query := pgvec._keyword_terms_v1(index.config, asked);
    IF query.terms IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT
        string_agg(
            CASE WHEN t.place IS NOT NULL
                THEN format('(terms OPERATOR(%1$I.<#>) %2$L::%1$I.sparsevec)::real AS f%3$s',
                    extension, format('{%s:-1}/1000000000', t.place), t.n)
                ELSE format('ts_rank_cd(%L, document, %L::tsquery) * %s::real AS f%s',
                    labels, t.term, greatest_weight * unit, t.n) END, ', '),
        string_agg(format('count(*) FILTER (WHERE f%1$s > 0) AS n%1$s', t.n), ', '),
        string_agg(format('%1$s * ln(1 + (documents - n%2$s + 0.5) / (n%2$s + 0.5)::float8) AS w%2$s', t.times, t.n), ', ')
        INTO frequencies, counts, weights
        FROM unnest(query.terms, query.places, query.times) WITH ORDINALITY AS t (term, place, times, n);
    -- In groups, since a sum of five hundred parts would be nested as deep.
    SELECT string_agg('(' || g.part || ')', ' + ') INTO scores FROM (
        SELECT string_agg(format('w%1$s * f%1$s / (f%1$s + k)', n), ' + ') AS part
        FROM generate_subscripts(query.terms, 1) AS n GROUP BY n / 30) AS g;
    RETURN format($sql$
        WITH %14$s hit AS MATERIALIZED (
            SELECT %1$s, length, %2$s, %3$s AS fits FROM %4$s AS kept WHERE document @@ %5$L::tsquery),
        total AS MATERIALIZED (SELECT coalesce(sum(documents), 0)::float8 AS documents,
            coalesce(sum(length)::float8 / nullif(sum(documents), 0), 1) AS average FROM %6$s AS s),
        weight AS MATERIALIZED (
            SELECT %7$s, %8$L::float8 AS base, %9$L::float8 / greatest(average, 1e-9) AS slope
            FROM (SELECT %10$s FROM hit) AS counted, total),
        scored AS (
            SELECT %1$s, %11$s AS score
            FROM (SELECT hit.*, weight.*, base + slope * length AS k FROM hit, weight WHERE fits OFFSET 0) AS parts)
        (SELECT ARRAY[%12$s]::text[] AS key, score FROM scored ORDER BY score DESC, %1$s LIMIT $1)
        UNION ALL
        (SELECT ARRAY[%12$s]::text[], score FROM scored
            WHERE $2 IS NOT NULL AND (%1$s) IN (SELECT %13$s FROM unnest($2::text[]) AS wanted))$sql$,
        keys, frequencies,
        CASE WHEN query.required IS NULL THEN 'true' ELSE format('document @@ %L::tsquery', query.required) END,
        store,
        (SELECT string_agg(t::text, ' | ') FROM unnest(query.terms) AS t),
        totals, weights,
        index.k1 * unit * (1 - index.b), index.k1 * unit * index.b,
        counts, scores,
        (SELECT string_agg(format('key_%s::text', n - 1), ', ' ORDER BY n) FROM generate_subscripts(index.key_columns, 1) AS n),
        (SELECT string_agg(format('(wanted::text[])[%s]::%s', n, t), ', ' ORDER BY n)
            FROM unnest(pgvec._keyword_key_types_v1(index)) WITH ORDINALITY AS k (t, n)),
        before);
END
$function$;
COMMENT ON FUNCTION pgvec._keyword_statement_v1(pgvec.keyword_index, text, text, text, text) IS 'SQL that scores documents by BM25.';

-- For callers who may see all rows: from the index. It checks the caller, since anybody can call it. Without the setting, Postgres
-- reads the whole table for a common word: it takes @@ on every row to be as cheap as a comparison of numbers.
CREATE FUNCTION pgvec._keyword_open_matches_v1(index_id integer, asked text, most bigint, also text[])
RETURNS TABLE (key text[], score float8)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off
AS $function$
DECLARE
    index pgvec.keyword_index;
    statement text;
BEGIN
    SELECT i.* INTO STRICT index FROM pgvec.keyword_index AS i WHERE i.id = index_id;
    IF NOT pgvec._keyword_is_open_v1(index) THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('permission denied for keyword index %s', index.name);
    END IF;
    statement := pgvec._keyword_statement_v1(index, asked, '',
        format('pgvec.keyword_%s', index.id), format('pgvec.keyword_%s_statistics', index.id));
    IF statement IS NOT NULL THEN
        RETURN QUERY EXECUTE statement USING most, also;
    END IF;
END
$function$;
COMMENT ON FUNCTION pgvec._keyword_open_matches_v1(integer, text, bigint, text[]) IS 'Keys and scores, for who may see all rows.';

-- Keys and scores of the rows that a text matches, the best first. Where policies hide rows from the caller, the words are taken
-- from the rows that he sees, and so are the statistics: nothing of the others shows, not even in a score.
CREATE FUNCTION pgvec._keyword_matches_v1(row_type regtype, name text, asked text, most bigint, also text[])
RETURNS TABLE (key text[], score float8)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    table_oid CONSTANT oid := (SELECT t.typrelid FROM pg_type AS t WHERE t.oid = row_type);
    index CONSTANT pgvec.keyword_index := pgvec._keyword_find_v1(table_oid::regclass, name);
    statement text;
BEGIN
    IF pgvec._keyword_is_open_v1(index) AND NOT row_security_active(table_oid) THEN
        RETURN QUERY SELECT m.key, m.score FROM pgvec._keyword_open_matches_v1(index.id, asked, most, also) AS m;
        RETURN;
    END IF;
    statement := pgvec._keyword_statement_v1(index, asked,
        format('visible AS MATERIALIZED (%s),', pgvec._keyword_documents_v1(index, index.relation::text)),
        'visible', '(SELECT count(*) AS documents, sum(length) AS length FROM visible)');
    IF statement IS NOT NULL THEN
        RETURN QUERY EXECUTE statement USING most, also;
    END IF;
END
$function$;
COMMENT ON FUNCTION pgvec._keyword_matches_v1(regtype, text, text, bigint, text[]) IS 'Keys and scores of the rows that a text matches.';

CREATE TABLE pgvec.keyword_fusion (
    keyword_index integer NOT NULL REFERENCES pgvec.keyword_index (id) ON DELETE CASCADE,
    vector_column text NOT NULL,
    weight float8 NOT NULL CHECK (weight BETWEEN 0 AND 1),
    fitted_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (keyword_index, vector_column)
);
COMMENT ON TABLE pgvec.keyword_fusion IS 'Weights of hybrid searches that were fitted on judgements.';
COMMENT ON COLUMN pgvec.keyword_fusion.keyword_index IS 'The keyword index.';
COMMENT ON COLUMN pgvec.keyword_fusion.vector_column IS 'The vector column that is searched along with it.';
COMMENT ON COLUMN pgvec.keyword_fusion.weight IS 'Weight of the vectors, from 0 to 1; that of the words is the rest.';
COMMENT ON COLUMN pgvec.keyword_fusion.fitted_at IS 'When it was stored.';
GRANT SELECT ON pgvec.keyword_fusion TO PUBLIC;

CREATE FUNCTION pgvec._keyword_fusion_v1(row_type regtype, name text, vector_column text) RETURNS float8
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    table_oid CONSTANT oid := (SELECT t.typrelid FROM pg_type AS t WHERE t.oid = row_type);
    index CONSTANT pgvec.keyword_index := pgvec._keyword_find_v1(table_oid::regclass, name);
BEGIN
    RETURN (SELECT f.weight FROM pgvec.keyword_fusion AS f WHERE f.keyword_index = index.id AND f.vector_column = $3);
END
$function$;
COMMENT ON FUNCTION pgvec._keyword_fusion_v1(regtype, text, text) IS 'The fitted weight of the vectors, or NULL.';

CREATE FUNCTION pgvec._keyword_store_fusion_v1(row_type regtype, name text, vector_column text, weight float8) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    table_oid CONSTANT oid := (SELECT t.typrelid FROM pg_type AS t WHERE t.oid = row_type);
    index CONSTANT pgvec.keyword_index := pgvec._keyword_find_v1(table_oid::regclass, name);
BEGIN
    IF NOT (SELECT pg_has_role(pgvec._keyword_caller_v1(), c.relowner, 'USAGE') FROM pg_class AS c WHERE c.oid = table_oid) THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('must be owner of table %s', table_oid::regclass);
    END IF;
    INSERT INTO pgvec.keyword_fusion AS f VALUES (index.id, $3, $4)
        ON CONFLICT ON CONSTRAINT keyword_fusion_pkey DO UPDATE SET weight = excluded.weight, fitted_at = now();
END
$function$;
COMMENT ON FUNCTION pgvec._keyword_store_fusion_v1(regtype, text, text, float8) IS 'Stores the weight of the vectors.';
