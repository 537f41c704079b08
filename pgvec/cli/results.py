"""How the answer of a search is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pgvec import Matches, Receipt, Strategy
from pgvec.cli.output import note, print_table, print_text, stdout_console

__all__ = ["describe_receipt", "print_matches", "print_receipt", "room_for"]

_NARROWEST = 14
_STRATEGIES = {
    Strategy.INDEX: "by the vector index",
    Strategy.PARTIAL_INDEX: "by a vector index on the rows that pass the filter",
    Strategy.COMPACT: "by comparing a smaller form of every row that passes the filter, and the nearest in full",
    Strategy.EXACT: "by comparing every row that passes the filter",
    Strategy.COMPLETED: "the index came back short, so every row was compared",
}


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
