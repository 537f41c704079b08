"""How the answer of a search is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pgvec import Matches, Receipt, Strategy
from pgvec.cli.output import note, print_json, print_table, print_text, stdout_console

__all__ = ["describe_receipt", "print_matches", "show_matches"]

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
    if not as_json:
        left_out = print_matches(names, matches)
        if left_out:
            note(f"not shown for lack of space: {', '.join(left_out)}  (choose with --columns, or take --json)")
        return
    shown = [
        {
            "rank": match.rank,
            "distance": None if math.isnan(match.distance) else match.distance,
            **({} if match.score is None else {"score": match.score}),
            "similarity": match.similarity,
            "record": dict(zip(names, match.record, strict=True)),
        }
        for match in matches
    ]
    print_json({"matches": shown, "receipt": matches.receipt})


def print_matches(names: Sequence[str], matches: Matches[Any]) -> tuple[str, ...]:
    """Print matches whose records are rows, with the receipt, and return the columns for which there was no room."""
    room = max(1, stdout_console().width // _NARROWEST - 1)
    shown = names[:room]
    if matches:
        scored = matches[0].score is not None
        values = [(match.score if scored else match.distance, *match.record[:room]) for match in matches]
        print_table(("score" if scored else "distance", *shown), values)
    print_text(describe_receipt(matches.receipt))
    for warning in matches.receipt.warnings:
        note(f"warning: {warning}")
    return tuple(names[room:])


def describe_receipt(receipt: Receipt) -> str:
    """Return a receipt in one line."""
    parts = [
        f"{receipt.returned} of at most {receipt.requested}",
        _STRATEGIES[receipt.strategy],
        "complete" if receipt.complete else "there may be more",
        "the true nearest" if receipt.exact else "approximate",
        f"{'' if receipt.matching_is_exact else 'at least '}{receipt.matching:,} rows match",
    ]
    if receipt.ef_search is not None:
        parts.append(f"ef_search {receipt.ef_search}")
    return "receipt: " + "; ".join(parts)
