-- Every table with a column of vectors or an index on them, partitions too, one row each. Statistics of use are shown to every
-- role; what pg_stats tells of columns only to those who may read them.
SELECT n.nspname AS schema,
       c.relname AS name,
       pg_catalog.pg_table_is_visible(c.oid) AS visible,
       c.relkind = 'p' AS partitioned,
       c.relispartition AS partition,
       CAST(COALESCE(NULLIF(s.n_live_tup, 0), NULLIF(c.reltuples, -1), 0) AS bigint) AS row_count,
       COALESCE(s.n_dead_tup, 0) AS dead_rows,
       COALESCE(s.n_mod_since_analyze, 0) AS changed_rows,
       c.reltuples >= 0 OR s.last_analyze IS NOT NULL OR s.last_autoanalyze IS NOT NULL AS analyzed,
       COALESCE(s.seq_scan, 0) AS sequential_scans,
       COALESCE(pg_catalog.pg_relation_size(NULLIF(c.reltoastrelid, 0)), 0)
           / CAST(pg_catalog.current_setting('block_size') AS bigint) AS toast_pages,
       COALESCE(io.toast_blks_read, 0) + COALESCE(io.toast_blks_hit, 0) AS toast_reads,
       ARRAY(
           -- What leads an index: its first column, or those that its first expression reads; of a GIN index, every column.
           SELECT DISTINCT CAST(a.attname AS text)
             FROM pg_catalog.pg_index AS i
             JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
             JOIN pg_catalog.pg_am AS m ON m.oid = x.relam AND m.amname NOT IN ('hnsw', 'ivfflat')
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum > 0
             LEFT JOIN pg_catalog.pg_depend AS d
                    ON d.classid = CAST('pg_catalog.pg_class' AS regclass) AND d.objid = i.indexrelid
                   AND d.refclassid = CAST('pg_catalog.pg_class' AS regclass) AND d.refobjid = i.indrelid
                   AND d.refobjsubid = a.attnum
            WHERE i.indrelid = c.oid AND i.indisvalid
              AND (i.indkey[0] = a.attnum OR (d.objid IS NOT NULL AND (i.indkey[0] = 0 OR m.amname = 'gin')))
       ) AS leading,
       ARRAY(
           SELECT CAST(k.attname AS text) FROM pg_catalog.pg_stats AS k
            WHERE k.schemaname = n.nspname AND k.tablename = c.relname AND k.n_distinct BETWEEN 0 AND 3 AND k.null_frac < 0.5
       ) AS narrow
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_user_tables AS s ON s.relid = c.oid
  LEFT JOIN pg_catalog.pg_statio_user_tables AS io ON io.relid = c.oid
 WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname <> 'pgvec' AND n.nspname !~ '^pg_'
   AND (
       EXISTS (
           SELECT FROM pg_catalog.pg_attribute AS a
             JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid AND t.typname IN ('vector', 'halfvec', 'sparsevec')
             JOIN pg_catalog.pg_extension AS e ON e.extname = 'vector' AND e.extnamespace = t.typnamespace
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
       OR EXISTS (
           SELECT FROM pg_catalog.pg_index AS i
             JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
             JOIN pg_catalog.pg_am AS m ON m.oid = x.relam AND m.amname IN ('hnsw', 'ivfflat')
            WHERE i.indrelid = c.oid)
   )
 ORDER BY 1, 2
