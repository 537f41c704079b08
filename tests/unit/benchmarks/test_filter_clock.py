"""Time of the CPU."""

from __future__ import annotations

import sys
from pathlib import Path
from time import process_time

import pytest

from benchmarks.filters.clock import cpu_clock


def test_the_backend_is_counted_in_nanoseconds(tmp_path: Path) -> None:
    """The clock adds what the backend used to what this process used."""
    (tmp_path / "77").mkdir()
    schedule = tmp_path / "77" / "schedstat"
    schedule.write_text("5000000000 12 3\n")

    clock = cpu_clock(77, tmp_path)

    used = process_time()
    assert used + 5 <= clock() <= process_time() + 5
    schedule.write_text("7500000000 12 3\n")
    assert clock() >= used + 7.5


def test_an_engine_without_a_backend_has_the_clock_of_the_process() -> None:
    """What runs here is counted here."""
    assert cpu_clock(None) is process_time


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the time of a process in nanoseconds")
def test_a_backend_elsewhere_cannot_be_counted(tmp_path: Path) -> None:
    """A server on another machine is an error at once, and not a time of nothing."""
    with pytest.raises(OSError, match="No such file"):
        cpu_clock(77, tmp_path)
