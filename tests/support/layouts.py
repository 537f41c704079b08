"""The tables of other libraries, as these make them, with a few rows of three dimensions."""

from __future__ import annotations

# library: table, schema, statements
MADE_BY_OTHERS: dict[str, tuple[str, str, str]] = {
    "langchain-postgres (PGVector)": (
        "langchain_pg_embedding",
        "public",
        """
        CREATE TABLE langchain_pg_collection (uuid uuid PRIMARY KEY, name varchar NOT NULL UNIQUE, cmetadata json);
        CREATE TABLE langchain_pg_embedding (
            id varchar PRIMARY KEY, collection_id uuid REFERENCES langchain_pg_collection ON DELETE CASCADE,
            embedding vector, document varchar, cmetadata jsonb);
        CREATE INDEX ix_cmetadata_gin ON langchain_pg_embedding USING gin (cmetadata jsonb_path_ops);
        CREATE UNIQUE INDEX ix_langchain_pg_embedding_id ON langchain_pg_embedding (id);
        INSERT INTO langchain_pg_collection VALUES ('6a2f6c5e-0000-4000-8000-000000000001', 'docs', '{}');
        INSERT INTO langchain_pg_embedding
            SELECT 'doc' || i, '6a2f6c5e-0000-4000-8000-000000000001', ARRAY[i, 1, 0]::vector, 'text ' || i, '{"page": 1}'
            FROM generate_series(1, 5) i;
        """,
    ),
    "langchain-postgres (PGVectorStore)": (
        "notes",
        "public",
        """
        CREATE TABLE notes (
            langchain_id uuid PRIMARY KEY DEFAULT gen_random_uuid(), content text NOT NULL, embedding vector(3) NOT NULL,
            source text, langchain_metadata json);
        INSERT INTO notes (content, embedding, source) SELECT 'text ' || i, ARRAY[i, 1, 0]::vector, 'a' FROM generate_series(1, 5) i;
        CREATE INDEX langchainvectorindex ON notes USING hnsw (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64);
        """,
    ),
    "LlamaIndex (PGVectorStore)": (
        "data_llamaindex",
        "public",
        """
        CREATE TABLE data_llamaindex (
            id bigserial PRIMARY KEY, text varchar NOT NULL, metadata_ json, node_id varchar, embedding vector(3),
            text_search_tsv tsvector GENERATED ALWAYS AS (to_tsvector('english', text)) STORED);
        CREATE INDEX llamaindex_idx ON data_llamaindex USING gin (text_search_tsv);
        CREATE INDEX llamaindex_idx_1 ON data_llamaindex ((metadata_ ->> 'ref_doc_id'));
        INSERT INTO data_llamaindex (text, embedding) SELECT 'text ' || i, ARRAY[i, 1, 0]::vector FROM generate_series(1, 5) i;
        CREATE INDEX data_llamaindex_embedding_idx ON data_llamaindex USING hnsw (embedding vector_cosine_ops);
        """,
    ),
    "Haystack (PgvectorDocumentStore)": (
        "haystack_documents",
        "public",
        """
        CREATE TABLE haystack_documents (
            id varchar(128) PRIMARY KEY, embedding vector(3), content text, blob_data bytea, blob_meta jsonb,
            blob_mime_type varchar(255), meta jsonb);
        CREATE INDEX haystack_keyword_index ON haystack_documents USING gin (to_tsvector('english', content));
        INSERT INTO haystack_documents (id, embedding, content, meta)
            SELECT 'doc' || i, ARRAY[i, 1, 0]::vector, 'text ' || i, '{"page": 1}' FROM generate_series(1, 5) i;
        CREATE INDEX haystack_hnsw_index ON haystack_documents USING hnsw (embedding vector_cosine_ops);
        """,
    ),
    "vecs": (
        "docs",
        "vecs",
        """
        CREATE SCHEMA vecs;
        CREATE TABLE vecs.docs (id varchar PRIMARY KEY, vec vector(3) NOT NULL, metadata jsonb NOT NULL DEFAULT '{}');
        CREATE INDEX ix_meta_ops ON vecs.docs USING gin (metadata jsonb_path_ops);
        INSERT INTO vecs.docs SELECT 'doc' || i, ARRAY[i, 1, 0]::vector, '{"page": 1}' FROM generate_series(1, 5) i;
        CREATE INDEX ix_vector_cosine_ops_hnsw_m16_efc64_1a2b3c4d ON vecs.docs USING hnsw (vec vector_cosine_ops)
            WITH (m = 16, ef_construction = 64);
        """,
    ),
    "pgai (vectorizer)": (
        "blog_embedding_store",
        "public",
        """
        CREATE TABLE blog (id int PRIMARY KEY, contents text);
        INSERT INTO blog SELECT i, 'text ' || i FROM generate_series(1, 5) i;
        CREATE TABLE blog_embedding_store (
            embedding_uuid uuid NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(), id int NOT NULL, chunk_seq int NOT NULL,
            chunk text NOT NULL, embedding vector(3) NOT NULL, UNIQUE (id, chunk_seq),
            FOREIGN KEY (id) REFERENCES blog (id) ON DELETE CASCADE);
        ALTER TABLE blog_embedding_store ALTER COLUMN embedding SET STORAGE main;
        INSERT INTO blog_embedding_store (id, chunk_seq, chunk, embedding)
            SELECT i, 0, 'text ' || i, ARRAY[i, 1, 0]::vector FROM generate_series(1, 5) i;
        CREATE INDEX blog_embedding_store_embedding_idx ON blog_embedding_store USING hnsw (embedding vector_cosine_ops);
        """,
    ),
}
