-- The table of the golden corpus: 6,000 rows whose every value follows from the number of the row.
CREATE TABLE golden_author (
    id int PRIMARY KEY,
    country text NOT NULL
);
INSERT INTO golden_author SELECT n, (ARRAY['DE', 'FR', 'JP', 'BR'])[1 + n % 4] FROM generate_series(1, 40) AS n;

CREATE TABLE golden (
    id int PRIMARY KEY,
    tenant int NOT NULL,
    category text NOT NULL,
    price int NOT NULL,
    stock int,
    is_public boolean NOT NULL,
    code varchar(8) NOT NULL,
    published date NOT NULL,
    tags text[] NOT NULL,
    details jsonb NOT NULL,
    author_id int NOT NULL REFERENCES golden_author,
    embedding vector(16)
);
INSERT INTO golden
SELECT n,
       n % 2,
       CASE WHEN n % 2 = 0 THEN 'news' WHEN n % 10 = 1 THEN 'food' WHEN n % 100 = 3 THEN 'law' ELSE 'sport' END,
       n % 1000,
       CASE WHEN n % 3 = 0 THEN NULL ELSE n % 50 END,
       n % 5 <> 0,
       'c' || n % 600,
       date '2020-01-01' + n % 2000,
       ARRAY['t' || n % 7, 'u' || n % 300],
       jsonb_build_object('source', 's' || n % 4, 'serial', n % 500, 'nested', jsonb_build_object('level', n % 20)),
       1 + n % 40,
       CASE WHEN n % 500 <> 0 THEN (
           SELECT array_agg(sin(n * (k * k + 1.37)) + 0.25 * cos(n * 0.01 * k)) FROM generate_series(1, 16) AS k
       )::real[]::vector END
  FROM generate_series(1, 6000) AS n;

CREATE INDEX golden_category ON golden (category);
CREATE INDEX golden_price ON golden (price);
CREATE INDEX golden_stock ON golden (stock);
CREATE INDEX golden_code ON golden (code);
CREATE INDEX golden_published ON golden (published);
CREATE INDEX golden_author_id ON golden (author_id);
CREATE INDEX golden_tags ON golden USING gin (tags);
CREATE INDEX golden_details ON golden USING gin (details jsonb_path_ops);
CREATE INDEX golden_embedding ON golden USING hnsw (embedding vector_l2_ops) WITH (m = 8, ef_construction = 32);
ANALYZE golden, golden_author;
