-- The server and the database as this connection sees them. One row; it can be asked by any role. Settings of pgvector are known
-- to Postgres only once a session has loaded its library, which asking for a vector does.
SELECT pg_catalog.current_database() AS database,
       (
           SELECT e.extversion FROM pg_catalog.pg_extension AS e WHERE e.extname = 'vector'
       ) AS extension_version,
       (
           SELECT n.nspname FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
            WHERE e.extname = 'vector'
       ) AS extension_schema,
       EXISTS (
           SELECT FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
            WHERE e.extname = 'vector' AND n.nspname = ANY (pg_catalog.current_schemas(true))
       ) AS on_path,
       pg_catalog.current_setting('search_path') AS search_path,
       pg_catalog.current_setting('shared_buffers') AS shared_buffers,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('shared_buffers')) AS shared_buffers_bytes,
       pg_catalog.current_setting('maintenance_work_mem') AS maintenance_work_mem,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) AS maintenance_work_mem_bytes,
       pg_catalog.current_setting('work_mem') AS work_mem,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('work_mem')) AS work_mem_bytes,
       CAST(pg_catalog.current_setting('hnsw.max_scan_tuples', true) AS integer) AS max_scan_tuples,
       CAST(pg_catalog.current_setting('hnsw.scan_mem_multiplier', true) AS double precision) AS scan_mem_multiplier,
       (
           SELECT pg_catalog.array_agg(s.name || ' = ' || s.setting ORDER BY s.name)
             FROM pg_catalog.pg_settings AS s
            WHERE s.source = 'session' AND (s.name LIKE 'hnsw.%' OR s.name LIKE 'ivfflat.%')
       ) AS session_settings,
       pg_catalog.to_regclass('pgvec.migration') IS NOT NULL
           AND pg_catalog.has_schema_privilege('pgvec', 'USAGE') AS has_scripts,
       pg_catalog.to_regclass('pgvec.filter_shape') IS NOT NULL
           AND pg_catalog.has_schema_privilege('pgvec', 'USAGE') AS has_shapes,
       (
           SELECT n.nspname FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
            WHERE e.extname = 'pg_stat_statements' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
       ) AS statements_schema
