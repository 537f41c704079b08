"""How much memory a load of generated rows takes, measured in a process of its own.

``python -m benchmarks.memory ADDRESS ROWS DIMENSIONS`` prints the largest resident size in megabytes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import sqlalchemy as sa
from sqlalchemy.orm import Session

from benchmarks.data import Row, stream_rows
from benchmarks.load import COLUMNS
from benchmarks.schema import define_schema
from pgvec import Repository
from pgvec.execution.url import engine_url

__all__ = ["measure_memory"]

_ROWS_BETWEEN_SAMPLES = 250


def measure_memory(conninfo: str, rows: int, dimensions: int) -> float:
    """Return the largest resident size, in megabytes, of a process that loads so many rows."""
    command = [sys.executable, "-m", "benchmarks.memory", conninfo, str(rows), str(dimensions)]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603  (our own module)
    return float(finished.stdout)


class _Sampled:
    """Rows on their way into a load, with a look at the size of the process now and then.

    The size that the kernel remembers would be simpler, but Linux lets a child begin with that of its parent.
    """

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._process = psutil.Process()
        self.largest = 0

    def __iter__(self) -> Iterator[Row]:
        for number, row in enumerate(self._rows):
            if number % _ROWS_BETWEEN_SAMPLES == 0:
                self.sample()
            yield row

    def sample(self) -> None:
        self.largest = max(self.largest, self._process.memory_info().rss)


def _load(conninfo: str, rows: int, dimensions: int) -> float:
    schema = define_schema(dimensions, unlogged=True)
    engine = sa.create_engine(engine_url(conninfo))
    schema.create_table(engine)
    sampled = _Sampled(stream_rows(rows, dimensions))
    with Session(engine) as session:
        Repository(session, schema.model).bulk_load(sampled, columns=COLUMNS)
        sampled.sample()
    schema.drop_table(engine)
    return sampled.largest / 1e6


if __name__ == "__main__":
    sys.stdout.write(f"{_load(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])):.1f}\n")
