-- The unfiltered search for ten rows as pgvec first sent it: table item (id, label, embedding vector(784)), Euclidean distance,
-- an HNSW index, columns id and label, the extension in schema public. The parameter is the query vector in binary.
-- Later forms of the statement are measured against it, so it stays as it is.
WITH pgvec_before AS MATERIALIZED 
(SELECT current_setting('hnsw.iterative_scan', true) AS setting_0), 
pgvec_nearest AS MATERIALIZED 
(SELECT item.id AS key_0, item.label AS shown_0, item.embedding OPERATOR(public.<->) CAST(%(pgvec_query)s AS public.vector) AS distance, 0 AS branch 
FROM item 
WHERE item.embedding IS NOT NULL AND (SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true) AS set_config_1 
FROM pgvec_before) IS NOT NULL ORDER BY item.embedding OPERATOR(public.<->) CAST(%(pgvec_query)s AS public.vector) 
 LIMIT 10), 
pgvec_short AS MATERIALIZED 
(SELECT count(*) < 10 AS yes 
FROM pgvec_nearest 
HAVING coalesce(set_config('hnsw.iterative_scan', (SELECT pgvec_before.setting_0 
FROM pgvec_before), count(*) >= 0), '') IS NOT NULL)
 SELECT found.key_0 AS id, found.shown_0 AS label, found.distance AS pgvec_distance, found.branch AS pgvec_branch 
FROM (SELECT pgvec_nearest.key_0 AS key_0, pgvec_nearest.shown_0 AS shown_0, pgvec_nearest.distance AS distance, pgvec_nearest.branch AS branch 
FROM pgvec_nearest 
WHERE NOT (SELECT pgvec_short.yes 
FROM pgvec_short) UNION ALL SELECT scanned.key_0 AS key_0, item.label AS shown_0, scanned.distance AS distance, scanned.branch AS branch 
FROM (SELECT item.id AS key_0, (item.embedding OPERATOR(public.<->) CAST(%(pgvec_query)s AS public.vector)) + 0 AS distance, 1 AS branch 
FROM item 
WHERE item.embedding IS NOT NULL AND (SELECT pgvec_short.yes 
FROM pgvec_short) ORDER BY distance 
 LIMIT 10) AS scanned JOIN item ON item.id = scanned.key_0) AS found ORDER BY found.distance, found.key_0 
 LIMIT 10;
