"""Arguments of diverse searches, checked once for both repositories."""

from __future__ import annotations

from dataclasses import replace

from pgvec.errors import InvalidOptionError
from pgvec.model import Target
from pgvec.operations.examples import DiverseQuestion
from pgvec.repository import arguments, checks
from pgvec.repository.arguments import SearchOptions
from pgvec.repository.shaping_arguments import ShapingOptions
from pgvec.statements.diversity import DIVERSITY
from pgvec.statements.scoring import DiverseScoring

__all__ = ["diverse_question"]

_LEAST_CANDIDATES = 100
_MOST_CANDIDATES = 1_000


def diverse_question(
    target: Target, query: object, options: SearchOptions, shaping: ShapingOptions, diversity: object
) -> DiverseQuestion:
    """Check the arguments of a diverse search."""
    if shaping.asks:
        raise InvalidOptionError("diversity= chooses and orders by itself: leave out score=, order_by= and facets=")
    candidates = shaping.candidates
    if options.after is not None:
        raise InvalidOptionError("after= does not belong to a diverse search, which is chosen as a whole: take offset=")
    share = checks.number("diversity", diversity)
    if not 0.0 <= share <= 1.0:
        raise InvalidOptionError(f"diversity has to be between 0 and 1, not {diversity!r}")
    limit = checks.whole_number("limit", options.limit, 1, _MOST_CANDIDATES)
    offset = checks.whole_number("offset", options.offset, 0, _MOST_CANDIDATES - limit)
    wanted = limit + offset
    pool = max(_LEAST_CANDIDATES, wanted) if candidates is None else candidates
    pool = checks.whole_number("candidates", pool, wanted, _MOST_CANDIDATES)
    question = arguments.question(target, query, replace(options, limit=pool, offset=0))
    question = replace(question, parameters={**question.parameters, DIVERSITY: share})
    return DiverseQuestion(question, DiverseScoring(limit, offset))
