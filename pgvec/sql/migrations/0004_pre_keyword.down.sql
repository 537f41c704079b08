-- The keyword indexes go with what keeps them current; the tables of the users stay as they are.
DO $do$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT t.tgname, t.tgrelid::regclass AS relation
        FROM pg_catalog.pg_trigger AS t
        JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        JOIN pgvec.keyword_index AS i ON p.pronamespace = 'pgvec'::regnamespace
            AND p.proname = pg_catalog.format('keyword_%s_upkeep', i.id)
    LOOP
        EXECUTE pg_catalog.format('DROP TRIGGER %I ON %s', found.tgname, found.relation);
    END LOOP;
    PERFORM pgvec._keyword_discard_v1(i.id) FROM pgvec.keyword_index AS i;
END
$do$;

DROP FUNCTION pgvec._keyword_store_fusion_v1(regtype, text, text, float8);
DROP FUNCTION pgvec._keyword_fusion_v1(regtype, text, text);
DROP FUNCTION pgvec.create_keyword_index(regclass, text[], numeric[], regconfig, text, float8, float8);
DROP FUNCTION pgvec.rebuild_keyword_index(regclass, text);
DROP FUNCTION pgvec.drop_keyword_index(regclass, text, boolean);
DROP FUNCTION pgvec._keyword_matches_v1(regtype, text, text, bigint, text[]);
DROP FUNCTION pgvec._keyword_open_matches_v1(integer, text, bigint, text[]);
DROP FUNCTION pgvec._keyword_statement_v1(pgvec.keyword_index, text, text, text, text);
DROP FUNCTION pgvec._keyword_terms_v1(regconfig, text);
DROP FUNCTION pgvec._keyword_is_open_v1(pgvec.keyword_index);
DROP FUNCTION pgvec._keyword_fill_v1(pgvec.keyword_index);
DROP FUNCTION pgvec._keyword_prepare_v1(regclass, text, text[], numeric[], regconfig, float8, float8);
DROP FUNCTION pgvec._keyword_discard_v1(integer);
DROP FUNCTION pgvec._keyword_upkeep_v1(pgvec.keyword_index, text, text);
DROP FUNCTION pgvec._keyword_check_v1(regclass, text[], numeric[]);
DROP FUNCTION pgvec._keyword_key_types_v1(pgvec.keyword_index);
DROP FUNCTION pgvec._keyword_is_key_v1(oid);
DROP FUNCTION pgvec._keyword_is_text_v1(oid);
DROP FUNCTION pgvec._keyword_base_v1(oid);
DROP FUNCTION pgvec._keyword_compact_v1(regclass);
DROP FUNCTION pgvec._keyword_documents_v1(pgvec.keyword_index, text);
DROP FUNCTION pgvec._keyword_find_v1(regclass, text);
DROP FUNCTION pgvec._keyword_extension_v1();
DROP FUNCTION pgvec._keyword_label_v1(numeric[], numeric);
DROP FUNCTION pgvec._keyword_unit_v1(numeric[]);
DROP FUNCTION pgvec._keyword_caller_v1();
DROP TABLE pgvec.keyword_fusion;
DROP TABLE pgvec.keyword_index;
