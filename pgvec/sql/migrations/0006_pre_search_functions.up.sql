-- Searches in plain SQL: pgvec.search and its like, for psql, other languages and BI tools. docs/sql.md describes them.
--
-- Everything is read from the catalogs when it is needed: nothing is registered, and the extension may be moved at any time. So no
-- function names a type of the extension: query vectors come as "anyelement" (vector, halfvec, sparsevec, bit, arrays of numbers) or
-- as text, which is also what a literal is. The functions run with the rights of the caller, and the first ones only build text:
-- names go through %I, values through %L, nothing else of the caller ever becomes SQL.
--
-- They are STABLE, so that all statements of a call see the snapshot of the statement that calls it. The functions that build text
-- have a search_path of their own; those that run it have not, since policies and views may call functions of the user.
-- Own error codes: none; what is refused has a standard one (22023 in most cases) and a hint.

CREATE TYPE pgvec._search_target_v1 AS (
    relation oid,
    base oid,
    place text,
    keys text[],
    key_types text[],
    equals text[],
    is_joined boolean,
    embedding text,
    type text,
    dimensions integer,
    extension text,
    distance text,
    operator text,
    index_name text,
    index_method text,
    index_expression text,
    index_stored text,
    index_leading integer,
    index_is_partial boolean,
    is_filter_hidden boolean,
    has_partial_index boolean
);
COMMENT ON TYPE pgvec._search_target_v1 IS 'What a search has to know of a relation, read from the catalogs.';
COMMENT ON COLUMN pgvec._search_target_v1.relation IS 'The relation.';
COMMENT ON COLUMN pgvec._search_target_v1.base IS 'The table with its statistics and indexes: another one where the relation is a view.';
COMMENT ON COLUMN pgvec._search_target_v1.place IS 'The name of the relation with its schema, quoted.';
COMMENT ON COLUMN pgvec._search_target_v1.keys IS 'Columns that tell rows apart.';
COMMENT ON COLUMN pgvec._search_target_v1.key_types IS 'Their types.';
COMMENT ON COLUMN pgvec._search_target_v1.equals IS 'Operators that compare them.';
COMMENT ON COLUMN pgvec._search_target_v1.is_joined IS 'Whether an index promises that the columns tell rows apart.';
COMMENT ON COLUMN pgvec._search_target_v1.embedding IS 'The vector column.';
COMMENT ON COLUMN pgvec._search_target_v1.type IS 'Its type: vector, halfvec, sparsevec, bit or varbit.';
COMMENT ON COLUMN pgvec._search_target_v1.dimensions IS 'Its dimensions, where it is declared with a number of them.';
COMMENT ON COLUMN pgvec._search_target_v1.extension IS 'The schema of the extension vector.';
COMMENT ON COLUMN pgvec._search_target_v1.distance IS 'The distance to search by.';
COMMENT ON COLUMN pgvec._search_target_v1.operator IS 'The operator of the distance.';
COMMENT ON COLUMN pgvec._search_target_v1.index_name IS 'The vector index to ask; the fields of the index are NULL where there is none.';
COMMENT ON COLUMN pgvec._search_target_v1.index_method IS 'hnsw or ivfflat.';
COMMENT ON COLUMN pgvec._search_target_v1.index_expression IS 'What it is on, as the catalog prints it.';
COMMENT ON COLUMN pgvec._search_target_v1.index_stored IS 'The type that it holds.';
COMMENT ON COLUMN pgvec._search_target_v1.index_leading IS 'How many leading dimensions it holds, where not all.';
COMMENT ON COLUMN pgvec._search_target_v1.index_is_partial IS 'Whether it has a predicate.';
COMMENT ON COLUMN pgvec._search_target_v1.is_filter_hidden IS 'Whether the vector index is the only one that may find rows for its branch.';
COMMENT ON COLUMN pgvec._search_target_v1.has_partial_index IS 'Whether there are vector indexes with a predicate, which a filter may imply.';

CREATE TYPE pgvec._filter_condition_v1 AS (
    condition text,
    low float8,
    high float8,
    is_found boolean,
    are_all_found boolean,
    columns text[],
    nodes integer
);
COMMENT ON TYPE pgvec._filter_condition_v1 IS 'A filter of the JSON language, or a part of one, as SQL.';
COMMENT ON COLUMN pgvec._filter_condition_v1.condition IS 'The condition on the row "t".';
COMMENT ON COLUMN pgvec._filter_condition_v1.low IS 'The least share of the rows that passes, by the statistics.';
COMMENT ON COLUMN pgvec._filter_condition_v1.high IS 'The greatest share of the rows that passes.';
COMMENT ON COLUMN pgvec._filter_condition_v1.is_found IS 'Whether an index finds the rows that pass one of its conjuncts.';
COMMENT ON COLUMN pgvec._filter_condition_v1.are_all_found IS 'Whether an index finds the rows that pass, whatever part they pass.';
COMMENT ON COLUMN pgvec._filter_condition_v1.columns IS 'The columns that it reads.';
COMMENT ON COLUMN pgvec._filter_condition_v1.nodes IS 'How many conditions it has.';

CREATE FUNCTION pgvec._refuse_v1(message text, hint text DEFAULT NULL, code text DEFAULT '22023') RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF hint IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message;
    END IF;
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message, HINT = hint;
END
$function$;
COMMENT ON FUNCTION pgvec._refuse_v1(text, text, text) IS 'Raises an error.';

CREATE FUNCTION pgvec._shown_v1(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN CASE WHEN length(value) > 60 THEN left(value, 57) || '...' ELSE value END;
END
$function$;
COMMENT ON FUNCTION pgvec._shown_v1(text) IS 'A value in a message, shortened.';

------------------------------------------------------------------------------------------------------------------------
-- Filters: the JSON language of docs/filters.md
------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION pgvec._base_type_v1(type oid) RETURNS oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    base oid := type;
    behind oid;
BEGIN
    LOOP
        SELECT t.typbasetype INTO behind FROM pg_type AS t WHERE t.oid = base AND t.typtype = 'd';
        EXIT WHEN NOT FOUND;
        base := behind;
    END LOOP;
    RETURN base;
END
$function$;
COMMENT ON FUNCTION pgvec._base_type_v1(oid) IS 'The type that a domain is made of; any other type is its own.';

-- The family of a type, which decides what it is compared with. "other" can only be asked for presence.
CREATE FUNCTION pgvec._filter_kind_v1(type oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN CASE type
    WHEN 16 THEN 'bool' WHEN 20 THEN 'int' WHEN 21 THEN 'int' WHEN 23 THEN 'int'
    WHEN 700 THEN 'single' WHEN 701 THEN 'double' WHEN 1700 THEN 'numeric'
    WHEN 25 THEN 'text' WHEN 1042 THEN 'text' WHEN 1043 THEN 'text'
    WHEN 1082 THEN 'date' WHEN 1083 THEN 'time' WHEN 1114 THEN 'timestamp' WHEN 1184 THEN 'timestamptz' WHEN 1186 THEN 'interval'
    WHEN 2950 THEN 'uuid' WHEN 3802 THEN 'jsonb'
    ELSE coalesce((
        SELECT CASE
            WHEN t.typtype = 'e' THEN 'enum'
            WHEN t.typname = 'citext' AND t.typcategory = 'S' THEN 'citext'
            WHEN e.oid IS NOT NULL THEN 'array' END
        FROM pg_type AS t LEFT JOIN pg_type AS e ON e.typarray = t.oid
        WHERE t.oid = type), 'other') END;
END
$function$;
COMMENT ON FUNCTION pgvec._filter_kind_v1(oid) IS 'The family of a type.';

CREATE FUNCTION pgvec._filter_kind_name_v1(kind text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN CASE kind
    WHEN 'bool' THEN 'true and false' WHEN 'int' THEN 'whole numbers' WHEN 'single' THEN 'numbers' WHEN 'double' THEN 'numbers'
    WHEN 'numeric' THEN 'numbers' WHEN 'text' THEN 'texts' WHEN 'citext' THEN 'texts' WHEN 'date' THEN 'dates (2024-12-31)'
    WHEN 'time' THEN 'times of day (12:30:00)' WHEN 'timestamp' THEN 'local times (2024-12-31T12:30:00)'
    WHEN 'timestamptz' THEN 'points in time (2024-12-31T12:30:00+00:00)' WHEN 'interval' THEN 'durations, which JSON cannot say'
    WHEN 'uuid' THEN 'UUIDs' WHEN 'enum' THEN 'labels' WHEN 'jsonb' THEN 'JSON' WHEN 'array' THEN 'lists' ELSE 'other values' END;
END
$function$;
COMMENT ON FUNCTION pgvec._filter_kind_name_v1(text) IS 'What columns of a family hold, for messages.';

-- A moment as ISO 8601 writes it, in a form that every setting of DateStyle reads alike; NULL where it is none.
CREATE FUNCTION pgvec._filter_moment_v1(kind text, value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    day CONSTANT text := '(\d{4})-?(\d\d)-?(\d\d)';
    clock CONSTANT text := '([01]\d|2[0-3])(?::?([0-5]\d)(?::?([0-5]\d)(?:[.,](\d{1,6})\d*)?)?)?';
    shift CONSTANT text := '(Z|z|[+-](?:[01]\d|2[0-3]):?[0-5]\d(?::?[0-5]\d)?)?';
    parts text[];
    time_parts text[];
    made text;
BEGIN
    IF kind <> 'time' THEN
        parts := regexp_match(value, '^' || day || '(?:[Tt ](.+))?$');
        IF parts IS NULL OR (substr(value, 5, 1) = '-') <> (ltrim(substr(value, 5, 4), '0123456789') LIKE '-%')
            OR (kind = 'date' AND parts[4] IS NOT NULL) OR parts[1] = '0000'
        THEN
            RETURN NULL;
        END IF;
        made := parts[1] || '-' || parts[2] || '-' || parts[3];
        IF kind = 'date' OR (parts[4] IS NULL AND kind = 'timestamp') THEN
            RETURN made;
        END IF;
    END IF;
    time_parts := regexp_match(CASE kind WHEN 'time' THEN value ELSE parts[4] END, '^' || clock || shift || '$');
    IF time_parts IS NULL OR (time_parts[5] IS NOT NULL) <> (kind = 'timestamptz') THEN
        RETURN NULL;
    END IF;
    RETURN concat(made || ' ', time_parts[1], ':', coalesce(time_parts[2], '00'), ':', coalesce(time_parts[3], '00'),
        '.' || time_parts[4], CASE upper(time_parts[5]) WHEN 'Z' THEN '+00:00' ELSE time_parts[5] END);
END
$function$;
COMMENT ON FUNCTION pgvec._filter_moment_v1(text, text) IS 'A date, a time or both, checked; NULL where the text is none.';

CREATE FUNCTION pgvec._filter_number_v1(value jsonb) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    number CONSTANT numeric := (value #>> '{}')::numeric;
BEGIN
    IF abs(number) > 1.7976931348623157e308 OR scale(number) > 1100 THEN
        PERFORM pgvec._refuse_v1('a number of the filter is beyond the range of double precision');
    END IF;
    RETURN number;
END
$function$;
COMMENT ON FUNCTION pgvec._filter_number_v1(jsonb) IS 'A number of JSON.';

-- The text of a value as the input function of its column type reads it. What such a column never holds is refused.
CREATE FUNCTION pgvec._filter_value_v1(kind text, type oid, value jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $function$
DECLARE
    json_type CONSTANT text := jsonb_typeof(value);
    plain CONSTANT text := value #>> '{}';
    number numeric;
    hexadecimal text;
    made text;
BEGIN
    IF kind = 'bool' AND json_type = 'boolean' THEN
        RETURN left(plain, 1);
    ELSIF kind IN ('int', 'numeric', 'double', 'single') AND json_type = 'number' THEN
        number := pgvec._filter_number_v1(value);
        IF kind IN ('int', 'numeric') THEN
            RETURN trim_scale(number)::text;
        -- Below half of the smallest number Postgres would refuse to round to 0, for either precision.
        ELSIF abs(number) <= 2.4703282292062327e-324 THEN
            RETURN '0';
        ELSIF kind = 'double' OR abs(number) >= 3.40282356779733661637539395458142568448e38 THEN
            RETURN number::float8::text;
        ELSIF abs(number::float8) <= 7.006492321624085e-46::float8 THEN
            RETURN '0';
        END IF;
        RETURN number::float8::float4::float8::text;
    ELSIF json_type = 'string' THEN
        CASE kind
            WHEN 'text', 'citext' THEN RETURN plain;
            WHEN 'date', 'time', 'timestamp', 'timestamptz' THEN
                made := pgvec._filter_moment_v1(kind, plain);
                -- The 31st of February fails here, and not for some row.
                CASE WHEN made IS NULL THEN NULL;
                    WHEN kind = 'date' THEN PERFORM made::date;
                    WHEN kind = 'timestamp' THEN PERFORM made::timestamp;
                    WHEN kind = 'timestamptz' THEN PERFORM made::timestamptz;
                    ELSE NULL; END CASE;
            WHEN 'uuid' THEN
                hexadecimal := regexp_replace(replace(replace(plain, 'urn:', ''), 'uuid:', ''), '[{}-]', '', 'g');
                made := CASE WHEN hexadecimal ~ '^[0-9a-fA-F]{32}$' THEN hexadecimal::uuid::text END;
            WHEN 'enum' THEN
                IF NOT EXISTS (SELECT FROM pg_enum AS e WHERE e.enumtypid = type AND e.enumlabel = plain) THEN
                    PERFORM pgvec._refuse_v1(format('the column holds one of %s, not %s',
                        (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
                            FROM pg_enum AS e WHERE e.enumtypid = type), pgvec._shown_v1(value::text)));
                END IF;
                made := plain;
            ELSE NULL;
        END CASE;
        IF made IS NOT NULL THEN
            RETURN made;
        END IF;
    END IF;
    PERFORM pgvec._refuse_v1(
        format('the column holds %s, which %s is not', pgvec._filter_kind_name_v1(kind), pgvec._shown_v1(value::text)));
END
$function$;
COMMENT ON FUNCTION pgvec._filter_value_v1(text, oid, jsonb) IS 'The text of a value of a filter, for a column of its type.';

-- Bounds of the share of rows that pass a comparison with a column, as far as the statistics tell: from 0 to 1 where they do not.
CREATE FUNCTION pgvec._filter_share_v1(
    base oid, column_name text, kind text, operator text, given text[], OUT low float8, OUT high float8
)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    known record;
    listed boolean;
    others float8;
    bound float8;
    numbers float8[];
    groups float8[];
    below float8;
    slack float8;
BEGIN
    low := 0;
    high := 1;
    listed := kind IN ('text', 'enum', 'uuid', 'int', 'bool') AND operator = '=';
    SELECT s.null_frac::float8 AS nulls, s.n_distinct::float8 AS n_distinct, s.avg_width,
            CASE WHEN operator <> 'is null' THEN s.most_common_vals::text::text[] END AS common,
            CASE WHEN operator <> 'is null' THEN s.most_common_freqs::float8[] END AS shares,
            CASE WHEN operator NOT IN ('=', 'is null') THEN s.histogram_bounds::text::text[] END AS bounds
        INTO known
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = column_name
            AND s.inherited = c.relhassubclass
        WHERE c.oid = base;
    IF NOT FOUND OR known.nulls IS NULL THEN
        RETURN;
    ELSIF operator = 'is null' THEN
        low := known.nulls;
        high := known.nulls;
        RETURN;
    END IF;
    others := greatest(0, 1 - known.nulls - coalesce((SELECT sum(s) FROM unnest(known.shares) AS s), 0));
    IF listed THEN
        -- ANALYZE lists the most common values first, so any other is at most as common as the last of them. Where it lists none,
        -- all values are about equally rare. Different values are never in the same row.
        SELECT coalesce(sum(found.share), 0),
                coalesce(sum(coalesce(found.share, CASE
                    WHEN kind IN ('bool', 'enum') THEN 1
                    WHEN known.shares IS NOT NULL THEN least(others, (SELECT min(s) FROM unnest(known.shares) AS s))
                    ELSE least(others, CASE WHEN known.n_distinct > 0 THEN 2 / known.n_distinct ELSE 0.001 END) END)), 0)
            INTO low, high
            FROM (SELECT DISTINCT g FROM unnest(given) AS g) AS wanted
            LEFT JOIN LATERAL (
                SELECT s AS share FROM unnest(known.common, known.shares) AS m (v, s) WHERE m.v = wanted.g LIMIT 1) AS found ON true;
        low := least(1, low);
        high := least(1, high);
        RETURN;
    ELSIF operator = '=' OR kind NOT IN ('int', 'single', 'double', 'numeric', 'date', 'timestamp', 'timestamptz') THEN
        RETURN;
    END IF;
    IF kind IN ('date', 'timestamp', 'timestamptz') THEN
        bound := CASE kind WHEN 'timestamptz' THEN extract(epoch FROM given[1]::timestamptz) ELSE extract(epoch FROM given[1]::timestamp) END;
        numbers := ARRAY(SELECT CASE kind WHEN 'timestamptz' THEN extract(epoch FROM v::timestamptz) ELSE extract(epoch FROM v::timestamp) END
            FROM unnest(known.common) WITH ORDINALITY AS m (v, n) ORDER BY n);
        groups := ARRAY(SELECT CASE kind WHEN 'timestamptz' THEN extract(epoch FROM v::timestamptz) ELSE extract(epoch FROM v::timestamp) END
            FROM unnest(known.bounds) WITH ORDINALITY AS m (v, n) ORDER BY n);
    ELSE
        bound := given[1]::float8;
        numbers := known.common::float8[];
        groups := known.bounds::float8[];
    END IF;
    SELECT coalesce(sum(s), 0) INTO low FROM unnest(numbers, known.shares) AS m (v, s)
        WHERE CASE operator WHEN '<' THEN v < bound WHEN '<=' THEN v <= bound WHEN '>' THEN v > bound ELSE v >= bound END;
    IF coalesce(cardinality(groups), 0) < 2 THEN
        high := least(1, low + others);
        RETURN;
    END IF;
    slack := 1.0 / (cardinality(groups) - 1);
    below := CASE
        WHEN bound <= groups[1] THEN 0
        WHEN bound >= groups[cardinality(groups)] THEN 1
        ELSE slack * (
            SELECT n - 1 + CASE WHEN groups[n + 1] > groups[n] THEN (bound - groups[n]) / (groups[n + 1] - groups[n]) ELSE 0.5 END
            FROM (SELECT width_bucket(bound, groups) AS n) AS place) END;
    below := CASE WHEN operator IN ('<', '<=') THEN below ELSE 1 - below END;
    high := least(1, low + others * least(1, below + slack));
    low := low + others * greatest(0, below - slack);
EXCEPTION
    -- A statistic that is no number of double precision tells nothing.
    WHEN data_exception THEN
        low := 0;
        high := 1;
END
$function$;
COMMENT ON FUNCTION pgvec._filter_share_v1(oid, text, text, text, text[]) IS 'Bounds of the share of rows that pass a comparison.';

CREATE FUNCTION pgvec._filter_join_v1(parts pgvec._filter_condition_v1[], is_or boolean) RETURNS pgvec._filter_condition_v1
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    made pgvec._filter_condition_v1;
BEGIN
    IF cardinality(parts) = 1 THEN
        RETURN parts[1];
    END IF;
    -- Frechet's bounds, which hold for any dependence.
    SELECT
        coalesce('(' || string_agg(p.condition, CASE WHEN is_or THEN ' OR ' ELSE ' AND ' END) || ')', CASE WHEN is_or THEN 'false' ELSE 'true' END),
        CASE WHEN is_or THEN coalesce(max(p.low), 0) ELSE greatest(0, coalesce(sum(p.low) - (count(*) - 1), 1)) END,
        CASE WHEN is_or THEN least(1, coalesce(sum(p.high), 0)) ELSE coalesce(min(p.high), 1) END,
        coalesce(CASE WHEN is_or THEN bool_and(p.are_all_found) ELSE bool_or(p.is_found) END, false),
        coalesce(bool_and(p.are_all_found), false)
        INTO made.condition, made.low, made.high, made.is_found, made.are_all_found
        FROM unnest(parts) AS p;
    made.columns := ARRAY(SELECT DISTINCT c FROM unnest(parts) AS p CROSS JOIN LATERAL unnest(p.columns) AS c);
    made.nodes := coalesce((SELECT sum(p.nodes) FROM unnest(parts) AS p), 0);
    IF made.nodes > 10000 THEN
        PERFORM pgvec._refuse_v1('the filter has more than 10,000 conditions', 'Use $in for long lists.');
    END IF;
    RETURN made;
END
$function$;
COMMENT ON FUNCTION pgvec._filter_join_v1(pgvec._filter_condition_v1[], boolean) IS 'Joins conditions by AND or OR.';

CREATE FUNCTION pgvec._filter_complement_v1(part pgvec._filter_condition_v1, indexed text[]) RETURNS pgvec._filter_condition_v1
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    made pgvec._filter_condition_v1 := part;
BEGIN
    made.condition := '(' || part.condition || ') IS NOT TRUE';
    made.low := 1 - part.high;
    made.high := 1 - part.low;
    made.is_found := cardinality(part.columns) > 0 AND part.columns <@ indexed;
    made.are_all_found := made.is_found;
    RETURN made;
END
$function$;
COMMENT ON FUNCTION pgvec._filter_complement_v1(pgvec._filter_condition_v1, text[]) IS 'What holds exactly where a condition does not.';

CREATE FUNCTION pgvec._filter_path_v1(key text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    part CONSTANT text := '(?:[^.\\]|\\[.\\])+';
BEGIN
    IF key !~ ('^' || part || '(?:\.' || part || ')*$') THEN
        PERFORM pgvec._refuse_v1(format('cannot read the key %s of the filter', quote_literal(pgvec._shown_v1(key))),
            'Names are separated by single dots, and a backslash goes before a dot or a backslash only.');
    END IF;
    RETURN ARRAY(
        SELECT regexp_replace(m[1], '\\(.)', '\1', 'g')
        FROM regexp_matches(key, '(' || part || ')(?:\.|$)', 'g') WITH ORDINALITY AS f (m, n) ORDER BY n);
END
$function$;
COMMENT ON FUNCTION pgvec._filter_path_v1(text) IS 'A key of a filter, split at its dots.';

-- What can be refused without knowing the column.
CREATE FUNCTION pgvec._filter_check_v1(operator text, operand jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    json_type CONSTANT text := jsonb_typeof(operand);
    problem text;
BEGIN
    CASE
        WHEN operator IN ('$eq', '$ne') THEN NULL;
        WHEN operator IN ('$lt', '$lte', '$gt', '$gte') THEN
            problem := CASE WHEN json_type NOT IN ('number', 'string') THEN 'needs a number, a text or a time' END;
        WHEN operator IN ('$in', '$nin', '$overlaps') THEN
            problem := CASE WHEN json_type <> 'array' THEN 'needs a list' WHEN operand @> '[null]' THEN 'null goes only with $eq and $ne' END;
        WHEN operator = '$between' THEN
            problem := CASE WHEN json_type <> 'array' OR jsonb_array_length(operand) <> 2
                OR jsonb_typeof(operand -> 0) NOT IN ('number', 'string') OR jsonb_typeof(operand -> 1) NOT IN ('number', 'string')
                THEN 'needs a list of two bounds' END;
        WHEN operator = '$exists' THEN
            problem := CASE WHEN json_type <> 'boolean' THEN 'needs true or false' END;
        WHEN operator = '$contains' THEN
            problem := CASE WHEN json_type = 'null' OR (json_type = 'array' AND operand @> '[null]') THEN 'null goes only with $eq and $ne' END;
        WHEN operator IN ('$like', '$ilike') THEN
            problem := CASE WHEN json_type <> 'string' THEN 'needs a pattern'
                WHEN length(substring(operand #>> '{}' FROM '\\*$')) % 2 = 1
                    THEN 'the pattern ends with a lone backslash: write two for the character' END;
        ELSE
            PERFORM pgvec._refuse_v1(format('unknown operator %s in the filter', quote_literal(pgvec._shown_v1(operator))),
                'Known after a key are $eq, $ne, $lt, $lte, $gt, $gte, $between, $in, $nin, $exists, $contains, $overlaps, $like, $ilike and $not; '
                'before a key go $and, $or and $not.');
    END CASE;
    IF json_type IN ('object', 'array') THEN
        problem := coalesce(problem, CASE
            WHEN jsonb_path_exists(operand, 'strict $.**{33}') THEN 'the value is nested deeper than 32 levels'
            WHEN jsonb_path_exists(operand,
                'strict $.** ? (@.type() == "number" && (@ > 1.7976931348623157e308 || @ < -1.7976931348623157e308))')
                THEN 'a number is beyond the range of double precision' END);
    ELSIF json_type = 'number' THEN
        PERFORM pgvec._filter_number_v1(operand);
    END IF;
    IF problem IS NOT NULL THEN
        PERFORM pgvec._refuse_v1(format('%s %s, and is given %s', operator, problem, pgvec._shown_v1(operand::text)));
    END IF;
END
$function$;
COMMENT ON FUNCTION pgvec._filter_check_v1(text, jsonb) IS 'Refuses an unknown operator, and an operand that an operator never takes.';

-- A condition on a jsonb column, or on the value at a path below it. JSON values are compared as jsonb and never cast, so that it does
-- not matter in which order a guard and a comparison are evaluated. What can be said as containment in the whole column is,
-- since that is what a GIN index serves; a number on the path could be the position in an array, where the two differ.
CREATE FUNCTION pgvec._filter_json_v1(column_sql text, path text[], operator text, operand jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    has_path CONSTANT boolean := cardinality(path) > 0;
    has_keys_only CONSTANT boolean := NOT EXISTS (SELECT FROM unnest(path) AS key WHERE key ~ '^\s*[+-]?\d+$');
    value CONSTANT text := CASE WHEN has_path THEN format('(%s OPERATOR(pg_catalog.#>) %L::pg_catalog.text[])', column_sql, path) ELSE column_sql END;
    plain CONSTANT text := format('(%s OPERATOR(pg_catalog.#>>) %L::pg_catalog.text[])', column_sql, path);
    json_type CONSTANT text := jsonb_typeof(operand);
    symbol text;
    parts jsonb[];
BEGIN
    CASE operator
        WHEN '$exists' THEN
            RETURN format('%s IS %s', value, CASE operand WHEN 'true' THEN 'NOT NULL' ELSE 'NULL' END);
        WHEN '$eq' THEN
            IF json_type = 'null' THEN
                RETURN format('(%1$s IS NULL OR %1$s OPERATOR(pg_catalog.=) %2$L::pg_catalog.jsonb)', value, 'null');
            ELSIF has_path AND has_keys_only AND json_type NOT IN ('object', 'array') THEN
                parts := ARRAY[operand];
            ELSE
                RETURN format('%s OPERATOR(pg_catalog.=) %L::pg_catalog.jsonb', value, operand);
            END IF;
        WHEN '$contains' THEN
            parts := ARRAY[CASE WHEN json_type IN ('object', 'array') THEN operand ELSE jsonb_build_array(operand) END];
        WHEN '$overlaps' THEN
            IF jsonb_path_exists(operand, 'strict $[*] ? (@.type() == "object" || @.type() == "array")') THEN
                PERFORM pgvec._refuse_v1('$overlaps needs numbers, texts, true or false in its list');
            END IF;
            parts := ARRAY(SELECT jsonb_build_array(e) FROM jsonb_array_elements(operand) AS e);
        WHEN '$in' THEN
            RETURN CASE jsonb_array_length(operand) WHEN 0 THEN 'false' ELSE
                format('%s OPERATOR(pg_catalog.=) ANY (%L::pg_catalog.jsonb[])', value, ARRAY(SELECT jsonb_array_elements(operand))) END;
        WHEN '$between' THEN
            IF jsonb_typeof(operand -> 0) <> jsonb_typeof(operand -> 1) THEN
                PERFORM pgvec._refuse_v1(format('the bounds %s are of different types', pgvec._shown_v1(operand::text)));
            END IF;
            RETURN format('(%s AND %s)',
                pgvec._filter_json_v1(column_sql, path, '$gte', operand -> 0), pgvec._filter_json_v1(column_sql, path, '$lte', operand -> 1));
        WHEN '$like', '$ilike' THEN
            RETURN format('(pg_catalog.jsonb_typeof(%s) OPERATOR(pg_catalog.=) %L AND %s OPERATOR(pg_catalog.%s) %L::pg_catalog.text)',
                value, 'string', plain, CASE operator WHEN '$like' THEN '~~' ELSE '~~*' END, operand #>> '{}');
        ELSE
            symbol := CASE operator WHEN '$lt' THEN '<' WHEN '$lte' THEN '<=' WHEN '$gt' THEN '>' WHEN '$gte' THEN '>=' END;
            -- jsonb orders texts by the collation of the database; "C" is the same everywhere.
            RETURN format(
                CASE json_type
                    WHEN 'number' THEN '(pg_catalog.jsonb_typeof(%1$s) OPERATOR(pg_catalog.=) %2$L AND %1$s OPERATOR(pg_catalog.%4$s) %5$L::pg_catalog.jsonb)'
                    ELSE '(pg_catalog.jsonb_typeof(%1$s) OPERATOR(pg_catalog.=) %2$L AND (%3$s COLLATE pg_catalog."C") OPERATOR(pg_catalog.%4$s) %5$L::pg_catalog.text)' END,
                value, json_type, plain, symbol, CASE json_type WHEN 'number' THEN operand::text ELSE operand #>> '{}' END);
    END CASE;
    IF cardinality(parts) = 0 THEN
        RETURN 'false';
    END IF;
    IF has_keys_only THEN
        FOR n IN REVERSE cardinality(path) .. 1 LOOP
            parts := ARRAY(SELECT jsonb_build_object(path[n], part) FROM unnest(parts) AS part);
        END LOOP;
    END IF;
    RETURN CASE cardinality(parts)
        WHEN 1 THEN format('%s OPERATOR(pg_catalog.@>) %L::pg_catalog.jsonb', CASE WHEN has_keys_only THEN column_sql ELSE value END, parts[1])
        ELSE format('%s OPERATOR(pg_catalog.@>) ANY (%L::pg_catalog.jsonb[])', CASE WHEN has_keys_only THEN column_sql ELSE value END, parts) END;
END
$function$;
COMMENT ON FUNCTION pgvec._filter_json_v1(text, text[], text, jsonb) IS 'A condition on a JSON value.';

-- A condition on an array. Elements are given in the column's own type; one that no such column can hold equals none.
CREATE FUNCTION pgvec._filter_array_v1(column_sql text, type oid, operator text, operand jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    element CONSTANT oid := (SELECT t.typelem FROM pg_type AS t WHERE t.oid = type);
    base CONSTANT oid := pgvec._base_type_v1(element);
    kind CONSTANT text := pgvec._filter_kind_v1(base);
    items CONSTANT jsonb := CASE jsonb_typeof(operand) WHEN 'array' THEN operand ELSE jsonb_build_array(operand) END;
    given text[];
    fitting text[];
BEGIN
    IF operator = '$eq' AND jsonb_typeof(operand) <> 'array' THEN
        PERFORM pgvec._refuse_v1(format('the column holds lists, which %s is not', pgvec._shown_v1(operand::text)), 'Use $contains.');
    END IF;
    given := ARRAY(SELECT pgvec._filter_value_v1(kind, base, e) FROM jsonb_array_elements(items) WITH ORDINALITY AS l (e, n) ORDER BY n);
    fitting := CASE kind
        WHEN 'int' THEN ARRAY(SELECT v FROM unnest(given) WITH ORDINALITY AS l (v, n)
            WHERE v::numeric = trunc(v::numeric) AND v::numeric BETWEEN
                CASE base WHEN 21 THEN -32768 WHEN 23 THEN -2147483648 ELSE -9223372036854775808 END
                AND CASE base WHEN 21 THEN 32767 WHEN 23 THEN 2147483647 ELSE 9223372036854775807 END ORDER BY n)
        WHEN 'single' THEN ARRAY(SELECT v FROM unnest(given) WITH ORDINALITY AS l (v, n) WHERE abs(v::float8) < 3.4028235677973366e38 ORDER BY n)
        ELSE given END;
    IF cardinality(fitting) < cardinality(given) AND (operator <> '$overlaps' OR cardinality(fitting) = 0)
        OR operator = '$overlaps' AND cardinality(given) = 0
    THEN
        RETURN 'false';
    END IF;
    RETURN format('%s OPERATOR(pg_catalog.%s) %L::%s[]', column_sql,
        CASE operator WHEN '$eq' THEN '=' WHEN '$contains' THEN '@>' ELSE '&&' END, fitting, format_type(element, -1));
END
$function$;
COMMENT ON FUNCTION pgvec._filter_array_v1(text, oid, text, jsonb) IS 'A condition on an array.';

-- A condition on a column of plain values; also what it compares with, for the statistics.
CREATE FUNCTION pgvec._filter_scalar_v1(
    column_sql text, type oid, kind text, operator text, operand jsonb, OUT condition text, OUT compared text, OUT given text[]
)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    place CONSTANT text := CASE kind WHEN 'citext' THEN (
        SELECT quote_ident(n.nspname) FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace WHERE t.oid = type) ELSE 'pg_catalog' END;
    bound_type CONSTANT text := CASE kind
        WHEN 'bool' THEN 'pg_catalog.bool' WHEN 'int' THEN 'pg_catalog.int8' WHEN 'single' THEN 'pg_catalog.float8'
        WHEN 'double' THEN 'pg_catalog.float8' WHEN 'numeric' THEN 'pg_catalog.numeric' WHEN 'text' THEN 'pg_catalog.text'
        WHEN 'enum' THEN format_type(type, -1) WHEN 'citext' THEN place || '.citext' ELSE 'pg_catalog.' || kind END;
    symbol text := CASE operator WHEN '$eq' THEN '=' WHEN '$lt' THEN '<' WHEN '$lte' THEN '<=' WHEN '$gt' THEN '>' WHEN '$gte' THEN '>='
        WHEN '$like' THEN '~~' WHEN '$ilike' THEN '~~*' WHEN '$in' THEN '=' END;
    number numeric;
    whole numeric;
BEGIN
    IF operator = '$in' THEN
        given := ARRAY(SELECT pgvec._filter_value_v1(kind, type, e) FROM jsonb_array_elements(operand) AS e);
        IF kind = 'int' THEN
            given := ARRAY(SELECT v FROM unnest(given) AS v
                WHERE v::numeric = trunc(v::numeric) AND v::numeric BETWEEN -9223372036854775808 AND 9223372036854775807);
        END IF;
        compared := CASE WHEN cardinality(given) = 0 THEN 'false' ELSE '=' END;
        condition := CASE compared WHEN 'false' THEN 'false'
            ELSE format('%s OPERATOR(%s.=) ANY (%L::%s[])', column_sql, place, given, bound_type) END;
        RETURN;
    END IF;
    given := ARRAY[CASE WHEN operator IN ('$like', '$ilike') THEN operand #>> '{}' ELSE pgvec._filter_value_v1(kind, type, operand) END];
    compared := symbol;
    IF kind = 'int' THEN
        -- By the whole number next to it, so that an index on the column serves; beyond what any column holds the answer is known.
        number := given[1]::numeric;
        whole := CASE WHEN operator IN ('$lt', '$gte') THEN ceil(number) ELSE floor(number) END;
        IF operator = '$eq' AND number <> whole THEN
            compared := 'false';
        ELSIF whole NOT BETWEEN -9223372036854775808 AND 9223372036854775807 THEN
            compared := CASE WHEN (operator IN ('$lt', '$lte') AND whole > 0) OR (operator IN ('$gt', '$gte') AND whole < 0)
                THEN 'is not null' ELSE 'false' END;
        END IF;
        given := ARRAY[whole::text];
    END IF;
    condition := CASE compared WHEN 'false' THEN 'false' WHEN 'is not null' THEN column_sql || ' IS NOT NULL'
        ELSE format('%s OPERATOR(%s.%s) %L::%s', column_sql, place, symbol, given[1],
            CASE WHEN kind = 'citext' AND symbol LIKE '~~%' THEN place || '.citext' ELSE bound_type END) END;
END
$function$;
COMMENT ON FUNCTION pgvec._filter_scalar_v1(text, oid, text, text, jsonb) IS 'A condition on a column of plain values.';

CREATE FUNCTION pgvec._filter_comparison_v1(
    target pgvec._search_target_v1, indexed text[], contained text[], key text, operator text, operand jsonb
) RETURNS pgvec._filter_condition_v1
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    path CONSTANT text[] := pgvec._filter_path_v1(key);
    -- A negated operator is the exact complement of the plain one.
    plain CONSTANT text := CASE operator WHEN '$ne' THEN '$eq' WHEN '$nin' THEN '$in' ELSE operator END;
    -- Of a view there are no statistics.
    counted CONSTANT oid := CASE WHEN target.base = target.relation THEN target.base END;
    field record;
    type oid;
    kind text;
    column_sql text;
    scalar record;
    share record;
    known text;
    contains boolean := false;
    made pgvec._filter_condition_v1;
BEGIN
    PERFORM pgvec._filter_check_v1(operator, operand);
    SELECT a.attname, a.atttypid INTO field FROM pg_attribute AS a
        WHERE a.attrelid = target.relation AND a.attname::text = path[1] AND a.attnum > 0 AND NOT a.attisdropped;
    IF NOT FOUND THEN
        PERFORM pgvec._refuse_v1(format('%s has no column %s', target.place, quote_literal(pgvec._shown_v1(path[1]))), 'Known are '
            || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) FROM pg_attribute AS a
                WHERE a.attrelid = target.relation AND a.attnum > 0 AND NOT a.attisdropped) || '.', '42703');
    END IF;
    type := pgvec._base_type_v1(field.atttypid);
    kind := pgvec._filter_kind_v1(type);
    column_sql := format(CASE WHEN type = field.atttypid THEN 't.%I' ELSE 't.%I::%s' END, field.attname, format_type(type, -1));
    IF cardinality(path) > 1 AND kind <> 'jsonb' THEN
        PERFORM pgvec._refuse_v1(format('the key %s leads into %s, which is of the type %s',
            quote_literal(pgvec._shown_v1(key)), quote_ident(field.attname), format_type(field.atttypid, NULL)), 'Only jsonb columns have keys below them.');
    END IF;
    known := '$exists' || CASE
        WHEN kind = 'array' AND pgvec._filter_kind_v1(pgvec._base_type_v1((SELECT t.typelem FROM pg_type AS t WHERE t.oid = type))) NOT IN ('other', 'array', 'jsonb')
            THEN ', $eq, $ne, $contains, $overlaps'
        WHEN kind IN ('other', 'array') THEN ''
        ELSE ', $eq, $ne, $in, $nin'
            || CASE WHEN kind IN ('bool', 'enum') THEN '' ELSE ', $lt, $lte, $gt, $gte, $between' END
            || CASE WHEN kind IN ('text', 'citext', 'jsonb') THEN ', $like, $ilike' ELSE '' END
            || CASE kind WHEN 'jsonb' THEN ', $contains, $overlaps' ELSE '' END END;
    IF operator <> ALL (string_to_array(known, ', ')) THEN
        PERFORM pgvec._refuse_v1(format('%s: there is no %s for it, because the column is of the type %s',
            quote_literal(pgvec._shown_v1(key)), operator, format_type(field.atttypid, NULL)), format('Known here is %s.', known));
    END IF;
    made.low := 0;
    made.high := 1;
    IF plain = '$between' AND kind <> 'jsonb' THEN
        RETURN pgvec._filter_join_v1(ARRAY[
            pgvec._filter_comparison_v1(target, indexed, contained, key, '$gte', operand -> 0),
            pgvec._filter_comparison_v1(target, indexed, contained, key, '$lte', operand -> 1)], false);
    END IF;
    IF kind = 'jsonb' THEN
        made.condition := pgvec._filter_json_v1(column_sql, path[2:], plain, operand);
        contains := made.condition LIKE '%OPERATOR(pg_catalog.@>)%' AND (plain IN ('$contains', '$overlaps', '$eq'));
    ELSIF plain = '$exists' OR (plain = '$eq' AND jsonb_typeof(operand) = 'null') THEN
        made.condition := format('t.%I IS %s', field.attname, CASE WHEN operand = 'true' THEN 'NOT NULL' ELSE 'NULL' END);
    ELSIF kind = 'array' THEN
        made.condition := pgvec._filter_array_v1(column_sql, type, plain, operand);
        contains := plain <> '$eq';
    ELSE
        scalar := pgvec._filter_scalar_v1(column_sql, type, kind, plain, operand);
        made.condition := scalar.condition;
        IF scalar.compared IN ('=', '<', '<=', '>', '>=') THEN
            share := pgvec._filter_share_v1(counted, field.attname::text, kind, scalar.compared, scalar.given);
            made.low := share.low;
            made.high := share.high;
        END IF;
    END IF;
    IF cardinality(path) = 1 AND (made.condition LIKE 't.% IS NULL' OR made.condition LIKE 't.% IS NOT NULL') THEN
        share := pgvec._filter_share_v1(counted, field.attname::text, kind, 'is null', NULL);
        made.low := CASE WHEN made.condition LIKE '% IS NULL' THEN share.low ELSE 1 - share.high END;
        made.high := CASE WHEN made.condition LIKE '% IS NULL' THEN share.high ELSE 1 - share.low END;
    ELSIF made.condition = 'false' THEN
        made.high := 0;
    END IF;
    made.columns := CASE made.condition WHEN 'false' THEN '{}' ELSE ARRAY[field.attname::text] END;
    made.is_found := made.condition <> 'false' AND made.columns <@ (CASE WHEN contains THEN contained ELSE indexed END);
    made.are_all_found := made.is_found;
    made.nodes := 1;
    RETURN CASE WHEN plain = operator THEN made ELSE pgvec._filter_complement_v1(made, indexed) END;
END
$function$;
COMMENT ON FUNCTION pgvec._filter_comparison_v1(pgvec._search_target_v1, text[], text[], text, text, jsonb) IS 'The condition of one operator.';

-- What stands after a key, where that is an object of operators.
CREATE FUNCTION pgvec._filter_operators_v1(
    target pgvec._search_target_v1, indexed text[], contained text[], key text, source jsonb, depth integer
) RETURNS pgvec._filter_condition_v1
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    parts pgvec._filter_condition_v1[] := '{}';
    part record;
BEGIN
    IF depth > 32 THEN
        PERFORM pgvec._refuse_v1('the filter is nested deeper than 32 levels');
    ELSIF source = '{}' THEN
        PERFORM pgvec._refuse_v1(format('%s is given an empty object', quote_literal(pgvec._shown_v1(key))), 'It needs an operator.');
    END IF;
    FOR part IN SELECT e.key AS name, e.value FROM jsonb_each(source) AS e LOOP
        IF part.name = '$not' AND jsonb_typeof(part.value) = 'object' THEN
            parts := parts || pgvec._filter_complement_v1(
                pgvec._filter_operators_v1(target, indexed, contained, key, part.value, depth + 1), indexed);
        ELSIF part.name = '$not' THEN
            PERFORM pgvec._refuse_v1(format('%s $not needs an object of operators, not %s',
                quote_literal(pgvec._shown_v1(key)), pgvec._shown_v1(part.value::text)));
        ELSIF part.name NOT LIKE '$%' THEN
            PERFORM pgvec._refuse_v1(format('%s is given an object with the key %s, which is no operator',
                    quote_literal(pgvec._shown_v1(key)), quote_literal(pgvec._shown_v1(part.name))),
                'To compare with a JSON object, use $eq or $contains; to reach a value inside of one, write "column.key".');
        ELSE
            parts := parts || pgvec._filter_comparison_v1(target, indexed, contained, key, part.name, part.value);
        END IF;
    END LOOP;
    RETURN pgvec._filter_join_v1(parts, false);
END
$function$;
COMMENT ON FUNCTION pgvec._filter_operators_v1(pgvec._search_target_v1, text[], text[], text, jsonb, integer) IS 'The condition of an object of operators.';

CREATE FUNCTION pgvec._filter_v1(
    target pgvec._search_target_v1, indexed text[], contained text[], source jsonb, depth integer DEFAULT 0
) RETURNS pgvec._filter_condition_v1
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    parts pgvec._filter_condition_v1[] := '{}';
    inner_parts pgvec._filter_condition_v1[];
    entry record;
    element jsonb;
BEGIN
    IF depth > 32 THEN
        PERFORM pgvec._refuse_v1('the filter is nested deeper than 32 levels');
    ELSIF jsonb_typeof(source) <> 'object' THEN
        PERFORM pgvec._refuse_v1(format('a filter is an object, not %s', pgvec._shown_v1(source::text)),
            'Write it as {"category": "news", "price": {"$lt": 10}}.');
    END IF;
    FOR entry IN SELECT e.key AS name, e.value, jsonb_typeof(e.value) AS type FROM jsonb_each(source) AS e LOOP
        IF entry.name = '$not' THEN
            parts := parts || pgvec._filter_complement_v1(pgvec._filter_v1(target, indexed, contained, entry.value, depth + 1), indexed);
        ELSIF entry.name IN ('$and', '$or') THEN
            IF entry.type <> 'array' THEN
                PERFORM pgvec._refuse_v1(format('%s needs a list of filters, not %s', entry.name, pgvec._shown_v1(entry.value::text)));
            END IF;
            inner_parts := '{}';
            FOR element IN SELECT jsonb_array_elements(entry.value) LOOP
                inner_parts := inner_parts || pgvec._filter_v1(target, indexed, contained, element, depth + 1);
            END LOOP;
            parts := parts || pgvec._filter_join_v1(inner_parts, entry.name = '$or');
        ELSIF entry.name LIKE '$%' THEN
            PERFORM pgvec._refuse_v1(format('unknown operator %s in the filter', quote_literal(pgvec._shown_v1(entry.name))),
                'Before an operator comes a key, as in {"price": {"$lt": 10}}; in place of a key go $and, $or and $not.');
        ELSIF entry.name = '' THEN
            PERFORM pgvec._refuse_v1('a key of the filter is empty');
        ELSIF entry.type = 'object' THEN
            parts := parts || pgvec._filter_operators_v1(target, indexed, contained, entry.name, entry.value, depth + 1);
        ELSIF entry.type = 'array' THEN
            PERFORM pgvec._refuse_v1(format('%s is given a list', quote_literal(pgvec._shown_v1(entry.name))),
                'Say what to do with it, with $in, $contains, $overlaps or $eq.');
        ELSE
            parts := parts || pgvec._filter_comparison_v1(target, indexed, contained, entry.name, '$eq', entry.value);
        END IF;
    END LOOP;
    RETURN pgvec._filter_join_v1(parts, false);
END
$function$;
COMMENT ON FUNCTION pgvec._filter_v1(pgvec._search_target_v1, text[], text[], jsonb, integer) IS 'A filter of the JSON language as a condition on the row "t".';

------------------------------------------------------------------------------------------------------------------------
-- What is searched, and how
------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION pgvec._search_operator_v1(distance text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN CASE distance WHEN 'l2' THEN '<->' WHEN 'cosine' THEN '<=>' WHEN 'inner_product' THEN '<#>' WHEN 'l1' THEN '<+>'
    WHEN 'hamming' THEN '<~>' WHEN 'jaccard' THEN '<%>' END;
END
$function$;
COMMENT ON FUNCTION pgvec._search_operator_v1(text) IS 'The operator of a distance, NULL where there is no such distance.';

CREATE FUNCTION pgvec._search_equals_v1(type oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN CASE WHEN type < 16384 THEN 'OPERATOR(pg_catalog.=)' ELSE coalesce((
    SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname)
    FROM pg_opclass AS c
    JOIN pg_am AS m ON m.oid = c.opcmethod AND m.amname = 'btree'
    JOIN pg_amop AS a ON a.amopfamily = c.opcfamily AND a.amopstrategy = 3 AND a.amoplefttype = c.opcintype AND a.amoprighttype = c.opcintype
    JOIN pg_operator AS o ON o.oid = a.amopopr
    JOIN pg_namespace AS n ON n.oid = o.oprnamespace
    WHERE c.opcdefault AND c.opcintype = pgvec._base_type_v1(type)), 'OPERATOR(pg_catalog.=)') END;
END
$function$;
COMMENT ON FUNCTION pgvec._search_equals_v1(oid) IS 'The operator that compares two values of a type.';

-- The index to ask, and the distances that the indexes of the column are made for. A smaller form counts where a query can say the
-- same: the leading dimensions, halfvec, bits of numbers. The most faithful comes first, a partial one last, and only in full.
CREATE FUNCTION pgvec._search_index_v1(target pgvec._search_target_v1, distance_by text, OUT chosen pgvec._search_target_v1, OUT distances text[])
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    index record;
BEGIN
    chosen := target;
    chosen.distance := distance_by;
    chosen.has_partial_index := false;
    FOR index IN
        SELECT x.relname, x.amname, x.definition, x.stored, x.leading, x.partial,
            CASE WHEN x.stored = 'bit' AND target.type <> 'bit' THEN '{cosine,l2,inner_product}' ELSE ARRAY[x.distance] END AS served,
            array_agg(x.distance) FILTER (WHERE x.stored <> 'bit' OR target.type = 'bit') OVER () AS told
        FROM (
            SELECT c.relname, m.amname, d.definition, i.indpred IS NOT NULL AS partial, parts[1] AS stored,
                CASE parts[2] WHEN 'ip' THEN 'inner_product' ELSE parts[2] END AS distance,
                CASE WHEN i.indkey[0] = 0 THEN (regexp_match(d.definition, '\msubvector\s*\(.*?, *1 *, *(\d+) *\)'))[1]::integer END AS leading
            FROM pg_attribute AS a
            JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisvalid AND i.indisready AND (i.indkey[0] = a.attnum OR i.indkey[0] = 0)
            JOIN pg_class AS c ON c.oid = i.indexrelid
            JOIN pg_am AS m ON m.oid = c.relam AND m.amname IN ('hnsw', 'ivfflat')
            JOIN pg_opclass AS o ON o.oid = i.indclass[0]
            CROSS JOIN LATERAL regexp_match(o.opcname, '^(vector|halfvec|sparsevec|bit)_(l2|ip|cosine|l1|hamming|jaccard)_ops$') AS parts
            CROSS JOIN LATERAL (SELECT CASE i.indkey[0] WHEN 0 THEN pg_get_indexdef(i.indexrelid, 1, false) ELSE quote_ident(a.attname) END) AS d (definition)
            WHERE a.attrelid = target.base AND a.attname = target.embedding::name AND parts IS NOT NULL
                AND (parts[1] = target.type OR target.type = 'vector' AND parts[1] IN ('halfvec', 'bit') OR target.type = 'halfvec' AND parts[1] = 'bit')
                AND (i.indkey[0] <> 0 OR (
                    EXISTS (
                        SELECT FROM pg_depend AS p
                        WHERE p.classid = 'pg_class'::regclass AND p.objid = i.indexrelid
                            AND p.refclassid = 'pg_class'::regclass AND p.refobjid = i.indrelid AND p.refobjsubid = a.attnum)
                    -- A function that the query cannot repeat for its own vector, or another part of the vector.
                    AND NOT EXISTS (SELECT FROM regexp_matches(d.definition, '(\w+)\s*\(', 'g') AS f
                        WHERE lower(f[1]) NOT IN ('subvector', 'binary_quantize', 'vector', 'halfvec', 'bit', 'sparsevec'))
                    AND (d.definition !~ '\msubvector\s*\(' OR d.definition ~ '\msubvector\s*\(.*?, *1 *, *\d+ *\)')))
        ) AS x
        ORDER BY x.partial, x.leading IS NOT NULL, CASE WHEN x.stored = target.type THEN 0 WHEN x.stored = 'halfvec' THEN 1 ELSE 2 END, x.amname, x.relname
    LOOP
        IF distances IS NULL THEN
            distances := ARRAY(SELECT DISTINCT d FROM unnest(index.told) AS d ORDER BY d);
            chosen.distance := coalesce(distance_by, CASE WHEN cardinality(distances) = 1 THEN distances[1] END);
        END IF;
        -- Which partial index a filter implies is seen by Postgres, which orders by the vectors themselves then.
        CONTINUE WHEN chosen.distance IS NULL OR chosen.distance <> ALL (index.served)
            OR (index.partial AND (index.stored <> target.type OR index.leading IS NOT NULL));
        chosen.has_partial_index := chosen.has_partial_index OR index.partial;
        IF chosen.index_name IS NULL THEN
            chosen.index_name := index.relname;
            chosen.index_method := index.amname;
            chosen.index_expression := index.definition;
            chosen.index_stored := index.stored;
            chosen.index_leading := index.leading;
            chosen.index_is_partial := index.partial;
        END IF;
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pgvec._search_index_v1(pgvec._search_target_v1, text) IS 'The vector index to ask, and the distances that there are indexes for.';

CREATE FUNCTION pgvec._search_target_v1(relation regclass, embedding_column name, key_columns name[], distance_by text)
RETURNS pgvec._search_target_v1
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    found pgvec._search_target_v1;
    kind "char";
    space oid;
    names text[];
    index record;
    known text[];
BEGIN
    found.relation := relation;
    SELECT format('%I.%I', n.nspname, c.relname), c.relkind, c.oid INTO found.place, kind, found.base
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = relation;
    IF kind IS NULL OR kind NOT IN ('r', 'p', 'v', 'm', 'f') THEN
        PERFORM pgvec._refuse_v1(format('%s is no table and no view', coalesce(relation::text, 'NULL')), 'Name a table, such as ''public.article''.', '42809');
    ELSIF kind = 'v' THEN
        -- A view over one table has the size and the indexes of that table.
        found.base := coalesce((
            SELECT min(d.refobjid::bigint)::oid FROM pg_rewrite AS r
            JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> found.relation
            WHERE r.ev_class = found.relation HAVING count(DISTINCT d.refobjid) = 1), found.relation);
    END IF;
    SELECT e.extnamespace, n.nspname INTO space, found.extension
        FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace WHERE e.extname = 'vector';
    IF space IS NULL THEN
        PERFORM pgvec._refuse_v1('the extension "vector" is not installed in this database', 'Run:  CREATE EXTENSION vector;', 'PV002');
    END IF;

    SELECT array_agg(v.attname ORDER BY v.attnum), min(v.typname), min(v.dimensions) INTO names, found.type, found.dimensions
        FROM (
            SELECT a.attname::text, a.attnum, t.typname::text, nullif(a.atttypmod, -1) AS dimensions,
                rank() OVER (ORDER BY t.typnamespace <> space) AS place
            FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
            WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = coalesce(embedding_column, a.attname)
                AND (t.typnamespace = space AND t.typname IN ('vector', 'halfvec', 'sparsevec') OR t.oid IN ('bit'::regtype, 'varbit'::regtype))
        ) AS v WHERE v.place = 1;
    IF names IS NULL THEN
        PERFORM pgvec._refuse_v1(
            format('%s has no vector column%s', found.place, coalesce(' ' || quote_literal(pgvec._shown_v1(embedding_column::text)), '')),
            'Vector columns are those of the types vector, halfvec, sparsevec and bit.', '42703');
    ELSIF cardinality(names) > 1 THEN
        PERFORM pgvec._refuse_v1(format('%s has several vector columns: %s', found.place,
            (SELECT string_agg(quote_ident(c), ', ') FROM unnest(names) AS c)), 'Say which:  embedding_column => ''...''.');
    END IF;
    found.embedding := names[1];

    IF key_columns IS NOT NULL THEN
        found.keys := key_columns::text[];
        found.is_joined := false;
    ELSE
        -- The primary key, else the shortest unique index without NULLs.
        SELECT array_agg(a.attname::text ORDER BY k.n) INTO found.keys
            FROM (
                SELECT i.indrelid, i.indkey::int2[] AS columns, i.indnkeyatts FROM pg_index AS i
                WHERE i.indrelid = relation AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indimmediate
                    AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = i.indrelid AND NOT a.attnotnull
                        AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))
                ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1) AS i
            CROSS JOIN LATERAL unnest(i.columns) WITH ORDINALITY AS k (attnum, n)
            JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE k.n <= i.indnkeyatts;
        found.is_joined := found.keys IS NOT NULL;
        found.keys := coalesce(found.keys, '{}');
    END IF;
    SELECT coalesce(array_agg(format_type(a.atttypid, -1) ORDER BY k.n), '{}'),
            coalesce(array_agg(CASE WHEN a.atttypid < 16384 THEN 'OPERATOR(pg_catalog.=)' ELSE pgvec._search_equals_v1(a.atttypid) END ORDER BY k.n), '{}'), array_agg(k.c ORDER BY k.n) FILTER (WHERE a.attname IS NULL)
        INTO found.key_types, found.equals, known
        FROM unnest(found.keys) WITH ORDINALITY AS k (c, n)
        LEFT JOIN pg_attribute AS a ON a.attrelid = relation AND a.attname::text = k.c AND a.attnum > 0 AND NOT a.attisdropped;
    IF known IS NOT NULL THEN
        PERFORM pgvec._refuse_v1(format('%s has no column %s', found.place, coalesce(quote_literal(pgvec._shown_v1(known[1])), 'NULL')),
            'key_columns => names the columns that tell rows apart.', '42703');
    END IF;

    known := CASE WHEN found.type IN ('bit', 'varbit') THEN '{hamming,jaccard}' ELSE '{cosine,inner_product,l1,l2}' END;
    IF distance_by IS NOT NULL AND distance_by <> ALL (known) THEN
        PERFORM pgvec._refuse_v1(format('there is no distance %s between values of the type %s',
            quote_literal(pgvec._shown_v1(distance_by)), found.type), format('Known is %s.', array_to_string(known, ', ')));
    END IF;
    index := pgvec._search_index_v1(found, distance_by);
    found := index.chosen;
    IF found.distance IS NULL THEN
        PERFORM pgvec._refuse_v1(
            CASE WHEN coalesce(cardinality(index.distances), 0) = 0
                THEN format('no vector index on %s.%I tells by which distance to search', found.place, found.embedding)
                ELSE format('%s.%I has vector indexes for several distances: %s', found.place, found.embedding, array_to_string(index.distances, ', ')) END,
            format('Say which:  distance_by => ''...'', one of %s.', array_to_string(known, ', ')));
    END IF;
    -- Where partitions or partial indexes have to be told apart by the filter, it has to be seen.
    found.is_filter_hidden := NOT found.has_partial_index AND NOT (SELECT c.relhassubclass FROM pg_class AS c WHERE c.oid = found.base);
    found.operator := format('OPERATOR(%I.%s)', found.extension, pgvec._search_operator_v1(found.distance));
    RETURN found;
END
$function$;
COMMENT ON FUNCTION pgvec._search_target_v1(regclass, name, name[], text) IS 'Reads from the catalogs what a search has to know of a relation.';

CREATE FUNCTION pgvec._search_rounded_v1(number float8) RETURNS integer
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (
    SELECT (round(number / step) * step)::integer
    FROM (SELECT 2 ^ greatest(0, length(ltrim(floor(greatest(number, 1))::bigint::bit(64)::text, '0')) - 2) AS step) AS s);
END
$function$;
COMMENT ON FUNCTION pgvec._search_rounded_v1(float8) IS 'A number, rounded to half of a power of two.';

-- How a search is answered: the planner of the library, with the same costs and bounds, so that both choose alike.
--   exact    compares every row that passes,
--   counted  compares what passes as long as that is at most "cap" rows, and asks the index where it is more,
--   index    asks the index, which gives up after "budget" elements.
-- Wherever the index finds too few rows, every row that passes is compared.
CREATE FUNCTION pgvec._search_plan_v1(
    target pgvec._search_target_v1, has_filter boolean, filter pgvec._filter_condition_v1, wanted integer, ef_search integer,
    OUT form text, OUT cap integer, OUT budget integer, OUT oversampling integer, OUT ef integer
)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    dimensions CONSTANT integer := coalesce(target.dimensions, 384);
    size CONSTANT float8 := dimensions * CASE target.type WHEN 'halfvec' THEN 2 WHEN 'bit' THEN 0.125 WHEN 'varbit' THEN 0.125 ELSE 4 END;
    pages float8;
    rows float8;
    total float8;
    kept record;
    width integer;
    has_members boolean;
    schema_name name;
    table_name name;
    embedded float8 := 1;
    low float8;
    high float8;
    compare float8;
    visited float8;
    scan float8 := 0;
    ahead float8;
    walk float8;
    matching float8;
    class text;
    tuned record;
BEGIN
    oversampling := CASE WHEN target.index_stored = 'bit' AND target.type <> 'bit' THEN 20 WHEN target.index_leading IS NOT NULL THEN 5
        WHEN target.index_stored = 'halfvec' AND target.type <> 'halfvec' THEN 2 ELSE 1 END;
    IF target.index_name IS NULL OR (target.index_is_partial AND NOT has_filter) THEN
        form := 'exact';
        RETURN;
    END IF;
    -- As the planner of Postgres does it: the density that was seen last, times the pages of today.
    SELECT p.now, CASE WHEN p.now = 0 THEN 0 WHEN c.reltuples >= 0 AND c.relpages > 0 THEN c.reltuples / c.relpages::float8 * p.now END,
            c.relhassubclass, n.nspname, c.relname
        INTO pages, rows, has_members, schema_name, table_name
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        CROSS JOIN LATERAL (SELECT pg_relation_size(c.oid) / current_setting('block_size')::bigint AS now) AS p
        WHERE c.oid = target.base;
    IF has_members THEN
        WITH RECURSIVE members AS (
            SELECT c.oid, c.relhassubclass, c.relkind, c.reltuples, c.relpages FROM pg_class AS c WHERE c.oid = target.base
            UNION ALL
            SELECT c.oid, c.relhassubclass, c.relkind, c.reltuples, c.relpages
            FROM members AS m JOIN pg_inherits AS i ON m.relhassubclass AND i.inhparent = m.oid JOIN pg_class AS c ON c.oid = i.inhrelid
        ), sizes AS (
            SELECT p.now, CASE WHEN p.now = 0 THEN 0 WHEN m.reltuples >= 0 AND m.relpages > 0 THEN m.reltuples / m.relpages::float8 * p.now END AS rows
            FROM members AS m
            CROSS JOIN LATERAL (SELECT pg_relation_size(m.oid) / current_setting('block_size')::bigint AS now) AS p
            WHERE m.relkind IN ('r', 'm'))
        SELECT sum(s.now), CASE WHEN bool_and(s.rows IS NOT NULL) THEN sum(s.rows) END INTO pages, rows FROM sizes AS s;
    END IF;
    IF target.base = target.relation THEN
        SELECT s.avg_width, 1 - s.null_frac INTO width, embedded FROM pg_stats AS s
            WHERE s.schemaname = schema_name AND s.tablename = table_name AND s.attname = target.embedding::name AND s.inherited = has_members;
    END IF;
    embedded := coalesce(embedded, 1);
    SELECT c.page_cost, c.check_cost, c.row_cost, c.dimension_cost, c.detoast_cost, c.visit_cost, c.visit_dimension_cost INTO kept
        FROM (SELECT 1) AS one LEFT JOIN pgvec.calibration AS c ON c.type = target.type;
    compare := coalesce(kept.row_cost, 0.45) + coalesce(kept.dimension_cost, 0.0016) * dimensions
        -- A value wider than a TOAST pointer stands in the row itself.
        + CASE WHEN coalesce(width > 18, size < 2000) THEN 0 ELSE coalesce(kept.detoast_cost, 1.1) * (1 + size / 1024) END;
    visited := coalesce(kept.visit_cost, 1.2) + coalesce(kept.visit_dimension_cost, 0.003) * dimensions;
    total := greatest(1, coalesce(rows, 100000));
    low := total * greatest(0, coalesce(filter.low, 1) + embedded - 1);
    high := total * least(coalesce(filter.high, 1), embedded);

    form := 'index';
    IF NOT has_filter THEN
        cap := trunc((290 + 2.8 * wanted) * visited / compare);
        IF rows <= cap THEN
            form := 'counted';
            cap := pgvec._search_rounded_v1(cap);
        END IF;
    ELSE
        scan := CASE WHEN rows IS NULL OR filter.is_found THEN 0
            ELSE coalesce(kept.page_cost, 0.8) * coalesce(pages, 0) + coalesce(kept.check_cost, 0.25) * total END;
        ahead := 290 * visited - scan;
        walk := 2.8 * visited * wanted * total;
        cap := pgvec._search_rounded_v1(greatest(100, least((ahead + sqrt(ahead * ahead + 4 * compare * walk)) / (2 * compare), 50000)));
        matching := 2.0 * cap;
        IF rows IS NOT NULL AND high <= cap THEN
            form := 'exact';
            RETURN;
        ELSIF rows IS NOT NULL AND low >= cap THEN
            matching := (low + high) / 2;
        ELSIF filter.is_found THEN
            form := 'counted';
        END IF;
        walk := wanted * oversampling * total / greatest(matching, 1) * 2.4;
        budget := pgvec._search_rounded_v1(
            least(greatest(500, 2 * walk, 0.08 * (scan + matching * compare) / visited), greatest(20000, walk)));
        class := CASE WHEN (low + high) / 2 / total >= 0.25 THEN 'half' WHEN (low + high) / 2 / total >= 0.03 THEN 'tenth' ELSE 'rare' END;
    END IF;
    IF target.index_method <> 'hnsw' THEN
        RETURN;
    ELSIF ef_search IS NOT NULL THEN
        ef := ef_search;
        RETURN;
    END IF;
    -- The smallest setting that was measured to reach the recall, for at least as many rows as are wanted, or for the most.
    SELECT s.ef_search, s.row_limit INTO tuned
        FROM pgvec.search_setting AS s
        WHERE s.relation_schema = schema_name AND s.relation_name = table_name
            AND s.index_name = target.index_name::name AND s.filter_class = coalesce(class, 'all')
            AND s.target_recall >= 0.95 - 1e-9
        ORDER BY s.row_limit < wanted, CASE WHEN s.row_limit < wanted THEN -s.row_limit ELSE s.row_limit END, s.ef_search LIMIT 1;
    ef := least(1000, greatest(wanted * oversampling, ceil(tuned.ef_search * greatest(1.0, wanted::numeric / tuned.row_limit))::integer));
    ef := CASE WHEN ef > 40 THEN greatest(ef, nullif(current_setting('hnsw.ef_search', true), '')::integer) END;
END
$function$;
COMMENT ON FUNCTION pgvec._search_plan_v1(pgvec._search_target_v1, boolean, pgvec._filter_condition_v1, integer, integer)
    IS 'Chooses how a search is answered.';

-- The columns that index other than the vector's lead with, by which rows with a value are found, and those by which rows that
-- contain something are.
CREATE FUNCTION pgvec._search_indexed_v1(target pgvec._search_target_v1, OUT indexed text[], OUT contained text[])
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    SELECT coalesce(array_agg(DISTINCT a.attname::text) FILTER (WHERE m.amname <> 'gin'), '{}'),
        coalesce(array_agg(DISTINCT a.attname::text) FILTER (WHERE m.amname = 'gin'), '{}')
    INTO indexed, contained
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_am AS m ON m.oid = c.relam AND m.amname NOT IN ('hnsw', 'ivfflat')
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum > 0
        AND (a.attnum = i.indkey[0] OR (i.indkey[0] = 0 OR m.amname = 'gin') AND EXISTS (
            SELECT FROM pg_depend AS d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))
    WHERE i.indrelid = target.base AND target.base = target.relation AND i.indisvalid AND i.indpred IS NULL;
END
$function$;
COMMENT ON FUNCTION pgvec._search_indexed_v1(pgvec._search_target_v1) IS 'The columns by which indexes find rows.';

------------------------------------------------------------------------------------------------------------------------
-- Text of statements
------------------------------------------------------------------------------------------------------------------------

-- The query vector as text that the type of the column reads. An array of numbers becomes a vector's text.
CREATE FUNCTION pgvec._query_text_v1(query anyelement) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET extra_float_digits = 1
AS $function$
BEGIN
    RETURN CASE WHEN pg_typeof(query)::text LIKE '%[]' THEN translate(query::text, '{}', '[]') ELSE query::text END;
END
$function$;
COMMENT ON FUNCTION pgvec._query_text_v1(anyelement) IS 'The text of a query vector.';

CREATE FUNCTION pgvec._query_check_v1(target pgvec._search_target_v1, query text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF query IS NULL THEN
        PERFORM pgvec._refuse_v1('the query vector is NULL', NULL, '22004');
    ELSIF target.type IN ('bit', 'varbit') AND (query !~ '^[01]+$' OR length(query) <> target.dimensions) THEN
        PERFORM pgvec._refuse_v1(format('the query is no text of %s bits: %s', target.dimensions, pgvec._shown_v1(query)));
    ELSIF target.distance = 'cosine' AND (query ~ '^\s*\[[-+\s0.,]*\]\s*$' OR query ~ '^\s*\{[-+\s0.,]*\}\s*/') THEN
        PERFORM pgvec._refuse_v1('the query vector is all zeros, which has no direction to look into', 'Search by another distance, or give another vector.');
    END IF;
END
$function$;
COMMENT ON FUNCTION pgvec._query_check_v1(pgvec._search_target_v1, text) IS 'Refuses a query that cannot be compared.';

CREATE FUNCTION pgvec._query_type_v1(target pgvec._search_target_v1) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN CASE target.type WHEN 'bit' THEN format('pg_catalog.bit(%s)', coalesce(target.dimensions, 1)) WHEN 'varbit' THEN 'pg_catalog.varbit'
    ELSE format('%I.%s', target.extension, target.type) || coalesce('(' || target.dimensions || ')', '') END;
END
$function$;
COMMENT ON FUNCTION pgvec._query_type_v1(pgvec._search_target_v1) IS 'The type of the vector column, written with its schema.';

-- The distance between the forms that the index holds; the left side is what the catalog says that the index is on.
CREATE FUNCTION pgvec._search_order_v1(target pgvec._search_target_v1) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    dimensions CONSTANT integer := coalesce(target.index_leading, target.dimensions);
    query text := '$1::' || pgvec._query_type_v1(target);
    operator text := target.operator;
BEGIN
    IF target.index_leading IS NOT NULL THEN
        query := format('%I.subvector(%s, 1, %s)::%1$I.%4$s(%3$s)', target.extension, query, dimensions, target.type);
    END IF;
    IF target.index_stored = 'bit' AND target.type <> 'bit' THEN
        query := format('%I.binary_quantize(%s)::pg_catalog.bit(%s)', target.extension, query, dimensions);
        operator := format('OPERATOR(%I.<~>)', target.extension);
    ELSIF target.index_stored <> target.type THEN
        query := format('(%s)::%I.%s(%s)', query, target.extension, target.index_stored, dimensions);
    END IF;
    RETURN format('(%s) %s (%s)', target.index_expression, operator, query);
END
$function$;
COMMENT ON FUNCTION pgvec._search_order_v1(pgvec._search_target_v1) IS 'What the vector index orders rows by.';

CREATE FUNCTION pgvec._search_distance_v1(target pgvec._search_target_v1) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN format('(t.%I %s ($1::%s))', target.embedding, target.operator, pgvec._query_type_v1(target));
END
$function$;
COMMENT ON FUNCTION pgvec._search_distance_v1(pgvec._search_target_v1) IS 'The distance of the row "t" from the query $1.';

-- The columns that are shown: those that are named, else all that the caller may read and that are no vectors.
CREATE FUNCTION pgvec._search_shown_v1(target pgvec._search_target_v1, columns text[]) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    unknown text;
BEGIN
    IF columns IS NULL THEN
        RETURN ARRAY(
            SELECT a.attname::text FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
            WHERE a.attrelid = target.relation AND a.attnum > 0 AND NOT a.attisdropped
                AND NOT (t.typname IN ('vector', 'halfvec', 'sparsevec')
                    AND t.typnamespace = (SELECT e.extnamespace FROM pg_extension AS e WHERE e.extname = 'vector'))
                AND a.attname::text <> target.embedding
                AND has_column_privilege(target.relation, a.attnum, 'SELECT') ORDER BY a.attnum);
    END IF;
    SELECT coalesce(quote_literal(pgvec._shown_v1(c)), 'NULL') INTO unknown FROM unnest(columns) AS c
        LEFT JOIN pg_attribute AS a ON a.attrelid = target.relation AND a.attname::text = c AND a.attnum > 0 AND NOT a.attisdropped
        WHERE a.attname IS NULL LIMIT 1;
    IF FOUND THEN
        PERFORM pgvec._refuse_v1(format('%s has no column %s', target.place, unknown), 'columns => names the columns to show.', '42703');
    END IF;
    RETURN ARRAY(SELECT DISTINCT c FROM unnest(columns) AS c);
END
$function$;
COMMENT ON FUNCTION pgvec._search_shown_v1(pgvec._search_target_v1, text[]) IS 'The columns that a search shows.';

-- Parts of statements that find rows as f (key_0, ..., distance) in the relation t. Where an index promises that the keys tell rows
-- apart, the found rows are joined for what is shown; else everything is carried along, as it is from the vector index.
CREATE FUNCTION pgvec._search_parts_v1(
    target pgvec._search_target_v1, shown text[], OUT keys text, OUT carried text, OUT places text, OUT id text, OUT same text,
    OUT joined_record text, OUT carried_record text
)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    listed text := '';
    joined text := '';
    taken text := '';
BEGIN
    keys := '';
    carried := '';
    places := '';
    same := 'true';
    FOR n IN 1 .. cardinality(target.keys) LOOP
        keys := keys || format('t.%I AS key_%s, ', target.keys[n], n);
        places := places || format(', %%1$s.key_%s', n);
        listed := listed || format(', f.key_%s', n);
        same := same || format(' AND t.%I %s f.key_%s', target.keys[n], target.equals[n], n);
    END LOOP;
    FOR n IN 1 .. cardinality(shown) LOOP
        carried := carried || format('t.%I AS shown_%s, ', shown[n], n);
        joined := joined || format(', t.%I', shown[n]);
        taken := taken || format(', f.shown_%s AS %I', n, shown[n]);
    END LOOP;
    id := CASE cardinality(target.keys) WHEN 0 THEN 'NULL::pg_catalog.jsonb' WHEN 1 THEN 'pg_catalog.to_jsonb(f.key_1)'
        ELSE format('pg_catalog.jsonb_build_array(%s)', substr(listed, 3)) END;
    joined_record := '''{}''::pg_catalog.jsonb';
    carried_record := joined_record;
    IF joined <> '' THEN
        joined_record := format('(SELECT pg_catalog.to_jsonb(r) FROM (SELECT %s) AS r)', substr(joined, 3));
        carried_record := format('(SELECT pg_catalog.to_jsonb(r) FROM (SELECT %s) AS r)', substr(taken, 3));
    END IF;
END
$function$;
COMMENT ON FUNCTION pgvec._search_parts_v1(pgvec._search_target_v1, text[]) IS 'Parts of the statements of a search.';

-- The statement of one form: exact, counted or index. Its parameter $1 is the query; its row has the number of rows that were
-- counted, and arrays of ids, distances and records, the nearest first.
--
-- The exact forms say "+ 0": by the bare operator Postgres would answer them from the vector index again.
CREATE FUNCTION pgvec._search_statement_v1(
    target pgvec._search_target_v1, form text, condition text, shown text[], wanted integer, candidates integer, cap integer
) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    part CONSTANT record := pgvec._search_parts_v1(target, shown);
    distance CONSTANT text := pgvec._search_distance_v1(target);
    is_joined CONSTANT boolean := target.is_joined AND form <> 'index';
    -- Postgres guesses at many conditions, and where it guesses that few rows pass, it finds and sorts them all instead of asking the
    -- vector index: IS TRUE takes the other indexes out of its reach.
    source CONSTANT text := format('%s AS t WHERE t.%I IS NOT NULL', target.place, target.embedding)
        || CASE WHEN condition IS NULL THEN '' WHEN form = 'index' AND target.is_filter_hidden THEN format(' AND (%s) IS TRUE', condition)
            ELSE ' AND ' || condition END;
    listed CONSTANT text := part.keys || CASE WHEN is_joined THEN '' ELSE part.carried END;
    found text;
    rows text := 'NULL::pg_catalog.int8';
    before text := '';
BEGIN
    IF form = 'index' AND candidates > wanted THEN
        found := format('SELECT * FROM (SELECT %s%s AS distance FROM %s ORDER BY %s LIMIT %s) AS p ORDER BY p.distance%s LIMIT %s',
            listed, distance, source, pgvec._search_order_v1(target), candidates, format(part.places, 'p'), wanted);
    ELSIF form = 'index' THEN
        found := format('SELECT %s%s AS distance FROM %s ORDER BY %s LIMIT %s', listed, distance, source, pgvec._search_order_v1(target), wanted);
    ELSIF form = 'counted' THEN
        before := format('WITH few AS MATERIALIZED (SELECT %s%s + 0 AS distance FROM %s LIMIT %s), '
            'counted AS MATERIALIZED (SELECT pg_catalog.count(*) AS rows FROM few) ', listed, distance, source, cap + 1);
        rows := '(SELECT c.rows FROM counted AS c)';
        found := format('SELECT few.* FROM few WHERE (SELECT c.rows FROM counted AS c) OPERATOR(pg_catalog.<=) %s ORDER BY few.distance%s LIMIT %s',
            cap, format(part.places, 'few'), wanted);
    ELSE
        found := format('SELECT * FROM (SELECT %s%s + 0 AS distance FROM %s) AS p ORDER BY p.distance%s LIMIT %s',
            listed, distance, source, format(part.places, 'p'), wanted);
    END IF;
    RETURN format('%sSELECT %s, pg_catalog.array_agg(s.id), pg_catalog.array_agg(s.distance), pg_catalog.array_agg(s.record) FROM ('
        'SELECT %s AS id, f.distance, %s AS record FROM (%s) AS f%s ORDER BY f.distance%s) AS s',
        before, rows, part.id, CASE WHEN is_joined THEN part.joined_record ELSE part.carried_record END, found,
        CASE WHEN is_joined THEN format(' JOIN %s AS t ON %s', target.place, part.same) ELSE '' END, format(part.places, 'f'));
END
$function$;
COMMENT ON FUNCTION pgvec._search_statement_v1(pgvec._search_target_v1, text, text, text[], integer, integer, integer)
    IS 'The statement of one form of a search.';

-- A key as a condition on the row "t". It is given as it is returned: a value, an array of values for a key of several columns; or
-- as an object by the names of the columns.
CREATE FUNCTION pgvec._search_key_v1(target pgvec._search_target_v1, key jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    many CONSTANT integer := cardinality(target.keys);
    given text[];
BEGIN
    IF many = 0 THEN
        PERFORM pgvec._refuse_v1(format('%s has no primary key, by which a row could be named', target.place), 'key_columns => names the columns that tell rows apart.');
    ELSIF jsonb_typeof(key) = 'object' AND ARRAY(SELECT jsonb_object_keys(key)) <@ target.keys THEN
        given := ARRAY(SELECT key ->> c FROM unnest(target.keys) WITH ORDINALITY AS k (c, n) ORDER BY n);
    ELSIF jsonb_typeof(key) = 'array' AND jsonb_array_length(key) = many THEN
        given := ARRAY(SELECT e FROM jsonb_array_elements_text(key) WITH ORDINALITY AS k (e, n) ORDER BY n);
    ELSIF many = 1 AND jsonb_typeof(key) NOT IN ('object', 'array', 'null') THEN
        given := ARRAY[key #>> '{}'];
    END IF;
    IF given IS NULL OR array_position(given, NULL) IS NOT NULL THEN
        PERFORM pgvec._refuse_v1(format('%s is no key of %s', coalesce(pgvec._shown_v1(key::text), 'NULL'), target.place),
            format('Its key is (%s): give a value for each column, several as a JSON array.', array_to_string(target.keys, ', ')));
    END IF;
    RETURN '(' || (SELECT string_agg(format('t.%I %s %L::%s', c, o, v, y), ' AND ' ORDER BY n)
        FROM unnest(target.keys, target.equals, target.key_types, given) WITH ORDINALITY AS k (c, o, y, v, n)) || ')';
END
$function$;
COMMENT ON FUNCTION pgvec._search_key_v1(pgvec._search_target_v1, jsonb) IS 'A key as a condition on the row "t".';

-- A key that was given as text: JSON where the key has several columns, else the value itself.
CREATE FUNCTION pgvec._search_key_json_v1(target pgvec._search_target_v1, key text) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN CASE WHEN cardinality(target.keys) > 1 THEN key::jsonb ELSE to_jsonb(key) END;
END
$function$;
COMMENT ON FUNCTION pgvec._search_key_json_v1(pgvec._search_target_v1, text) IS 'A key that was given as text.';

CREATE FUNCTION pgvec._search_number_v1(name text, value integer, smallest integer, largest integer) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF value IS NULL OR value NOT BETWEEN smallest AND largest THEN
        PERFORM pgvec._refuse_v1(format('%s => %s is no number from %s to %s', name, coalesce(value::text, 'NULL'), smallest, largest));
    END IF;
END
$function$;
COMMENT ON FUNCTION pgvec._search_number_v1(text, integer, integer, integer) IS 'Refuses a number that is out of its range.';

------------------------------------------------------------------------------------------------------------------------
-- Searches. From here on functions run what the ones above have written, on the caller's search_path: every name says where it is.
------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION pgvec._search_condition_v1(
    target pgvec._search_target_v1, filter jsonb, wanted integer, exact boolean, ef_search integer,
    OUT condition text, OUT form text, OUT cap integer, OUT budget integer, OUT oversampling integer, OUT ef integer
)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    asked CONSTANT boolean := filter IS NOT NULL AND filter <> '{}';
    is_exact CONSTANT boolean := exact OR target.index_name IS NULL;
    known record;
    filtered pgvec._filter_condition_v1;
    plan record;
BEGIN
    IF ef_search IS NOT NULL THEN
        PERFORM pgvec._search_number_v1('ef_search', ef_search, 1, 1000);
    END IF;
    IF asked THEN
        IF is_exact THEN
            -- Nothing is planned, so nothing has to be known.
            SELECT '{}'::text[] AS indexed, '{}'::text[] AS contained INTO known;
            filtered := pgvec._filter_v1(target, known.indexed, known.contained, filter);
        ELSE
            known := pgvec._search_indexed_v1(target);
            filtered := pgvec._filter_v1(target, known.indexed, known.contained, filter);
        END IF;
        condition := '(' || filtered.condition || ')';
    END IF;
    IF is_exact THEN
        form := 'exact';
    ELSE
        plan := pgvec._search_plan_v1(target, asked, filtered, wanted, ef_search);
        form := plan.form;
        cap := plan.cap;
        budget := plan.budget;
        oversampling := plan.oversampling;
        ef := plan.ef;
    END IF;
END
$function$;
COMMENT ON FUNCTION pgvec._search_condition_v1(pgvec._search_target_v1, jsonb, integer, boolean, integer) IS 'A filter as SQL, and how it is answered.';

-- The settings of pgvector and of the planner are made for one statement and put back; an error undoes them with its transaction.
-- Where a partial index may serve the filter, Postgres is kept from sorting what it guesses to be few rows.
CREATE FUNCTION pgvec._search_ask_index_v1(
    target pgvec._search_target_v1, statement text, query text, ef integer, budget integer,
    OUT ids jsonb[], OUT distances float8[], OUT records jsonb[]
)
LANGUAGE plpgsql STABLE
AS $function$
DECLARE
    iterative CONSTANT text := target.index_method || '.iterative_scan';
    kept_scan CONSTANT text := pg_catalog.current_setting(iterative, true);
    kept_ef CONSTANT text := pg_catalog.current_setting('hnsw.ef_search', true);
    kept_budget CONSTANT text := pg_catalog.current_setting('hnsw.max_scan_tuples', true);
    kept_sort CONSTANT text := pg_catalog.current_setting('enable_sort');
    kept_jit CONSTANT text := pg_catalog.current_setting('jit');
    done text;
    rows pg_catalog.int8;
BEGIN
    done := pg_catalog.set_config(iterative, 'relaxed_order', true);
    IF ef IS NOT NULL THEN
        done := pg_catalog.set_config('hnsw.ef_search', ef::pg_catalog.text, true);
    END IF;
    IF budget IS NOT NULL THEN
        done := pg_catalog.set_config('hnsw.max_scan_tuples', budget::pg_catalog.text, true);
    END IF;
    IF target.has_partial_index THEN
        done := pg_catalog.set_config('enable_sort', 'off', true);
        done := pg_catalog.set_config('jit', 'off', true);
    END IF;
    EXECUTE statement INTO rows, ids, distances, records USING query;
    done := pg_catalog.set_config(iterative, kept_scan, true);
    IF ef IS NOT NULL THEN
        done := pg_catalog.set_config('hnsw.ef_search', kept_ef, true);
    END IF;
    IF budget IS NOT NULL THEN
        done := pg_catalog.set_config('hnsw.max_scan_tuples', kept_budget, true);
    END IF;
    IF target.has_partial_index THEN
        done := pg_catalog.set_config('enable_sort', kept_sort, true);
        done := pg_catalog.set_config('jit', kept_jit, true);
    END IF;
END
$function$;
COMMENT ON FUNCTION pgvec._search_ask_index_v1(pgvec._search_target_v1, text, text, integer, integer) IS 'Runs the statement that asks the vector index.';

CREATE FUNCTION pgvec._search_v1(
    target pgvec._search_target_v1, query text, filter jsonb, max_rows integer, exact boolean, ef_search integer, max_distance float8,
    columns text[], skip_rows integer, beside text DEFAULT NULL
) RETURNS TABLE (id jsonb, distance float8, rank bigint, record jsonb)
LANGUAGE plpgsql STABLE ROWS 10
AS $function$
DECLARE
    wanted pg_catalog.int4;
    shown pg_catalog.text[];
    plan record;
    condition pg_catalog.text;
    counted pg_catalog.int8;
    ids pg_catalog.jsonb[];
    distances pg_catalog.float8[];
    records pg_catalog.jsonb[];
BEGIN
    PERFORM pgvec._search_number_v1('max_rows', max_rows, 1, 100000);
    PERFORM pgvec._search_number_v1('skip_rows', skip_rows, 0, 1000000);
    PERFORM pgvec._query_check_v1(target, query);
    wanted := max_rows OPERATOR(pg_catalog.+) skip_rows;
    shown := pgvec._search_shown_v1(target, columns);
    plan := pgvec._search_condition_v1(target, filter, wanted, coalesce(exact, false), ef_search);
    condition := nullif(pg_catalog.concat_ws(' AND ', plan.condition, 'NOT ' || beside), '');
    IF plan.form = 'counted' THEN
        EXECUTE pgvec._search_statement_v1(target, 'counted', condition, shown, wanted, NULL, plan.cap)
            INTO counted, ids, distances, records USING query;
        IF counted > plan.cap THEN
            plan.form := 'index';
        END IF;
    END IF;
    IF plan.form = 'index' THEN
        SELECT a.ids, a.distances, a.records INTO ids, distances, records FROM pgvec._search_ask_index_v1(
            target, pgvec._search_statement_v1(target, 'index', condition, shown, wanted, wanted * plan.oversampling, NULL),
            query, plan.ef, plan.budget) AS a;
        IF coalesce(pg_catalog.cardinality(ids), 0) < wanted THEN
            plan.form := 'exact';
        END IF;
    END IF;
    IF plan.form = 'exact' THEN
        EXECUTE pgvec._search_statement_v1(target, 'exact', condition, shown, wanted, NULL, NULL) INTO counted, ids, distances, records USING query;
    END IF;
    RETURN QUERY SELECT ids[n], distances[n], n::pg_catalog.int8, records[n]
        FROM pg_catalog.generate_series(skip_rows + 1, coalesce(pg_catalog.cardinality(ids), 0)) AS n
        WHERE max_distance IS NULL OR distances[n] <= max_distance ORDER BY n;
END
$function$;
COMMENT ON FUNCTION pgvec._search_v1(pgvec._search_target_v1, text, jsonb, integer, boolean, integer, float8, text[], integer, text)
    IS 'The search behind all functions; "beside" is a condition on rows to leave out.';

CREATE FUNCTION pgvec.search(
    relation regclass, query text, filter jsonb DEFAULT NULL, max_rows integer DEFAULT 10, embedding_column name DEFAULT NULL,
    exact boolean DEFAULT false, ef_search integer DEFAULT NULL, max_distance float8 DEFAULT NULL, distance_by text DEFAULT NULL,
    columns text[] DEFAULT NULL, skip_rows integer DEFAULT 0, key_columns name[] DEFAULT NULL
) RETURNS TABLE (id jsonb, distance float8, rank bigint, record jsonb)
LANGUAGE plpgsql STABLE ROWS 10
AS $function$
BEGIN
    RETURN QUERY SELECT s.id, s.distance, s.rank, s.record FROM pgvec._search_v1(
        pgvec._search_target_v1(relation, embedding_column, key_columns, distance_by),
        query, filter, max_rows, exact, ef_search, max_distance, columns, skip_rows) AS s;
END
$function$;
COMMENT ON FUNCTION pgvec.search(regclass, text, jsonb, integer, name, boolean, integer, float8, text, text[], integer, name[])
    IS 'The rows nearest to a vector that pass a filter, as many as there are up to max_rows; the query is a vector as text.';

CREATE FUNCTION pgvec.search(
    relation regclass, query anyelement, filter jsonb DEFAULT NULL, max_rows integer DEFAULT 10, embedding_column name DEFAULT NULL,
    exact boolean DEFAULT false, ef_search integer DEFAULT NULL, max_distance float8 DEFAULT NULL, distance_by text DEFAULT NULL,
    columns text[] DEFAULT NULL, skip_rows integer DEFAULT 0, key_columns name[] DEFAULT NULL
) RETURNS TABLE (id jsonb, distance float8, rank bigint, record jsonb)
LANGUAGE plpgsql STABLE ROWS 10
AS $function$
BEGIN
    RETURN QUERY SELECT s.id, s.distance, s.rank, s.record FROM pgvec._search_v1(
        pgvec._search_target_v1(relation, embedding_column, key_columns, distance_by),
        pgvec._query_text_v1(query), filter, max_rows, exact, ef_search, max_distance, columns, skip_rows) AS s;
END
$function$;
COMMENT ON FUNCTION pgvec.search(regclass, anyelement, jsonb, integer, name, boolean, integer, float8, text, text[], integer, name[])
    IS 'The rows nearest to a vector that pass a filter, as many as there are up to max_rows; the query is a vector or an array of numbers.';

------------------------------------------------------------------------------------------------------------------------
-- Searches by rows that are stored
------------------------------------------------------------------------------------------------------------------------

-- The vector of a stored row, as text. The condition is what _search_key_v1 made of the key.
CREATE FUNCTION pgvec._search_stored_v1(target pgvec._search_target_v1, condition text, key jsonb) RETURNS text
LANGUAGE plpgsql STABLE
AS $function$
DECLARE
    many pg_catalog.int8;
    vector pg_catalog.text;
BEGIN
    EXECUTE pg_catalog.format('SELECT pg_catalog.count(*), pg_catalog.min(t.%I::pg_catalog.text) FROM %s AS t WHERE %s',
        target.embedding, target.place, condition) INTO many, vector;
    IF vector IS NULL THEN
        PERFORM pgvec._refuse_v1(CASE many
            WHEN 0 THEN pg_catalog.format('no row of %s has the key %s', target.place, pgvec._shown_v1(key::pg_catalog.text))
            ELSE pg_catalog.format('the row of %s with the key %s has no %s', target.place, pgvec._shown_v1(key::pg_catalog.text), target.embedding) END,
            'Nothing can be searched by it.', 'P0002');
    END IF;
    RETURN vector;
END
$function$;
COMMENT ON FUNCTION pgvec._search_stored_v1(pgvec._search_target_v1, text, jsonb) IS 'The vector of a stored row.';

CREATE FUNCTION pgvec._similar_v1(
    target pgvec._search_target_v1, key jsonb, filter jsonb, max_rows integer, exact boolean, ef_search integer, max_distance float8,
    columns text[], skip_rows integer
) RETURNS TABLE (id jsonb, distance float8, rank bigint, record jsonb)
LANGUAGE plpgsql STABLE ROWS 10
AS $function$
DECLARE
    own CONSTANT text := pgvec._search_key_v1(target, key);
BEGIN
    RETURN QUERY SELECT s.id, s.distance, s.rank, s.record FROM pgvec._search_v1(
        target, pgvec._search_stored_v1(target, own, key), filter, max_rows, exact, ef_search, max_distance, columns, skip_rows, own) AS s;
END
$function$;
COMMENT ON FUNCTION pgvec._similar_v1(pgvec._search_target_v1, jsonb, jsonb, integer, boolean, integer, float8, text[], integer)
    IS 'The search by a stored row.';

CREATE FUNCTION pgvec.similar(
    relation regclass, key text, filter jsonb DEFAULT NULL, max_rows integer DEFAULT 10, embedding_column name DEFAULT NULL,
    exact boolean DEFAULT false, ef_search integer DEFAULT NULL, max_distance float8 DEFAULT NULL, distance_by text DEFAULT NULL,
    columns text[] DEFAULT NULL, skip_rows integer DEFAULT 0, key_columns name[] DEFAULT NULL
) RETURNS TABLE (id jsonb, distance float8, rank bigint, record jsonb)
LANGUAGE plpgsql STABLE ROWS 10
AS $function$
DECLARE
    target CONSTANT pgvec._search_target_v1 := pgvec._search_target_v1(relation, embedding_column, key_columns, distance_by);
BEGIN
    RETURN QUERY SELECT s.id, s.distance, s.rank, s.record FROM pgvec._similar_v1(
        target, pgvec._search_key_json_v1(target, key), filter, max_rows, exact, ef_search, max_distance, columns, skip_rows) AS s;
END
$function$;
COMMENT ON FUNCTION pgvec.similar(regclass, text, jsonb, integer, name, boolean, integer, float8, text, text[], integer, name[])
    IS 'The rows nearest to a stored row, which is left out; its key is a text, or JSON where it has several columns.';

CREATE FUNCTION pgvec.similar(
    relation regclass, key anyelement, filter jsonb DEFAULT NULL, max_rows integer DEFAULT 10, embedding_column name DEFAULT NULL,
    exact boolean DEFAULT false, ef_search integer DEFAULT NULL, max_distance float8 DEFAULT NULL, distance_by text DEFAULT NULL,
    columns text[] DEFAULT NULL, skip_rows integer DEFAULT 0, key_columns name[] DEFAULT NULL
) RETURNS TABLE (id jsonb, distance float8, rank bigint, record jsonb)
LANGUAGE plpgsql STABLE ROWS 10
AS $function$
BEGIN
    RETURN QUERY SELECT s.id, s.distance, s.rank, s.record FROM pgvec._similar_v1(
        pgvec._search_target_v1(relation, embedding_column, key_columns, distance_by),
        pg_catalog.to_jsonb(key), filter, max_rows, exact, ef_search, max_distance, columns, skip_rows) AS s;
END
$function$;
COMMENT ON FUNCTION pgvec.similar(regclass, anyelement, jsonb, integer, name, boolean, integer, float8, text, text[], integer, name[])
    IS 'The rows nearest to a stored row, which is left out; its key is a value, or the id that a search returned.';

-- Similarity as the formulas of recommendations and of diversity want it: larger is nearer. That is 1 - distance for cosine, the inner
-- product, and the negative distance for all others.
CREATE FUNCTION pgvec._similarity_v1(target pgvec._search_target_v1, distance text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN format('nullif(%s - %s, %L::pg_catalog.float8)', CASE target.distance WHEN 'cosine' THEN 1 ELSE 0 END, distance, 'NaN');
END
$function$;
COMMENT ON FUNCTION pgvec._similarity_v1(pgvec._search_target_v1, text) IS 'A distance as a similarity; NULL where there is none.';

-- Examples of a recommendation: keys of stored rows, or objects {"vector": [...]}. "own" is the condition on the rows themselves.
CREATE FUNCTION pgvec._examples_v1(target pgvec._search_target_v1, examples jsonb, OUT vectors text[], OUT own text)
LANGUAGE plpgsql STABLE
AS $function$
DECLARE
    example pg_catalog.jsonb;
    key pg_catalog.text;
BEGIN
    vectors := '{}';
    IF examples IS NULL THEN
        RETURN;
    ELSIF pg_catalog.jsonb_typeof(examples) <> 'array' THEN
        PERFORM pgvec._refuse_v1(pg_catalog.format('examples are a JSON array, not %s', pgvec._shown_v1(examples::pg_catalog.text)),
            'Give keys as in [1, 2], [[1, "a"]] for a key of two columns, or vectors as in [{"vector": [0.1, 0.2]}].');
    END IF;
    FOR example IN SELECT e FROM pg_catalog.jsonb_array_elements(examples) AS e LOOP
        IF pg_catalog.jsonb_typeof(example) = 'object' AND pg_catalog.jsonb_exists(example, 'vector')
            AND 'vector' <> ALL (target.keys)
        THEN
            PERFORM pgvec._query_check_v1(target, pg_catalog.jsonb_extract_path_text(example, 'vector'));
            vectors := pg_catalog.array_append(vectors, pg_catalog.jsonb_extract_path_text(example, 'vector'));
        ELSE
            key := pgvec._search_key_v1(target, example);
            vectors := pg_catalog.array_append(vectors, pgvec._search_stored_v1(target, key, example));
            own := pg_catalog.concat_ws(' OR ', own, key);
        END IF;
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pgvec._examples_v1(pgvec._search_target_v1, jsonb) IS 'The vectors of examples, and the condition on those that are rows.';

-- The formulas are those of https://qdrant.tech/documentation/concepts/explore/#recommendation-api, with s = similarity:
--   average     nearest to  avg(positive) + avg(positive) - avg(negative); of directions, where the distance is cosine
--   best_score  p = max s(positive), n = max s(negative):  p if p > n, else -(n * n)
--   sum_scores  sum s(positive) - sum s(negative)
CREATE FUNCTION pgvec.recommend(
    relation regclass, positive jsonb DEFAULT '[]', negative jsonb DEFAULT '[]', strategy text DEFAULT 'average', filter jsonb DEFAULT NULL,
    max_rows integer DEFAULT 10, embedding_column name DEFAULT NULL, exact boolean DEFAULT false, ef_search integer DEFAULT NULL,
    distance_by text DEFAULT NULL, columns text[] DEFAULT NULL, skip_rows integer DEFAULT 0, key_columns name[] DEFAULT NULL
) RETURNS TABLE (id jsonb, score float8, distance float8, rank bigint, record jsonb)
LANGUAGE plpgsql STABLE ROWS 10
AS $function$
DECLARE
    target CONSTANT pgvec._search_target_v1 := pgvec._search_target_v1(relation, embedding_column, key_columns, distance_by);
    likes record;
    dislikes record;
    own text;
    made text;
BEGIN
    PERFORM pgvec._search_number_v1('max_rows', max_rows, 1, 100000);
    PERFORM pgvec._search_number_v1('skip_rows', skip_rows, 0, 1000000);
    SELECT e.vectors, e.own INTO likes FROM pgvec._examples_v1(target, positive) AS e;
    SELECT e.vectors, e.own INTO dislikes FROM pgvec._examples_v1(target, negative) AS e;
    own := nullif(pg_catalog.concat_ws(' OR ', likes.own, dislikes.own), '');
    own := '(' || own || ')';
    IF pg_catalog.cardinality(likes.vectors) = 0 AND (strategy = 'average' OR pg_catalog.cardinality(dislikes.vectors) = 0) THEN
        PERFORM pgvec._refuse_v1(pg_catalog.format('the strategy %s needs %s', pg_catalog.quote_literal(pgvec._shown_v1(strategy)),
            CASE strategy WHEN 'average' THEN 'a positive example' ELSE 'an example' END), 'Give examples:  positive => ''[1, 2]''.');
    END IF;
    IF strategy = 'average' THEN
        EXECUTE pgvec._recommend_average_v1(target) INTO made USING likes.vectors, dislikes.vectors;
        RETURN QUERY SELECT s.id, CASE target.distance WHEN 'cosine' THEN 1 - s.distance ELSE - s.distance END, s.distance, s.rank, s.record
            FROM pgvec._search_v1(target, made, filter, max_rows, exact, ef_search, NULL, columns, skip_rows, own) AS s;
    ELSIF strategy IN ('best_score', 'sum_scores') THEN
        RETURN QUERY EXECUTE pgvec._recommend_scores_v1(
            target, strategy, likes.vectors, dislikes.vectors, filter, own, pgvec._search_shown_v1(target, columns), max_rows, skip_rows);
    ELSE
        PERFORM pgvec._refuse_v1(pg_catalog.format('there is no strategy %s', coalesce(pg_catalog.quote_literal(pgvec._shown_v1(strategy)), 'NULL')),
            'Known are average, best_score and sum_scores.');
    END IF;
END
$function$;
COMMENT ON FUNCTION pgvec.recommend(
    regclass, jsonb, jsonb, text, jsonb, integer, name, boolean, integer, text, text[], integer, name[])
    IS 'Rows like the positive examples and unlike the negative ones, which are keys or vectors; the examples are left out.';

CREATE FUNCTION pgvec._recommend_average_v1(target pgvec._search_target_v1) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    mean text;
BEGIN
    IF target.type NOT IN ('vector', 'halfvec') THEN
        PERFORM pgvec._refuse_v1(format('there is no average of values of the type %s', target.type), 'Use strategy => ''best_score'' or ''sum_scores''.');
    END IF;
    -- Half-precision numbers are added up in full.
    mean := format(CASE target.distance WHEN 'cosine' THEN '%1$I.avg(%1$I.l2_normalize(e::%1$I.vector))' ELSE '%1$I.avg(e::%1$I.vector)' END, target.extension);
    RETURN format('SELECT CASE WHEN b.v IS NULL THEN a.v ELSE a.v OPERATOR(%1$I.+) a.v OPERATOR(%1$I.-) b.v END::pg_catalog.text '
        'FROM (SELECT %2$s AS v FROM pg_catalog.unnest($1::pg_catalog.text[]) AS e) AS a, '
        '(SELECT %2$s AS v FROM pg_catalog.unnest($2::pg_catalog.text[]) AS e) AS b', target.extension, mean);
END
$function$;
COMMENT ON FUNCTION pgvec._recommend_average_v1(pgvec._search_target_v1) IS 'The statement that makes a query vector of examples.';

-- Every row that passes is compared with every example.
CREATE FUNCTION pgvec._recommend_scores_v1(
    target pgvec._search_target_v1, strategy text, likes text[], dislikes text[], filter jsonb, own text, shown text[], max_rows integer, skip_rows integer
) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    part CONSTANT record := pgvec._search_parts_v1(target, shown);
    plan CONSTANT record := pgvec._search_condition_v1(target, filter, max_rows, true, NULL);
    type CONSTANT text := pgvec._query_type_v1(target);
    near text[] := ARRAY(
        SELECT pgvec._similarity_v1(target, format('(t.%I %s (%L::%s))', target.embedding, target.operator, v, type)) FROM unnest(likes) AS v);
    far text[] := ARRAY(
        SELECT pgvec._similarity_v1(target, format('(t.%I %s (%L::%s))', target.embedding, target.operator, v, type)) FROM unnest(dislikes) AS v);
    score text;
BEGIN
    IF strategy = 'sum_scores' THEN
        score := format('(%s) - (%s)', coalesce(nullif(array_to_string(near, ' + '), ''), '0'), coalesce(nullif(array_to_string(far, ' + '), ''), '0'));
    ELSIF cardinality(far) = 0 THEN
        score := format('greatest(%s)', array_to_string(near, ', '));
    ELSIF cardinality(near) = 0 THEN
        score := format('- (greatest(%1$s) * greatest(%1$s))', array_to_string(far, ', '));
    ELSE
        score := format('CASE WHEN greatest(%1$s) > greatest(%2$s) THEN greatest(%1$s) ELSE - (greatest(%2$s) * greatest(%2$s)) END',
            array_to_string(near, ', '), array_to_string(far, ', '));
    END IF;
    RETURN format('SELECT %1$s AS id, f.score, NULL::pg_catalog.float8, pg_catalog.row_number() OVER (ORDER BY f.score DESC NULLS LAST%2$s), %3$s '
        'FROM (SELECT * FROM (SELECT %4$s%5$s %6$s AS score FROM %7$s AS t WHERE t.%8$I IS NOT NULL%9$s) AS p '
        'ORDER BY p.score DESC NULLS LAST%10$s LIMIT %11$s) AS f ORDER BY f.score DESC NULLS LAST%2$s OFFSET %12$s',
        part.id, format(part.places, 'f'), part.carried_record, part.keys, part.carried, score, target.place, target.embedding,
        coalesce(' AND ' || nullif(concat_ws(' AND ', plan.condition, 'NOT ' || own), ''), ''), format(part.places, 'p'),
        max_rows + skip_rows, skip_rows);
END
$function$;
COMMENT ON FUNCTION pgvec._recommend_scores_v1(
    pgvec._search_target_v1, text, text[], text[], jsonb, text, text[], integer, integer) IS 'The statement that scores rows by examples.';

------------------------------------------------------------------------------------------------------------------------
-- Diversity
------------------------------------------------------------------------------------------------------------------------

-- The similarities of candidates to each other: a row of the matrix for each.
CREATE FUNCTION pgvec._similarities_v1(target pgvec._search_target_v1, many integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    part text := '';
    given text := '';
BEGIN
    FOR n IN 1 .. cardinality(target.keys) LOOP
        part := part || format('%st.%I %s (%s)::%s', CASE WHEN n > 1 THEN ' AND ' ELSE '' END, target.keys[n], target.equals[n],
            CASE WHEN cardinality(target.keys) = 1 THEN 'i.id OPERATOR(pg_catalog.#>>) ''{}''' ELSE format('i.id OPERATOR(pg_catalog.->>) %s', n - 1) END,
            target.key_types[n]);
    END LOOP;
    RETURN format('WITH pool AS MATERIALIZED (SELECT i.n, t.%1$I AS v FROM pg_catalog.unnest($1::pg_catalog.jsonb[]) WITH ORDINALITY AS i (id, n) '
        'JOIN %2$s AS t ON %3$s) SELECT pg_catalog.array_agg(s.row ORDER BY s.n) FROM ('
        'SELECT a.n, pg_catalog.array_agg(coalesce(%4$s, 0) ORDER BY b.n) AS row FROM pool AS a, pool AS b GROUP BY a.n) AS s',
        target.embedding, target.place, part, pgvec._similarity_v1(target, format('(a.v %s b.v)', target.operator)));
END
$function$;
COMMENT ON FUNCTION pgvec._similarities_v1(pgvec._search_target_v1, integer) IS 'The statement that compares candidates with each other.';

-- Maximal marginal relevance: J. Carbonell, J. Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and
-- Producing Summaries", SIGIR 1998. The next row is the one with the greatest
--   (1 - diversity) * s(row, query) - diversity * max over the rows taken before of s(row, taken)
CREATE FUNCTION pgvec._mmr_v1(
    target pgvec._search_target_v1, query text, diversity float8, filter jsonb, max_rows integer, candidates integer, exact boolean,
    ef_search integer, columns text[]
) RETURNS TABLE (id jsonb, score float8, distance float8, rank bigint, record jsonb)
LANGUAGE plpgsql STABLE ROWS 10
AS $function$
DECLARE
    pool record;
    matrix pg_catalog.float8[];
    relevance pg_catalog.float8[];
    nearest pg_catalog.float8[];
    is_taken pg_catalog.bool[];
    many pg_catalog.int4;
    best pg_catalog.int4;
    value pg_catalog.float8;
    greatest_value pg_catalog.float8;
BEGIN
    PERFORM pgvec._search_number_v1('candidates', candidates, 1, 1000);
    PERFORM pgvec._search_number_v1('max_rows', max_rows, 1, candidates);
    IF diversity IS NULL OR NOT diversity BETWEEN 0 AND 1 THEN
        PERFORM pgvec._refuse_v1(pg_catalog.format('diversity => %s is no number from 0 to 1', coalesce(diversity::pg_catalog.text, 'NULL')));
    ELSIF pg_catalog.cardinality(target.keys) = 0 THEN
        PERFORM pgvec._refuse_v1(pg_catalog.format('%s has no primary key, by which a row could be named', target.place),
            'key_columns => names the columns that tell rows apart.');
    END IF;
    SELECT pg_catalog.array_agg(s.id ORDER BY s.rank) AS ids, pg_catalog.array_agg(s.distance ORDER BY s.rank) AS distances,
            pg_catalog.array_agg(s.record ORDER BY s.rank) AS records
        INTO pool FROM pgvec._search_v1(target, query, filter, candidates, exact, ef_search, NULL, columns, 0) AS s;
    many := coalesce(pg_catalog.cardinality(pool.ids), 0);
    IF many = 0 THEN
        RETURN;
    END IF;
    EXECUTE pgvec._similarities_v1(target, many) INTO matrix USING pool.ids;
    FOR n IN 1 .. many LOOP
        -- A vector of zeros is like nothing.
        value := coalesce(nullif(CASE target.distance WHEN 'cosine' THEN 1 - pool.distances[n] ELSE - pool.distances[n] END, 'NaN'), '-Infinity');
        relevance[n] := value;
        is_taken[n] := false;
    END LOOP;
    FOR place IN 1 .. least(max_rows, many) LOOP
        best := NULL;
        FOR n IN 1 .. many LOOP
            CONTINUE WHEN is_taken[n];
            value := (1 - diversity) * relevance[n] - CASE WHEN place = 1 THEN 0 ELSE diversity * nearest[n] END;
            IF best IS NULL OR value > greatest_value THEN
                best := n;
                greatest_value := value;
            END IF;
        END LOOP;
        is_taken[best] := true;
        FOR n IN 1 .. many LOOP
            nearest[n] := CASE WHEN place = 1 THEN matrix[best][n] ELSE greatest(nearest[n], matrix[best][n]) END;
        END LOOP;
        id := pool.ids[best];
        score := greatest_value;
        distance := pool.distances[best];
        rank := place;
        record := pool.records[best];
        RETURN NEXT;
    END LOOP;
END
$function$;
COMMENT ON FUNCTION pgvec._mmr_v1(pgvec._search_target_v1, text, float8, jsonb, integer, integer, boolean, integer, text[])
    IS 'Maximal marginal relevance.';

CREATE FUNCTION pgvec.mmr(
    relation regclass, query text, diversity float8 DEFAULT 0.3, filter jsonb DEFAULT NULL, max_rows integer DEFAULT 10,
    candidates integer DEFAULT 100, embedding_column name DEFAULT NULL, exact boolean DEFAULT false, ef_search integer DEFAULT NULL,
    distance_by text DEFAULT NULL, columns text[] DEFAULT NULL, key_columns name[] DEFAULT NULL
) RETURNS TABLE (id jsonb, score float8, distance float8, rank bigint, record jsonb)
LANGUAGE plpgsql STABLE ROWS 10
AS $function$
BEGIN
    RETURN QUERY SELECT s.id, s.score, s.distance, s.rank, s.record FROM pgvec._mmr_v1(
        pgvec._search_target_v1(relation, embedding_column, key_columns, distance_by),
        query, diversity, filter, max_rows, candidates, exact, ef_search, columns) AS s;
END
$function$;
COMMENT ON FUNCTION pgvec.mmr(regclass, text, float8, jsonb, integer, integer, name, boolean, integer, text, text[], name[])
    IS 'Rows that are near to a vector and unlike each other: diversity 0 asks for the nearest, 1 for the most different candidates.';

CREATE FUNCTION pgvec.mmr(
    relation regclass, query anyelement, diversity float8 DEFAULT 0.3, filter jsonb DEFAULT NULL, max_rows integer DEFAULT 10,
    candidates integer DEFAULT 100, embedding_column name DEFAULT NULL, exact boolean DEFAULT false, ef_search integer DEFAULT NULL,
    distance_by text DEFAULT NULL, columns text[] DEFAULT NULL, key_columns name[] DEFAULT NULL
) RETURNS TABLE (id jsonb, score float8, distance float8, rank bigint, record jsonb)
LANGUAGE plpgsql STABLE ROWS 10
AS $function$
BEGIN
    RETURN QUERY SELECT s.id, s.score, s.distance, s.rank, s.record FROM pgvec._mmr_v1(
        pgvec._search_target_v1(relation, embedding_column, key_columns, distance_by),
        pgvec._query_text_v1(query), diversity, filter, max_rows, candidates, exact, ef_search, columns) AS s;
END
$function$;
COMMENT ON FUNCTION pgvec.mmr(regclass, anyelement, float8, jsonb, integer, integer, name, boolean, integer, text, text[], name[])
    IS 'Rows that are near to a vector and unlike each other; the query is a vector or an array of numbers.';

------------------------------------------------------------------------------------------------------------------------
-- Vectors and words
------------------------------------------------------------------------------------------------------------------------

-- The statement that fuses both lists, by the formulas of the library. Its parameters: $1 the query vector, $2 the ids of the nearest
-- rows in their order, $3 the text, $4 the keyword index, $5 and $6 the weights of vectors and words. Both lists are as long as the number
-- of candidates; a row that is in one of them has its true distance and its true score.
CREATE FUNCTION pgvec._hybrid_statement_v1(
    target pgvec._search_target_v1, fusion text, condition text, shown text[], candidates integer, rrf_k integer, max_rows integer, skip_rows integer
) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    part CONSTANT record := pgvec._search_parts_v1(target, shown);
    spread CONSTANT text := 'CASE WHEN %1$s IS NULL THEN 0 WHEN pg_catalog.max(%1$s) OVER () > pg_catalog.min(%1$s) OVER () '
        'THEN (%1$s - pg_catalog.min(%1$s) OVER ()) / (pg_catalog.max(%1$s) OVER () - pg_catalog.min(%1$s) OVER ()) ELSE %2$s END';
    standardized CONSTANT text := 'CASE WHEN %1$s IS NULL THEN 0 ELSE coalesce((%1$s - pg_catalog.avg(%1$s) OVER ()) '
        '/ nullif(6 * pg_catalog.stddev_pop(%1$s) OVER (), 0) + 0.5, 0.5) END';
    keys text := '';
    texts text := '';
    near_keys text := '';
    words_keys text := '';
    near text;
    words text;
BEGIN
    FOR n IN 1 .. cardinality(target.keys) LOOP
        keys := keys || CASE WHEN n > 1 THEN ', ' ELSE '' END || format('key_%s', n);
        texts := texts || CASE WHEN n > 1 THEN ', ' ELSE '' END || format('d.key_%s::pg_catalog.text', n);
        near_keys := near_keys || format('(%s)::%s AS key_%s, ',
            CASE WHEN cardinality(target.keys) = 1 THEN 'i.id OPERATOR(pg_catalog.#>>) ''{}''' ELSE format('i.id OPERATOR(pg_catalog.->>) %s', n - 1) END,
            target.key_types[n], n);
        words_keys := words_keys || format('m.key[%s]::%s AS key_%1$s, ', n, target.key_types[n]);
    END LOOP;
    CASE fusion
        WHEN 'rrf' THEN
            near := format('coalesce(1.0::pg_catalog.float8 / (%s + p.near_place), 0)', rrf_k);
            words := format('coalesce(1.0::pg_catalog.float8 / (%s + p.words_place), 0)', rrf_k);
        WHEN 'dbsf' THEN
            near := format(standardized, '(CASE WHEN p.near_place IS NOT NULL THEN - p.distance END)');
            words := format(standardized, '(CASE WHEN p.words_place IS NOT NULL THEN p.score END)');
        ELSE
            near := format(spread, '(- p.distance)', '1');
            words := format(spread, 'coalesce(p.score, 0)', 'CASE WHEN coalesce(p.score, 0) > 0 THEN 1 ELSE 0 END');
    END CASE;
    RETURN format($sql$
        WITH dense AS MATERIALIZED (
            SELECT %1$s i.n AS place FROM pg_catalog.unnest($2::pg_catalog.jsonb[]) WITH ORDINALITY AS i (id, n)),
        matched AS MATERIALIZED (
            SELECT %2$s m.score FROM pgvec._keyword_matches_v1(pg_catalog.pg_typeof(NULL::%3$s), $4, $3, %4$s,
                (SELECT pg_catalog.array_agg(ARRAY[%5$s]::pg_catalog.text) FROM dense AS d)) AS m),
        scored AS (SELECT %6$s, pg_catalog.max(f.score) AS score FROM matched AS f%7$s GROUP BY %6$s),
        ranked AS (SELECT s.*, pg_catalog.row_number() OVER (ORDER BY s.score DESC%8$s) AS place FROM scored AS s),
        words AS MATERIALIZED (SELECT %6$s, r.score, CASE WHEN r.place <= %9$s THEN r.place END AS place FROM ranked AS r),
        listed AS (SELECT %6$s FROM dense UNION SELECT %6$s FROM words WHERE place IS NOT NULL),
        pool AS (
            SELECT f.*, nullif(%10$s + 0, 'NaN') AS distance, w.score, d.place AS near_place, w.place AS words_place
            FROM listed AS f JOIN %3$s AS t ON %11$s LEFT JOIN dense AS d USING (%6$s) LEFT JOIN words AS w USING (%6$s)),
        parts AS (SELECT p.*, %12$s AS near, %13$s AS words FROM pool AS p),
        fused AS (SELECT parts.*, $5 * parts.near + $6 * parts.words AS fused FROM parts)
        SELECT %14$s, f.fused, f.distance, pg_catalog.row_number() OVER (ORDER BY f.fused DESC%15$s), %16$s
        FROM (SELECT * FROM fused AS p ORDER BY p.fused DESC%17$s LIMIT %18$s) AS f JOIN %3$s AS t ON %11$s
        ORDER BY f.fused DESC%15$s OFFSET %19$s$sql$,
        near_keys, words_keys, target.place, CASE WHEN condition IS NULL THEN candidates::text ELSE 'NULL' END, texts, keys,
        CASE WHEN condition IS NULL THEN '' ELSE format(' JOIN %s AS t ON %s WHERE %s', target.place, part.same, condition) END, format(part.places, 's'),
        candidates, pgvec._search_distance_v1(target), part.same, near, words, part.id, format(part.places, 'f'), part.joined_record,
        format(part.places, 'p'), max_rows + skip_rows, skip_rows);
END
$function$;
COMMENT ON FUNCTION pgvec._hybrid_statement_v1(pgvec._search_target_v1, text, text, text[], integer, integer, integer, integer)
    IS 'The statement that fuses the nearest rows and those that match words.';

CREATE FUNCTION pgvec._hybrid_v1(
    target pgvec._search_target_v1, query_text text, query text, filter jsonb, max_rows integer, fusion text, weights float8[], rrf_k integer,
    candidates integer, keyword_index text, exact boolean, ef_search integer, columns text[], skip_rows integer
) RETURNS TABLE (id jsonb, score float8, distance float8, rank bigint, record jsonb)
LANGUAGE plpgsql STABLE ROWS 10
AS $function$
DECLARE
    kind text := CASE WHEN fusion = 'auto' AND weights IS NOT NULL THEN 'convex' ELSE fusion END;
    near pg_catalog.float8 := CASE WHEN fusion IN ('auto', 'convex') THEN 0.5 ELSE 1 END;
    words pg_catalog.float8 := CASE WHEN fusion IN ('auto', 'convex') THEN 0.5 ELSE 1 END;
    stored pg_catalog.float8;
    wanted pg_catalog.int4;
    ids pg_catalog.jsonb[];
    condition pg_catalog.text;
BEGIN
    PERFORM pgvec._search_number_v1('max_rows', max_rows, 1, 10000);
    PERFORM pgvec._search_number_v1('skip_rows', skip_rows, 0, 10000);
    PERFORM pgvec._search_number_v1('rrf_k', rrf_k, 0, 1000000);
    wanted := coalesce(candidates, greatest(100, max_rows + skip_rows));
    PERFORM pgvec._search_number_v1('candidates', wanted, max_rows + skip_rows, 10000);
    IF kind IS NULL OR kind NOT IN ('auto', 'convex', 'rrf', 'dbsf') THEN
        PERFORM pgvec._refuse_v1(pg_catalog.format('there is no fusion %s', coalesce(pg_catalog.quote_literal(pgvec._shown_v1(kind)), 'NULL')),
            'Known are auto, convex, rrf and dbsf.');
    ELSIF coalesce(pg_catalog.btrim(query_text), '') = '' OR pg_catalog.length(query_text) > 10000 THEN
        PERFORM pgvec._refuse_v1('the text of a hybrid search has 1 to 10,000 characters', 'Give at least one word.');
    ELSIF weights IS NOT NULL AND (pg_catalog.cardinality(weights) <> 2 OR NOT coalesce(
            weights[1] BETWEEN 0 AND 1e9 AND weights[2] BETWEEN 0 AND 1e9 AND weights[1] + weights[2] > 0, false)) THEN
        PERFORM pgvec._refuse_v1('weights are two numbers that are not negative, for the vectors and for the words', 'At least one is greater than 0.');
    ELSIF NOT target.is_joined THEN
        PERFORM pgvec._refuse_v1(pg_catalog.format('%s has no primary key, and so no keyword index', target.place));
    END IF;
    IF weights IS NOT NULL THEN
        near := weights[1] / CASE kind WHEN 'convex' THEN weights[1] + weights[2] ELSE 1 END;
        words := weights[2] / CASE kind WHEN 'convex' THEN weights[1] + weights[2] ELSE 1 END;
    END IF;
    SELECT pg_catalog.array_agg(s.id ORDER BY s.rank) INTO ids
        FROM pgvec._search_v1(target, query, filter, wanted, exact, ef_search, NULL, '{}', 0) AS s;
    SELECT c.condition INTO condition FROM pgvec._search_condition_v1(target, filter, wanted, true, NULL) AS c;
    IF kind = 'auto' THEN
        EXECUTE pg_catalog.format('SELECT pgvec._keyword_fusion_v1(pg_catalog.pg_typeof(NULL::%s), $1, $2)', target.place)
            INTO stored USING keyword_index, target.embedding;
        near := coalesce(stored, near);
        words := coalesce(1 - stored, words);
    END IF;
    RETURN QUERY EXECUTE pgvec._hybrid_statement_v1(
        target, kind, condition, pgvec._search_shown_v1(target, columns), wanted, rrf_k, max_rows, skip_rows)
        USING query, ids, query_text, keyword_index, near, words;
END
$function$;
COMMENT ON FUNCTION pgvec._hybrid_v1(pgvec._search_target_v1, text, text, jsonb, integer, text, float8[], integer, integer, text, boolean, integer, text[], integer)
    IS 'The search by a vector and words.';

CREATE FUNCTION pgvec.hybrid_search(
    relation regclass, query_text text, query text, filter jsonb DEFAULT NULL, max_rows integer DEFAULT 10, embedding_column name DEFAULT NULL,
    fusion text DEFAULT 'auto', weights float8[] DEFAULT NULL, rrf_k integer DEFAULT 60, candidates integer DEFAULT NULL,
    keyword_index text DEFAULT NULL, exact boolean DEFAULT false, ef_search integer DEFAULT NULL, distance_by text DEFAULT NULL,
    columns text[] DEFAULT NULL, skip_rows integer DEFAULT 0
) RETURNS TABLE (id jsonb, score float8, distance float8, rank bigint, record jsonb)
LANGUAGE plpgsql STABLE ROWS 10
AS $function$
BEGIN
    RETURN QUERY SELECT s.id, s.score, s.distance, s.rank, s.record FROM pgvec._hybrid_v1(
        pgvec._search_target_v1(relation, embedding_column, NULL, distance_by),
        query_text, query, filter, max_rows, fusion, weights, rrf_k, candidates, keyword_index, exact, ef_search, columns, skip_rows) AS s;
END
$function$;
COMMENT ON FUNCTION pgvec.hybrid_search(
    regclass, text, text, jsonb, integer, name, text, float8[], integer, integer, text, boolean, integer, text, text[], integer)
    IS 'The rows that are near to a vector, or match the words of a text, or both; the query is a vector as text.';

CREATE FUNCTION pgvec.hybrid_search(
    relation regclass, query_text text, query anyelement, filter jsonb DEFAULT NULL, max_rows integer DEFAULT 10,
    embedding_column name DEFAULT NULL, fusion text DEFAULT 'auto', weights float8[] DEFAULT NULL, rrf_k integer DEFAULT 60,
    candidates integer DEFAULT NULL, keyword_index text DEFAULT NULL, exact boolean DEFAULT false, ef_search integer DEFAULT NULL,
    distance_by text DEFAULT NULL, columns text[] DEFAULT NULL, skip_rows integer DEFAULT 0
) RETURNS TABLE (id jsonb, score float8, distance float8, rank bigint, record jsonb)
LANGUAGE plpgsql STABLE ROWS 10
AS $function$
BEGIN
    RETURN QUERY SELECT s.id, s.score, s.distance, s.rank, s.record FROM pgvec._hybrid_v1(
        pgvec._search_target_v1(relation, embedding_column, NULL, distance_by), query_text,
        pgvec._query_text_v1(query), filter, max_rows, fusion, weights, rrf_k, candidates, keyword_index, exact, ef_search, columns, skip_rows) AS s;
END
$function$;
COMMENT ON FUNCTION pgvec.hybrid_search(
    regclass, text, anyelement, jsonb, integer, name, text, float8[], integer, integer, text, boolean, integer, text, text[], integer)
    IS 'The rows that are near to a vector, or match the words of a text, or both; the query is a vector or an array of numbers.';

------------------------------------------------------------------------------------------------------------------------
-- What there is, and how good it is
------------------------------------------------------------------------------------------------------------------------

-- Stored rows are the queries, each of which counts in no answer of its own. At equal distance one row is as good as another.
CREATE FUNCTION pgvec.recall(
    relation regclass, sample integer DEFAULT 100, max_rows integer DEFAULT 10, filter jsonb DEFAULT NULL, embedding_column name DEFAULT NULL,
    ef_search integer DEFAULT NULL, distance_by text DEFAULT NULL, key_columns name[] DEFAULT NULL,
    OUT recall float8, OUT queries integer, OUT rows_short integer
)
LANGUAGE plpgsql STABLE
AS $function$
DECLARE
    target CONSTANT pgvec._search_target_v1 := pgvec._search_target_v1(relation, embedding_column, key_columns, distance_by);
    stored record;
    own pg_catalog.text;
    truth pg_catalog.float8[];
    found_rows pg_catalog.float8[];
    farthest pg_catalog.float8;
    total pg_catalog.float8 := 0;
BEGIN
    PERFORM pgvec._search_number_v1('sample', sample, 1, 100000);
    PERFORM pgvec._search_number_v1('max_rows', max_rows, 1, 10000);
    queries := 0;
    rows_short := 0;
    FOR stored IN EXECUTE pgvec._search_sample_v1(target) USING sample LOOP
        CONTINUE WHEN target.distance = 'cosine' AND NOT stored.vector ~ '[1-9]';
        own := pgvec._search_key_v1(target, stored.id);
        SELECT pg_catalog.array_agg(s.distance ORDER BY s.rank) INTO truth
            FROM pgvec._search_v1(target, stored.vector, filter, max_rows, true, NULL, NULL, '{}', 0, own) AS s;
        CONTINUE WHEN truth IS NULL;
        -- One row more than wanted, since a condition that leaves the query out would make a filtered search of one without a filter.
        SELECT pg_catalog.array_agg(s.distance) INTO found_rows FROM (
            SELECT n.id, n.distance FROM pgvec._search_v1(target, stored.vector, filter, max_rows + 1, false, ef_search, NULL, '{}', 0) AS n
            WHERE n.id <> stored.id ORDER BY n.rank LIMIT max_rows) AS s;
        farthest := truth[pg_catalog.cardinality(truth)];
        total := total + least(1.0, (
            SELECT pg_catalog.count(*) FROM pg_catalog.unnest(found_rows) AS d
            WHERE d <= farthest + 1e-6 * pg_catalog.abs(farthest) + 1e-9)::pg_catalog.float8 / pg_catalog.cardinality(truth));
        rows_short := rows_short + pg_catalog.cardinality(truth) - coalesce(pg_catalog.cardinality(found_rows), 0);
        queries := queries + 1;
    END LOOP;
    IF queries = 0 THEN
        PERFORM pgvec._refuse_v1(pg_catalog.format('%s has no row that could be a query, or none that passes', target.place), NULL, 'P0002');
    END IF;
    recall := total / queries;
END
$function$;
COMMENT ON FUNCTION pgvec.recall(regclass, integer, integer, jsonb, name, integer, text, name[])
    IS 'The share of the true nearest rows that searches find, measured with stored rows as queries, and how many rows were missing.';

CREATE FUNCTION pgvec._search_sample_v1(target pgvec._search_target_v1) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    part CONSTANT record := pgvec._search_parts_v1(target, '{}');
    whole text := '';
BEGIN
    FOR n IN 1 .. cardinality(target.keys) LOOP
        whole := whole || CASE WHEN n > 1 THEN ' || ''/'' || ' ELSE '' END || format('t.%I::pg_catalog.text', target.keys[n]);
    END LOOP;
    IF whole = '' THEN
        PERFORM pgvec._refuse_v1(format('%s has no primary key, by which a row could be named', target.place), 'key_columns => names the columns that tell rows apart.');
    END IF;
    -- As good as random, and the same each time.
    RETURN format('SELECT %s AS id, f.vector FROM (SELECT %s t.%I::pg_catalog.text AS vector FROM %s AS t WHERE t.%3$I IS NOT NULL '
        'ORDER BY pg_catalog.hashtextextended(%5$s, 1) LIMIT $1) AS f', part.id, part.keys, target.embedding, target.place, whole);
END
$function$;
COMMENT ON FUNCTION pgvec._search_sample_v1(pgvec._search_target_v1) IS 'The statement that takes a sample of rows.';

CREATE FUNCTION pgvec.inspect() RETURNS TABLE (
    schema_name name, table_name name, column_name name, type text, dimensions integer, storage text, null_share float8, live_rows bigint,
    dead_rows bigint, table_bytes bigint, index_name name, index_method name, operator_class name, index_definition text, is_valid boolean,
    index_bytes bigint, scans bigint
)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
        SELECT n.nspname, c.relname, a.attname, t.typname::text, nullif(a.atttypmod, -1),
            CASE a.attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'm' THEN 'main' ELSE 'extended' END,
            (SELECT max(s.null_frac)::float8 FROM pg_stats AS s WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname),
            coalesce(nullif(u.n_live_tup, 0), nullif(c.reltuples, -1)::bigint, 0), coalesce(u.n_dead_tup, 0), pg_total_relation_size(c.oid),
            x.relname, x.amname, x.opcname, x.definition, x.is_valid, x.bytes, x.scans
        FROM pg_attribute AS a
        JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm')
        JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname <> 'pgvec'
        JOIN pg_type AS t ON t.oid = a.atttypid
        LEFT JOIN pg_stat_user_tables AS u ON u.relid = c.oid
        LEFT JOIN LATERAL (
            SELECT ic.relname, m.amname, o.opcname, pg_get_indexdef(i.indexrelid) AS definition, i.indisvalid AND i.indisready AS is_valid,
                pg_relation_size(i.indexrelid) AS bytes, coalesce(iu.idx_scan, 0) AS scans
            FROM pg_index AS i
            JOIN pg_class AS ic ON ic.oid = i.indexrelid
            JOIN pg_am AS m ON m.oid = ic.relam AND m.amname IN ('hnsw', 'ivfflat')
            JOIN pg_opclass AS o ON o.oid = i.indclass[0]
            LEFT JOIN pg_stat_user_indexes AS iu ON iu.indexrelid = i.indexrelid
            WHERE i.indrelid = c.oid AND (i.indkey[0] = a.attnum OR i.indkey[0] = 0 AND EXISTS (
                SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                    AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = a.attnum))) AS x ON true
        WHERE a.attnum > 0 AND NOT a.attisdropped AND (
            t.typname IN ('vector', 'halfvec', 'sparsevec') AND t.typnamespace = (SELECT e.extnamespace FROM pg_extension AS e WHERE e.extname = 'vector')
            OR t.oid IN ('bit'::regtype, 'varbit'::regtype) AND x.relname IS NOT NULL)
        ORDER BY n.nspname, c.relname, a.attnum, x.relname;
END
$function$;
COMMENT ON FUNCTION pgvec.inspect() IS 'Every vector column of the database and every vector index on it, one row for each pair.';
