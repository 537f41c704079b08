"""Texts that break layers which build SQL from texts, and a canary that shows whether one did.

``PAYLOADS`` is meant for every public parameter that takes a text. A call may succeed or raise a ``PgvecError``; anything else,
and any change of the canary, is a finding.
"""

from __future__ import annotations

import psycopg

_ATTACKS = (
    "DROP TABLE canary",
    "DELETE FROM canary",
    "UPDATE canary SET alive = false",
    "INSERT INTO canary VALUES (2, false)",
    "SELECT pg_sleep(30)",
    "COPY canary TO PROGRAM 'id'",
)
_BREAKOUTS = (
    "'; {}; --",
    '"; {}; --',
    "'); {}; --",
    '"); {}; --',
    "')); {}; /*",
    "x'; {}; SELECT '",
    "1; {}",
    "\\'; {}; --",
    "''; {}; --",
    "$$; {}; --",
    "$tag$; {}; $tag$",
    "'::text; {}; --",
    "'}}'; {}; --",
    "]; {}; --",
    "*/ {}; /*",
    "\n; {};\n--",
    "\u2019; {}; --",
    "\uff07; {}; --",
    "E'\\''; {}; --",
    "U&'\\0027'; {}; --",
)
_CONDITIONS = (
    "' OR '1'='1",
    "' OR 1=1 --",
    '" OR ""="',
    "') OR ('1'='1",
    "1 OR 1=1",
    "x' AND 1=(SELECT count(*) FROM canary) --",
    "x' UNION SELECT alive FROM canary --",
    "x' UNION ALL SELECT NULL, NULL, NULL --",
    "id = id",
    "true",
    "(SELECT true)",
    "CASE WHEN true THEN 1 ELSE 1/0 END",
    "1/0",
    "'||(SELECT version())||'",
    "' || pg_read_file('/etc/passwd') || '",
    "lo_import('/etc/passwd')",
    "current_setting('is_superuser')",
    "ARRAY[1]",
    "NULL",
    "DEFAULT",
)
_QUOTES = (
    *(
        "'",
        "''",
        "'''",
        '"',
        '""',
        '"""',
        "`",
        "\\",
        "\\\\",
        "\\'",
        '\\"',
        "'\\",
        "$$",
        "$1",
        "$tag$",
        "E'\\x27'",
        "B'0'",
        "X'00'",
    ),
    *(
        "--",
        "/*",
        "*/",
        "/* */",
        ";",
        ";;",
        "#",
        "--\n",
        "(",
        ")",
        "()",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        "|",
        "&",
        "^",
        "~",
        "!",
        "@",
        ",",
    ),
    *(
        "\u2018",
        "\u2019",
        "\u02bc",
        "\uff07",
        "\uff02",
        "\u00a0",
        "\u200b",
        "\u202e",
        "\ufeff",
        "\ufffe",
        "\U0001f4a9",
        "e\u0301",
    ),
    *("\t", "\n", "\r", "\r\n", "\v", "\f", "\x01", "\x1a", "\x1b[31m", "\x7f", "\x80", "\x85", " ", "   "),
)
_PLACEHOLDERS = (
    *(
        "%",
        "%%",
        "%s",
        "%b",
        "%t",
        "%d",
        "%n",
        "%(x)s",
        "%(x)b",
        "%(pgvec_query)s",
        "%(param_1)s",
        "%1$s",
        "%I",
        "%L",
        "%x",
        "%(",
        "%()s",
    ),
    *(
        "{}",
        "{0}",
        "{x}",
        "{{}}",
        "{0.__class__}",
        "{x!r:>{y}}",
        "${x}",
        "${jndi:ldap://x}",
        "#{x}",
        "{{7*7}}",
        "<%= x %>",
    ),
    *(
        ":x",
        "::",
        ":",
        "::text",
        ":name",
        "\\:x",
        "?",
        "??",
        "@x",
        ":1",
        "$1::int",
        "__[POSTCOMPILE_x]",
        "__[POSTCOMPILE_param_1]",
    ),
)
_NAMES = (
    *(
        "canary",
        "public.canary",
        '"canary"',
        "pg_catalog.pg_class",
        "information_schema.tables",
        "pg_user",
        "oid",
        "ctid",
        "xmin",
    ),
    *(
        "tableoid",
        "*",
        "t.*",
        "thing.id",
        "id; --",
        "id desc",
        "id ASC NULLS FIRST",
        "id::text",
        'id COLLATE "C"',
        "count(*)",
    ),
    *(
        "search_path",
        "hnsw.ef_search",
        "hnsw.iterative_scan",
        "role",
        "session_authorization",
        "statement_timeout",
        "work_mem",
    ),
    *(
        "a.b.c.d",
        ".",
        "..",
        ".a",
        "a.",
        "a..b",
        "metadata.",
        "metadata.a.",
        "metadata..a",
        "metadata.'",
        'metadata."',
        "metadata.}",
    ),
    *(
        "metadata.{a,b}",
        "metadata->a",
        "metadata->>'a'",
        "metadata#>>'{a}'",
        "metadata.a'->>'b",
        "metadata.$",
        "metadata.$.a",
    ),
    *(
        "metadata.*",
        "metadata.a[0]",
        "metadata.$.a[*] ? (@ > 1)",
        "metadata.%s",
        "metadata.\\",
        "metadata.\\'",
        "metadata.-1",
        "metadata.1e9",
    ),
    *(
        "$",
        "$$",
        "$eq",
        "$where",
        "$ne ",
        "$EQ",
        "$lt; --",
        "$regex",
        "$expr",
        "$function",
        "$and",
        "$or",
        "$not",
        "$in",
        "$exists",
        "and",
    ),
    *(
        "__class__",
        "__dict__",
        "__init__",
        "registry",
        "metadata_",
        "mro",
        "query",
        "self",
        "constructor",
        "__proto__",
        "None",
        "null",
    ),
)
_LONG = (
    "x" * 64,
    "x" * 10_000,
    "'" * 10_001,
    '"' * 10_000,
    "\\" * 1_001,
    "(" * 5_000,
    "%" * 5_000,
    "a." * 2_000,
    "é" * 63,
    "😀" * 5_000,
)
_IMPOSSIBLE = ("\0", "a\0b", "'\0; DROP TABLE canary; --", "\x00\x01", "\ud800", "a\udfffb", "")

PAYLOADS: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            *(breakout.format(attack) for breakout in _BREAKOUTS for attack in _ATTACKS[:3]),
            *(_BREAKOUTS[0].format(attack) for attack in _ATTACKS),
            *_CONDITIONS,
            *_QUOTES,
            *_PLACEHOLDERS,
            *_NAMES,
            *_LONG,
            *_IMPOSSIBLE,
        )
    )
)


def plant_canary(connection: psycopg.Connection) -> None:
    """Create the table that no call may change."""
    connection.execute("CREATE TABLE canary (id int PRIMARY KEY, alive boolean NOT NULL)")
    connection.execute("INSERT INTO canary VALUES (1, true)")


def canary_lives(connection: psycopg.Connection) -> bool:
    """Return whether the canary is as it was planted."""
    return connection.execute("SELECT id, alive FROM canary").fetchall() == [(1, True)]


def fingerprint(connection: psycopg.Connection) -> list[tuple[str, ...]]:
    """Return what an attack on the schema or the server's configuration would change, as rows of text."""
    return connection.execute(_FINGERPRINT).fetchall()


_FINGERPRINT = """
SELECT 'relation', oid::regclass::text, relkind::text FROM pg_class WHERE relnamespace::regnamespace::text !~ '^pg_(toast|temp)'
UNION ALL SELECT 'column', attrelid::regclass::text || '.' || attname, atttypid::regtype::text FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid WHERE attnum > 0 AND relnamespace::regnamespace::text !~ '^pg_'
UNION ALL SELECT 'function', oid::regprocedure::text, prosrc FROM pg_proc WHERE pronamespace::regnamespace::text !~ '^pg_'
UNION ALL SELECT 'schema', nspname, nspowner::regrole::text FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'
UNION ALL SELECT 'extension', extname, extversion FROM pg_extension
UNION ALL SELECT 'setting', setdatabase::text, setconfig::text FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 1, 2, 3
"""
