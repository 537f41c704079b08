-- Every index of the database but those of Postgres and pgvec: what it holds as one text, whether something needs it, its use.
SELECT n.nspname AS schema,
       c.relname AS table_name,
       x.relname AS name,
       m.amname AS method,
       pg_catalog.concat_ws(
           ' ', m.amname, i.indnkeyatts, CAST(i.indkey AS text), CAST(i.indclass AS text), CAST(i.indcollation AS text),
           CAST(i.indoption AS text), pg_catalog.pg_get_expr(i.indexprs, i.indrelid), 'WHERE',
           pg_catalog.pg_get_expr(i.indpred, i.indrelid)) AS contents,
       i.indisunique OR i.indisreplident OR i.indisclustered
           OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conindid = i.indexrelid)
           OR EXISTS (SELECT FROM pg_catalog.pg_inherits AS h WHERE h.inhrelid = i.indexrelid) AS keeps_constraint,
       i.indisvalid AND i.indisready AS valid,
       COALESCE(s.idx_tup_read, 0) AS tuples_read
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_am AS m ON m.oid = x.relam
  LEFT JOIN pg_catalog.pg_stat_user_indexes AS s ON s.indexrelid = i.indexrelid
 WHERE n.nspname <> 'pgvec' AND n.nspname !~ '^pg_'
 ORDER BY 1, 2, 3
