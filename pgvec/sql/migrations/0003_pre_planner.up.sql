-- What pgvec measured on this installation, for its planner: costs, settings that reach a recall, and shapes of filters.
--
-- Any role may read all of it. Who runs "pgvec calibrate", "pgvec tune" or records filters writes it: the owner of the schema, or a
-- role that it grants INSERT, UPDATE and DELETE.

CREATE TABLE pgvec.calibration (
    type text PRIMARY KEY CHECK (type IN ('vector', 'halfvec', 'sparsevec', 'bit')),
    page_cost double precision NOT NULL CHECK (page_cost >= 0),
    check_cost double precision NOT NULL CHECK (check_cost >= 0),
    row_cost double precision NOT NULL CHECK (row_cost >= 0),
    dimension_cost double precision NOT NULL CHECK (dimension_cost >= 0),
    detoast_cost double precision NOT NULL CHECK (detoast_cost >= 0),
    visit_cost double precision NOT NULL CHECK (visit_cost >= 0),
    visit_dimension_cost double precision NOT NULL CHECK (visit_dimension_cost >= 0),
    details jsonb NOT NULL DEFAULT '{}',
    measured_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

COMMENT ON TABLE pgvec.calibration IS 'What work costs on this installation in microseconds, by column type; "pgvec calibrate" measures it.';
COMMENT ON COLUMN pgvec.calibration.type IS 'Type of the vector column.';
COMMENT ON COLUMN pgvec.calibration.page_cost IS 'Reading a page of a table.';
COMMENT ON COLUMN pgvec.calibration.check_cost IS 'Checking a filter on a row.';
COMMENT ON COLUMN pgvec.calibration.row_cost IS 'Fetching a row by an index, without its vector.';
COMMENT ON COLUMN pgvec.calibration.dimension_cost IS 'Comparing one dimension of a vector.';
COMMENT ON COLUMN pgvec.calibration.detoast_cost IS 'Fetching a kilobyte of a vector that is stored out of line.';
COMMENT ON COLUMN pgvec.calibration.visit_cost IS 'Visiting an element of an HNSW graph.';
COMMENT ON COLUMN pgvec.calibration.visit_dimension_cost IS 'What each dimension adds to a visit.';
COMMENT ON COLUMN pgvec.calibration.details IS 'The measurements, and the versions that they were made on.';
COMMENT ON COLUMN pgvec.calibration.measured_at IS 'When it was measured.';

CREATE TABLE pgvec.search_setting (
    relation_schema name NOT NULL,
    relation_name name NOT NULL,
    index_name name NOT NULL,
    filter_class text NOT NULL CHECK (filter_class IN ('all', 'half', 'tenth', 'rare')),
    row_limit integer NOT NULL CHECK (row_limit > 0),
    target_recall double precision NOT NULL CHECK (target_recall > 0 AND target_recall <= 1),
    ef_search integer NOT NULL CHECK (ef_search BETWEEN 1 AND 1000),
    recall double precision NOT NULL CHECK (recall BETWEEN 0 AND 1),
    details jsonb NOT NULL DEFAULT '{}',
    measured_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (relation_schema, relation_name, index_name, filter_class, row_limit, target_recall)
);

COMMENT ON TABLE pgvec.search_setting IS 'The smallest ef_search that reached a recall on an index; "pgvec tune" measures it.';
COMMENT ON COLUMN pgvec.search_setting.relation_schema IS 'Postgres schema of the table.';
COMMENT ON COLUMN pgvec.search_setting.relation_name IS 'Name of the table.';
COMMENT ON COLUMN pgvec.search_setting.index_name IS 'Name of the vector index.';
COMMENT ON COLUMN pgvec.search_setting.filter_class IS 'Searches without a filter (all), or with one that passes about half, a tenth, or few of the rows.';
COMMENT ON COLUMN pgvec.search_setting.row_limit IS 'Rows that each search asked for.';
COMMENT ON COLUMN pgvec.search_setting.target_recall IS 'The recall that was to be reached.';
COMMENT ON COLUMN pgvec.search_setting.ef_search IS 'The setting hnsw.ef_search that reached it.';
COMMENT ON COLUMN pgvec.search_setting.recall IS 'What was measured with this ef_search.';
COMMENT ON COLUMN pgvec.search_setting.details IS 'The other values that were tried, and the recall of each.';
COMMENT ON COLUMN pgvec.search_setting.measured_at IS 'When it was measured.';

CREATE TABLE pgvec.filter_shape (
    relation_schema name NOT NULL,
    relation_name name NOT NULL,
    shape text NOT NULL,
    searches bigint NOT NULL DEFAULT 0 CHECK (searches >= 0),
    last_seen timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (relation_schema, relation_name, shape)
);

COMMENT ON TABLE pgvec.filter_shape IS 'Which columns filters name, and how, without any value; recorded only where an application asks for it.';
COMMENT ON COLUMN pgvec.filter_shape.relation_schema IS 'Postgres schema of the table.';
COMMENT ON COLUMN pgvec.filter_shape.relation_name IS 'Name of the table.';
COMMENT ON COLUMN pgvec.filter_shape.shape IS 'Column and operator of each condition, such as "category = AND price <".';
COMMENT ON COLUMN pgvec.filter_shape.searches IS 'How many searches had a filter of this shape.';
COMMENT ON COLUMN pgvec.filter_shape.last_seen IS 'When the last of them was counted.';

GRANT SELECT ON pgvec.calibration, pgvec.search_setting, pgvec.filter_shape TO PUBLIC;
