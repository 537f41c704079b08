"""How the answer of a search is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pgvec import Match, Matches, Receipt, Strategy
from pgvec.cli.output import note, print_json, print_table, print_text, stdout_console

__all__ = [
    "as_plain",
    "describe_receipt",
    "note_left_out",
    "print_matches",
    "print_receipt",
    "room_for",
    "show_matches",
]

_NARROWEST = 14
_STRATEGIES = {
    Strategy.INDEX: "by the vector index",
    Strategy.PARTIAL_INDEX: "by a vector index on the rows that pass the filter",
    Strategy.COMPACT: "by comparing a smaller form of every row that passes the filter, and the nearest in full",
    Strategy.EXACT: "by comparing every row that passes the filter",
    Strategy.COMPLETED: "the index came back short, so every row was compared",
}


def show_matches(names: Sequence[str], matches: Matches[Any], *, as_json: bool) -> None:
    """Print matches whose records are rows: a table, or all there is as JSON."""
    if as_json:
        print_json({"matches": [as_plain(names, match) for match in matches], "receipt": matches.receipt})
    else:
        note_left_out(print_matches(names, matches))


def as_plain(names: Sequence[str], match: Match[Any]) -> dict[str, Any]:
    """Return a match whose record is a row as plain values, ready for JSON."""
    return {
        "rank": match.rank,
        "distance": None if math.isnan(match.distance) else match.distance,
        **({} if match.score is None else {"score": match.score}),
        "similarity": match.similarity,
        "record": dict(zip(names, match.record, strict=True)),
    }


def note_left_out(left_out: Sequence[str]) -> None:
    """Tell which columns there was no room for."""
    if left_out:
        note(f"not shown for lack of space: {', '.join(left_out)}  (choose with --columns, or take --json)")


def print_matches(names: Sequence[str], matches: Matches[Any]) -> tuple[str, ...]:
    """Print matches whose records are rows, with the receipt, and return the columns for which there was no room."""
    room = room_for()
    shown = names[:room]
    if matches:
        scored = matches[0].score is not None
        values = [(match.score if scored else match.distance, *match.record[:room]) for match in matches]
        print_table(("score" if scored else "distance", *shown), values)
    print_receipt(matches.receipt)
    return tuple(names[room:])


def room_for() -> int:
    """Return how many columns the terminal has room for beside the distance."""
    return max(1, stdout_console().width // _NARROWEST - 1)


def print_receipt(receipt: Receipt, *, of: str = "") -> None:
    """Print a receipt, which counts matches or what ``of`` says, and its warnings."""
    print_text(describe_receipt(receipt, of=of))
    for warning in receipt.warnings:
        note(f"warning: {warning}")


def describe_receipt(receipt: Receipt, *, of: str = "") -> str:
    """Return a receipt in one line."""
    parts = [
        f"{receipt.returned} of at most {receipt.requested}" + (f" {of}" if of else ""),
        _STRATEGIES[receipt.strategy],
        "complete" if receipt.complete else "there may be more",
        "the true nearest" if receipt.exact else "approximate",
        f"{'' if receipt.matching_is_exact else 'at least '}{receipt.matching:,} rows match",
    ]
    if receipt.ef_search is not None:
        parts.append(f"ef_search {receipt.ef_search}")
    return "receipt: " + "; ".join(parts)
