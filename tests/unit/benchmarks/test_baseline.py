"""The statement that later ones are measured against."""

from __future__ import annotations

from benchmarks.baseline import BASELINE, baseline_text


def test_baseline_is_the_statement_of_the_foundation() -> None:
    """The file holds the unfiltered search as this version compiles it; a change of the statement shows here first.

    Who changes the statement on purpose keeps the file, since the comparison of speed is made against it, and replaces
    this test by that comparison.
    """
    assert BASELINE.read_text() == baseline_text()
