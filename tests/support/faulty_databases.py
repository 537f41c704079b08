"""Faults for the doctor to find: what makes each, on a database that has none.

Parts that ``-- next`` divides are transactions of their own.
"""

from __future__ import annotations

CLEAN = """
CREATE TABLE article (id integer PRIMARY KEY, category integer, body text, embedding vector(8));
INSERT INTO article SELECT i, i % 50, 'text ' || i, ARRAY(SELECT sin(i * k) + 0.01 FROM generate_series(1, 8) k)::vector
  FROM generate_series(1, 2000) i;
CREATE INDEX article_category ON article (category);
CREATE INDEX article_embedding ON article USING hnsw (embedding vector_cosine_ops) WITH (m = 4, ef_construction = 16);
-- next
SELECT pg_stat_force_next_flush();
-- next
ANALYZE article;
"""

WIDE = """
CREATE TABLE wide (id integer PRIMARY KEY, v vector(700));
INSERT INTO wide SELECT i, array_fill(i + 0.5, ARRAY[700])::vector FROM generate_series(1, 400) i;
-- next
SELECT pg_stat_force_next_flush();
-- next
ANALYZE wide;
-- next
"""

FAULTS: dict[str, str] = {
    "scan.budget": """DO $$BEGIN
        EXECUTE format('ALTER DATABASE %I SET hnsw.max_scan_tuples = 1000', current_database());
        END$$;
        SET hnsw.iterative_scan = relaxed_order; SET hnsw.max_scan_tuples = 1000; SET enable_seqscan = off;
        DO $$BEGIN
        FOR i IN 1..40 LOOP
            PERFORM id FROM article WHERE body = 'none' ORDER BY embedding <=> '[1,2,3,4,5,6,7,8]' LIMIT 5;
        END LOOP;
        END$$;
        -- next
        SELECT pg_stat_force_next_flush();""",
    "table.bloat": "DELETE FROM article WHERE id > 800; -- next\n SELECT pg_stat_force_next_flush(); -- next\n ANALYZE article; -- next\n SELECT pg_stat_force_next_flush();",
    "extension.search_path": "CREATE SCHEMA ext; ALTER EXTENSION vector SET SCHEMA ext;",
    "extension.version": "UPDATE pg_extension SET extversion = '0.8.2' WHERE extname = 'vector';",
    "filter.unindexed": "INSERT INTO pgvec.filter_shape VALUES ('public', 'article', 'body =', 12);",
    "index.duplicate": "CREATE INDEX second ON article USING hnsw (embedding vector_cosine_ops) WITH (m = 4, ef_construction = 16);",
    "index.expression": "CREATE INDEX odd ON article USING hnsw ((l2_normalize(embedding)::vector(8)) vector_cosine_ops) WITH (m = 5);",
    "index.invalid": "CREATE INDEX half ON article (body); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'half'::regclass;",
    "index.missing": """CREATE TABLE bare (id integer PRIMARY KEY, v vector(8)); -- next
        ANALYZE bare;
        -- next
        UPDATE pg_class SET reltuples = 80000, relpages = 1000 WHERE relname = 'bare';""",
    "index.operator_class": "SELECT 'the model says l2';",
    "memory.build": "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET maintenance_work_mem = ''64kB''', current_database()); END$$;",
    "memory.scan": "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''64kB''', current_database()); END$$;",
    "schema.version": "DELETE FROM pgvec.migration WHERE name LIKE '0004%' OR name > '0005';",
    "statistics.stale": "INSERT INTO article SELECT i, 1, 't', '[1,2,3,4,5,6,7,8]' FROM generate_series(2001, 4000) i;"
    " -- next\n SELECT pg_stat_force_next_flush();",
    "storage.toasted": WIDE
    + """DO $$BEGIN FOR i IN 1..20 LOOP PERFORM sum(vector_norm(v)) FROM wide; END LOOP; END$$;
        -- next
        SELECT pg_stat_force_next_flush();""",
    "vectors.dimensions": """CREATE TABLE mixed (id integer PRIMARY KEY, v vector);
        INSERT INTO mixed VALUES (1, '[1,2]'), (2, '[1,2,3]');""",
    "vectors.null": "CREATE TABLE gaps (id integer PRIMARY KEY, v halfvec(3)); INSERT INTO gaps VALUES (1, '[1,2,3]'), (2, NULL);",
    "vectors.zero": """CREATE TABLE zero (id integer PRIMARY KEY, v sparsevec(3));
        INSERT INTO zero VALUES (1, '{1:1}/3'), (2, '{}/3');""",
}
"""By the check that finds it; those that come first stay when the others follow in the same database."""
