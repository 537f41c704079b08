"""How good recommendations are: events are split by time, and what was recommended from the earlier is held against the later."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pgvec.errors import InvalidInputError
from pgvec.repository.checks import share, whole_number

__all__ = ["EvaluationReport", "Event", "evaluate", "temporal_split"]


class Event(NamedTuple):
    """An event, as far as an evaluation knows it.

    Attributes:
        user: Whose.
        item: Of what.
        at: When.
        worth: What it is worth; above 0 the item is one that the user likes.
    """

    user: Any
    item: Any
    at: datetime | float
    worth: float = 1.0


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """What an evaluation measured: means over the users who later liked something that they had not had before.

    Attributes:
        ndcg: Normalised discounted cumulative gain of the first ``limit`` rows, each relevant or not (Järvelin and Kekäläinen 2002).
        recall: Share of the items that a user later liked that are among those rows.
        coverage: Share of all items that were recommended to somebody.
        novelty: Mean of ``-log2`` of the share of users who had an item before (Vargas and Castells 2011); larger is less obvious.
        users: How many users there were.
        limit: How many rows counted for each.
    """

    ndcg: float
    recall: float
    coverage: float
    novelty: float
    users: int
    limit: int

    def __str__(self) -> str:
        k = self.limit
        return (
            f"nDCG@{k} {self.ndcg:.3f}  recall@{k} {self.recall:.3f}  coverage {self.coverage:.1%}  novelty {self.novelty:.1f} bits  "
            f"({self.users:,} users)"
        )


def temporal_split(events: Iterable[Event], earlier: float = 0.8) -> tuple[list[Event], list[Event]]:
    """Split events by one moment, as time does: nobody's later events are known to anybody's earlier recommendations.

    Args:
        events: The events.
        earlier: Share of them that come before the moment, above 0 and below 1. Events of the same moment stay together.

    Raises:
        InvalidInputError: There are too few events to split.
    """
    ordered = sorted(events, key=lambda event: event.at)
    cut = int(share("earlier", earlier) * len(ordered))
    while 0 < cut < len(ordered) and ordered[cut].at == ordered[cut - 1].at:
        cut += 1
    if not 0 < cut < len(ordered):
        raise InvalidInputError(
            f"{len(ordered):,} events cannot be split at {earlier:.0%}: there have to be some before and after"
        )
    return ordered[:cut], ordered[cut:]


def evaluate(
    recommend: Callable[[Any], Sequence[Any]],
    before: Iterable[Event],
    after: Iterable[Event],
    *,
    items: Collection[Any],
    limit: int = 10,
) -> EvaluationReport:
    """Measure recommendations that know what was before by what came after.

    Args:
        recommend: Returns the keys of the items for a user, best first.
        before: What the recommendations know.
        after: What they are judged by.
        items: The keys of all items that could be recommended.
        limit: How many rows to judge for each user, from 1 to 1,000.

    Raises:
        InvalidInputError: Nobody later liked something new, so there is nothing to judge by.
    """
    wanted = whole_number("limit", limit, 1, 1_000)
    had: defaultdict[Any, set[Any]] = defaultdict(set)
    for event in before:
        had[event.user].add(event.item)
    known = set(items)
    liked: defaultdict[Any, set[Any]] = defaultdict(set)
    for event in after:
        if event.worth > 0 and event.item in known and event.item not in had.get(event.user, ()):
            liked[event.user].add(event.item)
    if not liked:
        raise InvalidInputError(
            "No user later liked an item that he had not had before, so there is nothing to judge by"
        )
    popularity = Counter(item for seen in had.values() for item in seen)
    ndcg, recall, novelty, shown = [], [], [], set()
    for user, relevant in liked.items():
        found = list(dict.fromkeys(recommend(user)))[:wanted]
        hits = [item in relevant for item in found]
        ndcg.append(_gain(hits) / _gain([True] * min(len(relevant), wanted)))
        recall.append(sum(hits) / len(relevant))
        shown.update(found)
        novelty += [-math.log2(max(popularity[item], 1) / max(len(had), 1)) for item in found]
    return EvaluationReport(
        _mean(ndcg), _mean(recall), len(shown & known) / len(known), _mean(novelty), len(liked), wanted
    )


def _gain(hits: Sequence[bool]) -> float:
    return sum(1 / math.log2(rank + 1) for rank, hit in enumerate(hits, start=1) if hit)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
