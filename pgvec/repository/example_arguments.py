"""Arguments of searches by examples, checked once for both repositories."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pgvec.errors import InvalidInputError, InvalidOptionError
from pgvec.model import RecommendStrategy, StoredRecord, Target, VectorType, input_kind
from pgvec.operations.examples import ExampleQuestion
from pgvec.orm.rules import MAX_STORED_DIMENSIONS, choose
from pgvec.orm.values import check_value, to_text
from pgvec.repository import arguments, checks
from pgvec.repository.arguments import SearchOptions
from pgvec.statements.examples import GOOD, KEY_NUMBERS, KEYS, PARTS, VECTOR_NUMBERS, VECTORS, WEIGHTS
from pgvec.statements.scoring import ExampleScoring, Formula

__all__ = ["Examples", "discovery", "feedback", "key_or_record", "question", "recommendation", "refinement"]

LARGEST_CANDIDATES = 10_000
_MOST_EXAMPLES = 1_000
_DEFAULT_CANDIDATES = 100
_MOST_PAIRS = 3
_FORMULAS = {
    RecommendStrategy.AVERAGE: Formula.SUM_OF_VECTORS,
    RecommendStrategy.BEST_SCORE: Formula.BEST_SCORE,
    RecommendStrategy.SUM_SCORES: Formula.SUM_SCORES,
}


@dataclass(frozen=True, slots=True)
class _Example:
    """One example as it was given, and what the formula has to know of it."""

    given: object
    good: bool
    weight: float = 1.0
    part: int = 0


@dataclass(frozen=True, slots=True)
class Examples:
    """What a search by examples asks for, before texts are embedded.

    Attributes:
        formula: How examples become a score.
        examples: The examples.
    """

    formula: Formula
    examples: tuple[_Example, ...]

    @property
    def given(self) -> list[object]:
        """The examples as they were given."""
        return [example.given for example in self.examples]


def recommendation(
    positive: object,
    negative: object,
    strategy: RecommendStrategy | str,
    positive_weights: object,
    negative_weights: object,
) -> Examples:
    """Check what to recommend by."""
    chosen = choose(RecommendStrategy, strategy, "strategy")
    good, bad = _list(positive, "positive"), _list(negative, "negative")
    good_weights = _weights(positive_weights, good, "positive_weights")
    bad_weights = _weights(negative_weights, bad, "negative_weights")
    if not good and (chosen is RecommendStrategy.AVERAGE or not bad):
        raise InvalidInputError(
            "positive= is empty: give at least one example (or, with strategy='best_score' or 'sum_scores', a negative one)"
        )
    if chosen is RecommendStrategy.AVERAGE:
        # avg(positive) + (avg(positive) - avg(negative)), as the weights of one sum.
        good_weights = _shares(good_weights, 2.0 if bad else 1.0)
        bad_weights = _shares(bad_weights, 1.0)
    return Examples(_FORMULAS[chosen], (*_examples(good, good_weights), *_examples(bad, bad_weights, good=False)))


def discovery(target: object, context: object) -> Examples:
    """Check what to discover by."""
    pairs = [_pair(pair) for pair in _list(context, "context")]
    if target is None and not pairs:
        raise InvalidInputError("discover() takes a target=, or a context= of (good, bad) pairs, or both")
    examples = [] if target is None else [_Example(target, good=True)]
    for part, (good, bad) in enumerate(pairs, start=1):
        examples += [_Example(good, good=True, part=part), _Example(bad, good=False, part=part)]
    return Examples(Formula.CONTEXT if target is None else Formula.DISCOVER, tuple(examples))


def refinement(
    query: object, relevant: object, irrelevant: object, *, alpha: float, beta: float, gamma: float
) -> Examples:
    """Check what to refine a query by."""
    good, bad = _list(relevant, "relevant"), _list(irrelevant, "irrelevant")
    if not good and not bad:
        raise InvalidInputError("relevant= and irrelevant= are both empty: give at least one row that was judged")
    shares = (
        _shares([1.0] * len(items), _not_negative(name, value))
        for items, name, value in ((good, "beta", beta), (bad, "gamma", gamma))
    )
    good_weights, bad_weights = shares
    first = _Example(query, good=True, weight=_not_negative("alpha", alpha))
    return Examples(
        Formula.SUM_OF_VECTORS, (first, *_examples(good, good_weights), *_examples(bad, bad_weights, good=False))
    )


def feedback(query: object, judged: object, *, a: float, b: float, c: float) -> Examples:
    """Check judgements, and bring the rows with the highest and lowest into pairs."""
    rows = [_judgement(item) for item in _list(judged, "judged")]
    first = _Example(query, good=True, weight=_not_negative("a", a))
    power, factor = _not_negative("b", b), _not_negative("c", c)
    ordered = sorted(rows, key=lambda row: -row[1])
    examples = [first]
    for (good, most), (bad, least) in list(zip(ordered, reversed(ordered), strict=True))[: len(rows) // 2][
        :_MOST_PAIRS
    ]:
        weight = float((most - least) ** power * factor)
        if not math.isfinite(weight):
            raise InvalidInputError(f"judged= has scores whose difference, {most - least!r}, is too large: scale them")
        examples += [_Example(good, good=True, weight=weight), _Example(bad, good=False, weight=weight)]
    paired = {id(example.given) for example in examples}
    # The others do not count, but are known: they are left out of the answer as the paired ones are.
    examples += [_Example(row, good=True, weight=0.0) for row, _ in rows if id(row) not in paired]
    return Examples(Formula.SUM_SCORES, tuple(examples))


def question(
    target: Target, examples: Examples, values: Sequence[object], candidates: int | None, options: SearchOptions
) -> ExampleQuestion:
    """Check the arguments of a search by examples.

    Args:
        target: What to search.
        examples: What to search by.
        values: The examples, none of them a text any more.
        candidates: How many rows the index finds for each example.
        options: The options of the search.
    """
    if len(values) > _MOST_EXAMPLES:
        raise InvalidOptionError(f"{len(values):,} examples are more than {_MOST_EXAMPLES:,}: leave some out")
    is_sum = examples.formula is Formula.SUM_OF_VECTORS
    if is_sum:
        _require_sums(target)
    pool = _candidates(candidates, is_sum=is_sum)
    parameters = _parameters(target, examples, values)
    checked = arguments.checked_options(target, options, parameters)
    checked = replace(checked, parameters=parameters)
    if not is_sum and not any(example.good for example in examples.examples):
        # There is nothing that the index could look near.
        checked = replace(checked, shape=replace(checked.shape, exact=True))
    by_key = bool(parameters[KEY_NUMBERS]) if KEY_NUMBERS in parameters else False
    return ExampleQuestion(checked, ExampleScoring(examples.formula, by_key, pool))


def key_or_record(target: Target, given: object) -> object:
    """Return a record as it is, and a key as the name of a stored record."""
    return given if arguments.is_record(target, given) else StoredRecord(arguments.key_of(target, given))


def _parameters(target: Target, examples: Examples, values: Sequence[object]) -> dict[str, Any]:
    texts: list[str] = []
    keys: list[tuple[Any, ...]] = []
    numbers: tuple[list[int], list[int]] = ([], [])
    for number, value in enumerate(values, start=1):
        key = _key(target, value)
        if key is None:
            checked = check_value(value, target.column, distance=target.distance, what=f"example {number}")
            texts.append(to_text(checked))
        else:
            keys.append(key)
        numbers[key is not None].append(number)
    parameters: dict[str, Any] = {VECTORS: texts, VECTOR_NUMBERS: numbers[0]}
    if keys:
        parameters[KEY_NUMBERS] = numbers[1]
        parameters.update({f"{KEYS}_{n}": list(part) for n, part in enumerate(zip(*keys, strict=True))})
    parameters[WEIGHTS] = [example.weight for example in examples.examples]
    parameters[GOOD] = [example.good for example in examples.examples]
    parameters[PARTS] = [example.part for example in examples.examples]
    return parameters


def _key(target: Target, value: object) -> tuple[Any, ...] | None:
    """Return the key of a stored example, or None for a vector."""
    if arguments.is_record(target, value):
        return arguments.identity(target, value)
    if isinstance(value, Mapping) and value and all(isinstance(name, str) for name in value):
        return arguments.key_of(target, value)
    if value is None or isinstance(value, bool | float | np.floating | np.bool_ | bytes):
        raise InvalidInputError(
            f"{value!r:.60} is no example: give a record, a key, a vector or a text; several of them in a list"
        )
    if isinstance(value, np.integer):
        return arguments.key_of(target, value.item())
    if input_kind(value) is not None:
        return None
    is_vector = hasattr(value, "__len__") or hasattr(value, "__iter__")
    if is_vector or any(hasattr(value, name) for name in ("__array__", "to_list", "toarray")):
        return None
    return arguments.key_of(target, value)


def _require_sums(target: Target) -> None:
    """Refuse columns whose vectors cannot be added."""
    kind, dimensions = target.column.type, target.column.dimensions
    if kind is VectorType.BIT:
        raise InvalidOptionError("Vectors of bits have no average: take strategy='best_score' or 'sum_scores'")
    if kind is VectorType.SPARSEVEC and (dimensions or math.inf) > MAX_STORED_DIMENSIONS[VectorType.VECTOR]:
        raise InvalidOptionError(
            f"Sparse vectors of more than {MAX_STORED_DIMENSIONS[VectorType.VECTOR]:,} dimensions cannot be averaged by "
            "pgvector: take strategy='best_score' or 'sum_scores'"
        )


def _candidates(given: int | None, *, is_sum: bool) -> int:
    if given is None:
        return 0 if is_sum else _DEFAULT_CANDIDATES
    if is_sum:
        raise InvalidOptionError(
            "candidates= belongs to strategies that score rows; an average is searched for directly"
        )
    return checks.whole_number("candidates", given, 1, LARGEST_CANDIDATES)


def _list(given: object, name: str) -> list[Any]:
    if given is None or isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise InvalidInputError(f"{name}= takes a list of examples, not {given!r:.60}")
    return list(given)


def _pair(given: object) -> tuple[object, object]:
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Sequence) or len(given) != 2:
        raise InvalidInputError(f"context= takes pairs of a good and a bad example, not {given!r:.60}")
    return given[0], given[1]


def _judgement(given: object) -> tuple[object, float]:
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Sequence) or len(given) != 2:
        raise InvalidInputError(f"judged= takes pairs of an example and its score, not {given!r:.60}")
    score = checks.number("a score of judged=", given[1])
    if not math.isfinite(score):
        raise InvalidInputError(f"a score of judged= has to be finite, not {score}")
    return given[0], score


def _examples(given: Sequence[object], weights: Sequence[float], *, good: bool = True) -> list[_Example]:
    return [_Example(value, good, weight) for value, weight in zip(given, weights, strict=True)]


def _weights(given: object, examples: Sequence[object], name: str) -> list[float]:
    if given is None:
        return [1.0] * len(examples)
    weights = [_positive(name, weight) for weight in _list(given, name)]
    if len(weights) != len(examples):
        raise InvalidOptionError(f"{name}= has {len(weights)} weights for {len(examples)} examples: give one for each")
    return weights


def _shares(weights: Sequence[float], total: float) -> list[float]:
    return [total * weight / sum(weights) for weight in weights]


def _positive(name: str, value: object) -> float:
    weight = _not_negative(name, value)
    if weight == 0:
        raise InvalidOptionError(f"{name} has to be above 0: leave out an example that shall not count")
    return weight


def _not_negative(name: str, value: object) -> float:
    number = checks.number(name, value)
    if not 0.0 <= number <= 1e6:
        raise InvalidOptionError(f"{name} has to be between 0 and 1,000,000, not {value!r}")
    return number
