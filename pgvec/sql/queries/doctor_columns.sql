-- What statistics and rights tell of the columns of vectors, beside what the catalog does.
SELECT n.nspname AS schema,
       c.relname AS table_name,
       a.attname AS name,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE')
           AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT') AS readable,
       (
           SELECT CAST(pg_catalog.max(k.null_frac) AS double precision) FROM pg_catalog.pg_stats AS k
            WHERE k.schemaname = n.nspname AND k.tablename = c.relname AND k.attname = a.attname
       ) AS null_share
  FROM pg_catalog.pg_attribute AS a
  JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
 WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'm')
   AND t.typname IN ('vector', 'halfvec', 'sparsevec', 'bit')
