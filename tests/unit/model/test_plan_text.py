"""Plans as lines."""

from __future__ import annotations

from pgvec.model.plan_text import plan_lines


def test_nodes_conditions_and_times() -> None:
    """A node has its index, its table and its rows; a branch that was not taken is told as such."""
    plan = {
        "Plan": {
            "Node Type": "Limit",
            "Plan Rows": 10,
            "Actual Rows": 10.0,
            "Actual Loops": 1,
            "Actual Total Time": 1.234,
            "Plans": [
                {
                    "Node Type": "Index Scan",
                    "Subplan Name": "CTE few",
                    "Index Name": "by_label",
                    "Relation Name": "item",
                    "Plan Rows": 1,
                    "Actual Rows": 0,
                    "Actual Loops": 0,
                    "Index Cond": "(label = 3)",
                    "Filter": "x" * 500,
                },
                {
                    "Node Type": "CTE Scan",
                    "CTE Name": "few",
                    "Plan Rows": 1_000,
                    "Actual Rows": 5,
                    "Actual Loops": 3,
                    "Actual Total Time": 0.5,
                    "Rows Removed by Filter": 12,
                },
            ],
        },
        "Planning Time": 0.5,
        "Execution Time": 2,
    }
    lines = list(plan_lines(plan))
    assert lines[0] == "Limit (expects 10 rows, found 10, 1.23 ms)"
    assert lines[1] == "  CTE few:"
    assert lines[2] == "    Index Scan by by_label on item (never executed)"
    assert lines[3].strip() == "index cond: (label = 3)"
    assert lines[4].endswith("...")
    assert lines[5] == "  CTE Scan on few (expects 1,000 rows, found 15, 1.50 ms)"
    assert lines[6].strip() == "rows removed by filter: 12"
    assert lines[7:] == ["planning time: 0.50 ms", "execution time: 2.00 ms"]


def test_a_plan_that_was_not_run() -> None:
    """Without figures of a run only what was expected is told."""
    assert list(plan_lines({"Plan": {"Node Type": "Result", "Plan Rows": 1}})) == ["Result (expects 1 row)"]
    assert list(plan_lines({})) == ["? (expects 0 rows)"]
