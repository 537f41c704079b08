-- What advice on one relation needs beside the survey of the planner: how it is stored, its indexes and statistics objects, and the
-- memory of the server. One row, or none where the relation does not exist; %(vector)s is the name of the vector column.
SELECT n.nspname AS schema,
       c.relname AS name,
       c.relkind IN ('r', 'm') AS is_plain,
       a.attstorage AS storage,
       e.nspname AS extension_schema,
       pg_catalog.current_setting('shared_buffers') AS shared_buffers,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('shared_buffers')) AS shared_bytes,
       pg_catalog.current_setting('maintenance_work_mem') AS build_memory,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) AS build_bytes,
       COALESCE((
           SELECT pg_catalog.jsonb_object_agg(k.attname, t.typname || CASE WHEN t.typcategory = 'A' THEN '[]' ELSE '' END)
             FROM pg_catalog.pg_attribute AS k
             JOIN pg_catalog.pg_type AS t ON t.oid = k.atttypid
            WHERE k.attrelid = c.oid AND k.attnum > 0 AND NOT k.attisdropped), '{}') AS types,
       COALESCE((
           SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                      'name', x.relname,
                      'method', m.amname,
                      'partial', i.indpred IS NOT NULL,
                      'bytes', pg_catalog.pg_relation_size(x.oid),
                      'rows', x.reltuples,
                      'columns', (
                          SELECT pg_catalog.jsonb_agg(k.attname ORDER BY p.position)
                            FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS p(attnum, position)
                            LEFT JOIN pg_catalog.pg_attribute AS k ON k.attrelid = c.oid AND k.attnum = p.attnum AND p.attnum > 0
                           WHERE p.position <= i.indnkeyatts)))
             FROM pg_catalog.pg_index AS i
             JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
             JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
            WHERE i.indrelid = c.oid AND i.indisvalid), '[]') AS indexes,
       COALESCE((
           SELECT pg_catalog.jsonb_agg((
                      SELECT pg_catalog.jsonb_agg(k.attname) FROM pg_catalog.pg_attribute AS k
                       WHERE k.attrelid = c.oid AND k.attnum = ANY (s.stxkeys::int2[])))
             FROM pg_catalog.pg_statistic_ext AS s
            WHERE s.stxrelid = c.oid), '[]') AS statistics,
       pg_catalog.to_regclass('pgvec.filter_shape') IS NOT NULL
           AND pg_catalog.has_schema_privilege('pgvec', 'USAGE') AS has_shapes
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = %(vector)s
  JOIN pg_catalog.pg_type AS v ON v.oid = a.atttypid
  JOIN pg_catalog.pg_namespace AS e ON e.oid = v.typnamespace
 WHERE c.oid = pg_catalog.to_regclass(%(relation)s)
