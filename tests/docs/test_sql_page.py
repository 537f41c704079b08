"""``docs/sql.md`` does what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pgvec.sql import find_script

PAGE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text()
FENCED = re.findall(r"^```([^\n]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
BLOCKS = [(language, block) for language, block in FENCED if language.startswith("sql")]
OUTPUTS = [block for language, block in FENCED if not language]


def test_the_examples_run(
    migrated_url: str, run_script: Callable[[str, str], None], ask_psql: Callable[[str, str], str]
):
    """The examples run with psql in the order of the page, and return rows."""
    for language, block in BLOCKS:
        if language == "sql":
            run_script(migrated_url, block)
            for statement in re.findall(r"^SELECT .*?;", block, re.MULTILINE | re.DOTALL):
                # The index exists by then, and may be made once.
                assert "create_keyword_index" in statement or ask_psql(migrated_url, statement).strip(), statement


def test_the_answers_are_those_of_the_page(migrated_url: str, run_script: Callable[[str, str], None]):
    """The table and the error that the page shows are what Postgres says."""
    run_script(migrated_url, BLOCKS[0][1])
    with psycopg.connect(migrated_url) as connection:
        rows = connection.execute(BLOCKS[1][1].encode()).fetchall()
        shown = [[cell.strip() for cell in line.split("|")] for line in OUTPUTS[0].splitlines()[2:]]
        assert [[str(row[0]), pytest.approx(row[1]), row[2], row[3]] for row in rows] == [
            [cells[0], float(cells[1]), int(cells[2]), cells[3]] for cells in shown
        ]
        (wrong,) = (block for language, block in BLOCKS if language == "sql error")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(wrong.encode())
    diagnosis = caught.value.diag
    assert f"ERROR:  {diagnosis.message_primary}\nHINT:  {diagnosis.message_hint}\n" == OUTPUTS[1]


def test_every_function_and_argument_is_described(migrated_url: str):
    """The page has every function with its arguments, and each object of the script has a comment."""
    with psycopg.connect(migrated_url) as connection:
        functions = connection.execute(
            "SELECT proname, proargnames[:pronargs], obj_description(oid, 'pg_proc') FROM pg_proc WHERE pronamespace = 'pgvec'::regnamespace"
        ).fetchall()
    script = find_script("0006_pre_search_functions").up
    made = set(re.findall(r"CREATE FUNCTION pgvec\.(\w+)", script))
    public = {name for name in made if not name.startswith("_")}
    assert public == {"search", "similar", "recommend", "mmr", "hybrid_search", "recall", "inspect"}
    assert all(f"{name}(" in PAGE for name in public)
    words = set(re.findall(r"\w+", PAGE))
    assert {argument for name, arguments, _ in functions if name in public for argument in arguments or ()} <= words
    assert [name for name, _, comment in functions if name in made and comment is None] == []
