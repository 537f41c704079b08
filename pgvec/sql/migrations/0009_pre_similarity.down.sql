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
