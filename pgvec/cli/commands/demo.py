"""``pgvec demo``: from nothing to answers, on real text."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from pgvec.cli.database import open_database
from pgvec.cli.demo.questions import COLUMNS, Answer, answers
from pgvec.cli.demo.run import Preparation, prepare
from pgvec.cli.options import Json, Url
from pgvec.cli.output import print_json, print_table, print_text
from pgvec.cli.results import describe_receipt
from pgvec.embedders import default_embedder

__all__ = ["demo"]

_FIRST_LINE = 60
_NAMES = tuple(column.key for column in COLUMNS)
_LAST_WORDS = """\
Try next:
  pgvec search "open a file and lock it" --schema pgvec_demo --table docstring --columns qualified_name,signature \\
      --where '{"kind": "function", "line_count": {"$lte": 20}}'
  pgvec server psql -- -c 'SELECT kind, count(*) FROM pgvec_demo.docstring GROUP BY kind'
  docs/cli.md, and the model that was searched: pgvec/cli/demo/model.py"""


def demo(
    *,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Take only so many docstrings, for a quick look. [default: all]")
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Search the docstrings of your Python: load them, embed them, index them, and answer five questions.

    Everything goes into the Postgres schema pgvec_demo. Interrupted, it resumes; run again, it only answers.
    """
    embedder = default_embedder()
    with open_database(url) as engine:
        prepared = prepare(engine, embedder, limit=limit)
        if not as_json:
            _print_preparation(prepared)
        given = _answer(engine, embedder, as_json=as_json)
    if as_json:
        print_json({**dataclasses.asdict(prepared), "answers": given})
    else:
        print_text("\n" + _LAST_WORDS if url is None else _LAST_WORDS.replace("--where", "--url ... --where"))


def _answer(engine: sa.Engine, embedder: Any, *, as_json: bool) -> list[dict[str, Any]]:
    given = []
    for number, answer in enumerate(answers(engine, embedder), start=1):
        given.append(_as_dict(answer))
        if not as_json:
            _print_answer(number, answer)
    return given


def _print_preparation(prepared: Preparation) -> None:
    cut = prepared.cut
    print_text(
        f"{prepared.rows:,} docstrings are ready after {prepared.seconds:.1f} s: {prepared.embedded:,} embedded now, "
        f"HNSW index {'built' if prepared.index_built else 'reused'} and valid"
    )
    print_text(f"{cut.texts:,} of {cut.of:,} texts are longer than {cut.max_length} tokens and were cut")


def _print_answer(number: int, answer: Answer) -> None:
    print_text(f"\n{number}. {answer.question.text}\n   where {answer.question.written}")
    print_table(
        ("distance", "name", "kind", "lines", "docstring"),
        [
            (
                match.distance,
                name,
                kind,
                lines,
                textwrap.shorten(text.partition("\n")[0], _FIRST_LINE, placeholder=" ..."),
            )
            for match in answer.matches
            for name, kind, lines, text in [match.record]
        ],
    )
    print_text(describe_receipt(answer.matches.receipt))


def _as_dict(answer: Answer) -> dict[str, Any]:
    return {
        "question": answer.question.text,
        "where": answer.question.written,
        "matches": [
            {"distance": match.distance, **dict(zip(_NAMES, match.record, strict=True))} for match in answer.matches
        ],
        "receipt": answer.matches.receipt,
    }
