"""The filters of the cells, and the truth that answers are held to."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.filters.data import FilterData, generated
from benchmarks.filters.grid import CORRELATIONS, SELECTIVITIES, Cell, make_cells, matching_rows
from benchmarks.filters.overhead import baseline_for
from benchmarks.filters.truth import find_truth, judge, true_distances

_ROWS, _QUERIES = 2_000, 12


@pytest.fixture(scope="module")
def data() -> FilterData:
    """A small set with the columns of the large one."""
    return generated(_ROWS, _QUERIES, dimensions=16)


def _named(data: FilterData, name: str) -> Cell:
    (cell,) = (cell for cell in make_cells(data) if cell.name == name)
    return cell


def _mean_distance(data: FilterData, cell: Cell) -> float:
    distances = (
        true_distances("cosine", data.vectors[matching_rows(cell, query, _ROWS)], data.queries[query]).mean()
        for query in range(_QUERIES)
    )
    return float(np.mean(list(distances)))


def test_the_grid_has_every_selectivity_with_every_correlation(data: FilterData) -> None:
    """Each cell passes the share of the rows that its name says."""
    cells = make_cells(data)

    assert [(cell.correlation, cell.selectivity) for cell in cells] == [
        (correlation, selectivity) for selectivity in SELECTIVITIES for correlation in CORRELATIONS
    ]
    for cell in cells[:-3]:
        assert len(matching_rows(cell, 0, _ROWS)) == _ROWS * cell.selectivity / 100, cell.name


@pytest.mark.parametrize("percent", ["50", "10", "1"])
def test_correlated_filters_pass_rows_near_the_query_and_the_others_rows_far_from_it(
    data: FilterData, percent: str
) -> None:
    """The three kinds of filters differ in where the rows that pass lie."""
    near, anywhere, far = (
        _mean_distance(data, _named(data, f"{percent}% {kind}"))
        for kind in ("correlated", "uncorrelated", "anti-correlated")
    )

    assert near < 0.95 * anywhere
    assert far > 1.05 * anywhere


def test_data_are_the_same_for_the_same_seed_and_have_a_key_of_their_own() -> None:
    """A kept database is found again by its data, and other data do not find it."""
    first, again, other = (generated(rows, 3, dimensions=8).key() for rows in (200, 200, 201))

    assert first == again
    assert other != first


def test_the_truth_is_that_of_comparing_every_row(data: FilterData) -> None:
    """The tenth distance among the rows that pass decides which rows are right."""
    cell = _named(data, "10% correlated")
    truth = find_truth(data, cell, _QUERIES)

    for query in range(_QUERIES):
        ids = matching_rows(cell, query, _ROWS)
        distances = np.sort(true_distances("cosine", data.vectors[ids], data.queries[query]))
        assert truth.matching[query] == len(ids)
        assert distances[9] <= truth.farthest[query] < distances[10]


def test_equally_near_rows_count_alike() -> None:
    """Either of two rows at the tenth distance is right, and one farther away is not."""
    vectors = np.zeros((12, 2), dtype=np.float32)
    vectors[:, 0] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 11]
    data = FilterData("ties", "l2", vectors, np.zeros((3, 2), dtype=np.float32), {}, [])
    cell = Cell("ties", "all", (), 100.0)
    nine = list(range(9))

    quality = judge(data, cell, find_truth(data, cell, 3), [[*nine, 9], [*nine, 10], [*nine, 11]])

    assert quality.recall == pytest.approx(29 / 30)
    assert (quality.answers_short, quality.rows_short) == (0, 0)


def test_an_answer_is_short_of_the_rows_that_match(data: FilterData) -> None:
    """Where two rows match, two are all; recall counts what could be found."""
    cell = _named(data, "0.1% uncorrelated")
    truth = find_truth(data, cell, 2)
    ids = matching_rows(cell, 0, _ROWS).tolist()

    quality = judge(data, cell, truth, [ids, []])

    assert truth.matching.tolist() == [2, 2]
    assert (quality.recall, quality.answers_short, quality.rows_short) == (0.5, 1, 2)


def test_wrong_rows_are_an_error_and_not_a_loss_of_recall(data: FilterData) -> None:
    """A row that does not pass, or comes twice, stops the run."""
    cell = _named(data, "10% uncorrelated")
    truth = find_truth(data, cell, 1)
    passing = matching_rows(cell, 0, _ROWS).tolist()
    (other, *_) = set(range(_ROWS)) - set(passing)

    with pytest.raises(AssertionError, match="do not pass"):
        judge(data, cell, truth, [[*passing[:9], other]])
    with pytest.raises(AssertionError, match="twice"):
        judge(data, cell, truth, [[*passing[:9], passing[0]]])


def test_the_baseline_asks_for_the_distance_of_the_data() -> None:
    """Its comments go, so that placeholders in them are none, and its operator follows the distance."""
    text = "-- what %s\nSELECT a OPERATOR(public.<->) b"

    assert baseline_for("l2", text) == "SELECT a OPERATOR(public.<->) b"
    assert baseline_for("cosine", text) == "SELECT a OPERATOR(public.<=>) b"
