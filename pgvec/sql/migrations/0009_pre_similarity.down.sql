-- As 0006_pre_search_functions made it.
CREATE OR REPLACE FUNCTION pgvec._similarity_v1(target pgvec._search_target_v1, distance text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN format('nullif(%s - %s, %L::pg_catalog.float8)', CASE target.distance WHEN 'cosine' THEN 1 ELSE 0 END, distance, 'NaN');
END
$function$;

CREATE OR REPLACE FUNCTION pgvec.recommend(
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

CREATE OR REPLACE FUNCTION pgvec._mmr_v1(
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
