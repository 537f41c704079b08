"""What commands print."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest

pytest.importorskip("rich", reason="the extra cli is not installed")

from pgvec import LoadReport, Matches, Receipt, Strategy
from pgvec.cli.output import cell, note, print_json, print_table, visible
from pgvec.cli.progress import bar, waiting
from pgvec.cli.results import describe_receipt, print_matches
from pgvec.model import Match

MARKUP = "[red]not markup[/red] [link=http://example.org]x[/link] :smile:"


def test_control_characters_are_written_out():
    """Nothing that moves the cursor, speaks to the terminal or turns the direction of text is left in it."""
    hostile = "a\x1b[31mred\x1b]0;title\x07\x9b2J\u202eback\x7f"
    assert visible(hostile) == "a\\x1b[31mred\\x1b]0;title\\x07\\x9b2J\\u202eback\\x7f"
    assert visible("tab\tand\nline ünïcode") == "tab\tand\nline ünïcode"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (0.123456, "0.1235"),
        ("two\n  lines", "two lines"),
        ("x" * 500, "x" * 117 + "..."),
        ({"a": [1, None]}, '{"a": [1, null]}'),
        (np.array([1.5, 2.0], dtype=np.float32), "[1.5, 2.0]"),
        ("\x1b[2J", "\\x1b[2J"),
    ],
)
def test_a_cell_is_one_short_line(value: object, shown: str):
    """Whatever the value is, a cell is short, has no line breaks, and cannot speak to the terminal."""
    assert cell(value) == shown


def test_tables_do_not_read_markup(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Texts that look like rich's markup are printed as they are, in cells and headings."""
    monkeypatch.setenv("COLUMNS", "200")
    print_table((MARKUP,), [(MARKUP,)])
    note(MARKUP)
    captured = capsys.readouterr()
    assert captured.out.count(MARKUP) == 2
    assert captured.err.strip() == MARKUP
    assert "\x1b" not in captured.out


@pytest.mark.parametrize("columns", [20, 40, 79])
def test_narrow_terminals_are_not_overrun(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """No line of a table is wider than the terminal, and what has no room is named."""
    monkeypatch.setenv("COLUMNS", str(columns))
    names = [f"column_{number}" for number in range(12)]
    row = ["some longer text that wraps"] * 12
    matches = Matches((Match(row, 0.5, 0.5, None, 1),), Receipt(Strategy.INDEX, True, False, 1, False, 1, 1))
    left_out = print_matches(names, matches)
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if not line.startswith("receipt")) <= columns
    assert left_out
    assert left_out == tuple(names[-len(left_out) :])


def test_json_holds_every_value(capsys: pytest.CaptureFixture[str]):
    """Dates, numbers, arrays, dataclasses and bytes become what JSON has; what is no number becomes null."""
    print_json(
        {
            "when": datetime(2026, 1, 2, tzinfo=UTC),
            "nan": math.nan,
            "vector": np.array([1.5, np.inf], dtype=np.float32),
            "price": Decimal("1.10"),
            "id": UUID(int=1),
            "raw": b"\x00\xff",
            "report": LoadReport(1, 1, 0, 0, 0.5, "copy"),
            3: ("a", np.int64(4)),
        }
    )
    assert json.loads(capsys.readouterr().out) == {
        "when": "2026-01-02T00:00:00+00:00",
        "nan": None,
        "vector": [1.5, None],
        "price": "1.10",
        "id": "00000000-0000-0000-0000-000000000001",
        "raw": "AP8=",
        "report": {"rows": 1, "inserted": 1, "updated": 0, "skipped": 0, "seconds": 0.5, "method": "copy"},
        "3": ["a", 4],
    }


def test_a_receipt_says_what_is_known():
    """The line tells how the answer was found, whether it is complete, and whether it is exact."""
    line = describe_receipt(Receipt(Strategy.COMPLETED, True, True, 3, True, 10, 3, ef_search=40))
    assert "3 of at most 10" in line
    assert "came back short" in line
    assert "complete" in line
    assert "the true nearest" in line
    assert "ef_search 40" in line
    assert "there may be more" in describe_receipt(Receipt(Strategy.INDEX, False, False, 3, False, 10, 3))


def test_there_are_no_bars_without_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """In a log progress is a plain line now and then: no control characters, nothing on stdout."""
    monkeypatch.setattr("pgvec.cli.progress._SECONDS_BETWEEN_LINES", 0.0)
    with waiting("loading"), bar("embedding", unit="rows") as advance:
        advance(10, 40)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "embedding: 10 of 40 rows" in captured.err
    assert "remaining" in captured.err
    assert "\x1b" not in captured.err
    assert "\r" not in captured.err


def test_bars_are_drawn_on_terminals(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """On a terminal there is a bar with rows, rate and the time remaining."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with bar("embedding", unit="rows") as advance:
        advance(10, 40)
        advance(40, 40)
    assert "40 of 40 rows" in capsys.readouterr().err
