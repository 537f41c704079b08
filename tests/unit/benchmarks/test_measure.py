"""The parts of the benchmarks that figures depend on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.data import exact_neighbors, generate, read_fashion_mnist, stream_rows
from benchmarks.measure import Timings, measure, recall


def test_every_contender_answers_every_query_in_every_round() -> None:
    """Contenders get the same queries, equally often, and their answers are kept by query."""
    asked: dict[str, list[int]] = {"first": [], "second": []}

    def ask(name: str, query: int) -> int:
        asked[name].append(query)
        return query * 2

    timings = measure({"first": lambda n: ask("first", n), "second": lambda n: ask("second", n)}, queries=5, rounds=3)

    warm_up = 5
    assert sorted(asked["first"]) == sorted(asked["second"])
    assert len(asked["first"]) == warm_up + 5 * 3
    assert timings["first"].answers == [0, 2, 4, 6, 8]
    assert (timings["second"].seconds > 0).all()


def test_a_contender_is_timed_by_its_own_clock() -> None:
    """What a clock counts is what is reported; a contender without one is timed on the wall."""
    ticks = iter(range(1_000))

    searches = {"clocked": lambda n: n, "other": lambda n: n}
    timings = measure(searches, queries=2, rounds=2, clocks={"clocked": lambda: float(next(ticks))})

    assert (timings["clocked"].seconds == 1.0).all()
    assert (timings["other"].seconds < 1.0).all()


def test_a_typical_percentile_is_that_of_the_middle_round() -> None:
    """One disturbed round does not count."""
    timings = Timings(np.array([[0.001, 0.003], [0.002, 0.004], [0.9, 0.9]]), [None] * 2)

    assert timings.typical(50) == pytest.approx(3.0)


def test_ratio_compares_medians_over_all_rounds() -> None:
    """One slow call changes neither the ratio of the run nor that of its round."""
    floor = Timings(np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]), [None] * 3)
    other = Timings(np.array([[1.5, 1.5, 90.0], [3.0, 3.0, 3.0]]), [None] * 3)

    assert other.ratio(floor) == pytest.approx(2.0)
    assert other.ratio_range(floor) == pytest.approx((1.5, 1.5))


def test_recall_counts_the_true_nearest_that_were_found() -> None:
    """An answer that is short, or has others, loses their share."""
    truth = np.array([[1, 2], [3, 4]])

    assert recall([[2, 1], [3, 9]], truth) == pytest.approx(0.75)
    assert recall([[1], []], truth) == pytest.approx(0.25)


def test_exact_neighbors_are_those_of_a_full_comparison() -> None:
    """The truth that recall is measured by agrees with distances computed one by one."""
    random = np.random.default_rng(3)
    vectors = random.standard_normal((200, 16)).astype(np.float32)
    queries = random.standard_normal((7, 16)).astype(np.float32)

    expected = [np.argsort(np.linalg.norm(vectors - query, axis=1))[:10].tolist() for query in queries]

    assert exact_neighbors(vectors, queries).tolist() == expected


def test_generated_data_are_the_same_for_the_same_seed() -> None:
    """Two runs without data measure the same vectors."""
    first, second = (generate(rows=50, queries=5, dimensions=8, seed=1) for _ in range(2))

    assert np.array_equal(first.vectors, second.vectors)
    assert np.array_equal(first.neighbors, second.neighbors)
    assert first.vectors.dtype == np.float32
    assert not np.array_equal(first.vectors, generate(rows=50, queries=5, dimensions=8, seed=2).vectors)


def test_shortened_data_have_the_answers_that_are_true_among_them() -> None:
    """Fewer rows change the nearest ones; fewer queries do not."""
    data = generate(rows=300, queries=6, dimensions=8)

    assert data.shortened(300, 2).neighbors.tolist() == data.neighbors[:2].tolist()
    assert data.shortened(60, 6).neighbors.tolist() == exact_neighbors(data.vectors[:60], data.queries).tolist()


def test_streamed_rows_have_distinct_ids() -> None:
    """A stream crosses its blocks without losing or repeating a row."""
    assert [row[0] for row in stream_rows(1_203, 4)] == list(range(1_203))


def test_missing_data_say_where_they_were_looked_for(tmp_path: Path) -> None:
    """A wrong DATA names the file that it should lead to."""
    with pytest.raises(FileNotFoundError, match=r"fashion-mnist\.npz does not exist: DATA names the folder"):
        read_fashion_mnist(tmp_path)
