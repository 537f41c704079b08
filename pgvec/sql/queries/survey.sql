-- What the planner asks of the catalogs about one relation: size, statistics, vector indexes, partitions. One row, or none where
-- the relation does not exist. Nothing in here can fail for lack of a right, since it runs in the caller's transaction.
WITH RECURSIVE named AS (
    SELECT c.oid, c.relkind, c.relname, n.nspname
      FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.oid = pg_catalog.to_regclass(%(relation)s)
), base AS (
    SELECT oid, false AS viewed FROM named WHERE relkind <> 'v'
    UNION ALL
    -- A view over one table has the size and the indexes of that table.
    SELECT pg_catalog.min(d.refobjid::bigint)::oid, true
      FROM named
      JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = named.oid
      JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
                                    AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> named.oid
     WHERE named.relkind = 'v'
     GROUP BY named.oid
    HAVING pg_catalog.count(DISTINCT d.refobjid) = 1
), members AS (
    SELECT oid FROM base
    UNION
    SELECT i.inhrelid FROM members JOIN pg_catalog.pg_inherits AS i ON i.inhparent = members.oid
), sizes AS (
    -- As the planner of Postgres does it: the density of the last ANALYZE or VACUUM, times the pages of today.
    SELECT c.oid, c.relispartition, pages.now AS page_count,
           CASE
               WHEN pages.now = 0 THEN 0
               WHEN c.reltuples >= 0 AND c.relpages > 0 THEN c.reltuples / c.relpages * pages.now
           END AS row_count
      FROM members
      JOIN pg_catalog.pg_class AS c USING (oid)
     CROSS JOIN LATERAL (
         SELECT pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint AS now
     ) AS pages
     WHERE c.relkind IN ('r', 'm')
)
SELECT (SELECT pg_catalog.sum(page_count) FROM sizes) AS page_count,
       (SELECT CASE WHEN pg_catalog.bool_and(row_count IS NOT NULL) THEN pg_catalog.sum(row_count) END FROM sizes) AS row_count,
       (
           SELECT pg_catalog.jsonb_object_agg(s.attname, pg_catalog.jsonb_build_object(
                      'type', CASE WHEN t.typtype = 'e' THEN 'enum' ELSE t.typname END,
                      'null_fraction', s.null_frac,
                      'distinct', s.n_distinct,
                      'width', s.avg_width,
                      'values', CASE WHEN wanted.values THEN pg_catalog.to_jsonb(s.most_common_vals::text::text[]) END,
                      'shares', CASE WHEN wanted.values THEN pg_catalog.to_jsonb(s.most_common_freqs) END,
                      'bounds', CASE WHEN wanted.bounds THEN pg_catalog.to_jsonb(s.histogram_bounds::text::text[]) END))
             FROM pg_catalog.pg_class AS c
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
             JOIN pg_catalog.pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = c.relname
                                          AND s.inherited = ((SELECT pg_catalog.count(*) FROM members) > 1)
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = s.attname
             JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
            CROSS JOIN LATERAL (
                SELECT t.typtype = 'e' OR t.typname IN ('int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'bool', 'text',
                           'varchar', 'bpchar', 'uuid', 'date', 'timestamp', 'timestamptz') AS values,
                       t.typname IN ('int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'date', 'timestamp',
                           'timestamptz') AS bounds
            ) AS wanted
            WHERE c.oid = base.oid AND NOT base.viewed
       ) AS columns,
       (
           SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                      'name', c.relname,
                      'method', m.amname,
                      'operator_class', o.opcname,
                      'definition', pg_catalog.pg_get_indexdef(i.indexrelid, 1, true),
                      'predicate', pg_catalog.pg_get_expr(i.indpred, i.indrelid, true),
                      'valid', i.indisvalid AND i.indisready,
                      'rows', CASE WHEN c.reltuples >= 0 AND c.relkind = 'i' THEN c.reltuples END))
             FROM pg_catalog.pg_index AS i
             JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
             JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
             JOIN pg_catalog.pg_opclass AS o ON o.oid = i.indclass[0]
            WHERE i.indrelid = base.oid AND m.amname IN ('hnsw', 'ivfflat')
       ) AS indexes,
       (
           -- What leads an index that is no vector index and not partial: the column, or those that its expression reads. A GIN
           -- index serves each of its columns, but only what asks for things contained.
           SELECT pg_catalog.jsonb_object_agg(found.contains, found.names)
             FROM (
                 SELECT m.amname = 'gin' AS contains, pg_catalog.array_agg(DISTINCT a.attname::text) AS names
                   FROM pg_catalog.pg_index AS i
                   JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
                   JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
                   JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum > 0
                   LEFT JOIN pg_catalog.pg_depend AS d
                          ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid
                         AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = i.indrelid
                         AND d.refobjsubid = a.attnum
                  WHERE i.indrelid = base.oid AND NOT base.viewed AND m.amname NOT IN ('hnsw', 'ivfflat') AND i.indisvalid
                    AND i.indpred IS NULL
                    AND (i.indkey[0] = a.attnum OR (d.objid IS NOT NULL AND (i.indkey[0] = 0 OR m.amname = 'gin')))
                  GROUP BY 1
             ) AS found
       ) AS indexed,
       (SELECT pg_catalog.count(*) FROM members) > 1 AS is_partitioned,
       (
           -- Stored generated columns of the types of pgvector, in the indexes that hold them beside other columns.
           SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                      'column', a.attname,
                      'type', t.typname,
                      'expression', pg_catalog.pg_get_expr(d.adbin, d.adrelid, true),
                      'leading', l.attname,
                      'covered', (
                          SELECT pg_catalog.jsonb_agg(k.attname) FROM pg_catalog.pg_attribute AS k
                           WHERE k.attrelid = i.indrelid AND k.attnum = ANY (i.indkey::int2[]))))
             FROM pg_catalog.pg_attribute AS a
             JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
             JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             JOIN pg_catalog.pg_index AS i ON i.indrelid = a.attrelid AND a.attnum = ANY (i.indkey::int2[]) AND i.indisvalid
                                          AND i.indpred IS NULL AND i.indkey[0] <> a.attnum
             JOIN pg_catalog.pg_attribute AS l ON l.attrelid = i.indrelid AND l.attnum = i.indkey[0]
            WHERE a.attrelid = base.oid AND a.attgenerated = 's' AND t.typname IN ('bit', 'halfvec') AND NOT base.viewed
       ) AS compact,
       (
           SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                      'constraint', pg_catalog.pg_get_partition_constraintdef(sizes.oid), 'rows', sizes.row_count))
             FROM sizes
            WHERE sizes.relispartition AND (SELECT pg_catalog.count(*) FROM sizes) <= 1000
       ) AS partitions,
       (
           pg_catalog.to_regclass('pgvec.search_setting') IS NOT NULL
           AND pg_catalog.has_schema_privilege('pgvec', 'USAGE')
       ) AS has_settings,
       (
           pg_catalog.to_regclass('pgvec.reembedding') IS NOT NULL
           AND pg_catalog.has_schema_privilege('pgvec', 'USAGE')
       ) AS has_models,
       (SELECT nspname FROM named) AS relation_schema,
       (SELECT relname FROM named) AS relation_name
  FROM base
