"""What searches cost in time of the CPU, which other programs on a busy machine hardly change."""

from __future__ import annotations

from pathlib import Path
from time import process_time

from benchmarks.measure import Clock

__all__ = ["cpu_clock"]

_PROCESSES = Path("/proc")


def cpu_clock(backend_pid: int | None, processes: Path = _PROCESSES) -> Clock:
    """Return a clock that counts the seconds of CPU of this process and of the backend of its connection, if there is one.

    Parallel workers of the backend are not counted.

    Raises:
        OSError: The backend does not run on this machine, or this is not Linux.
    """
    if backend_pid is None:
        return process_time
    # The first number is the time on a CPU in nanoseconds; /proc/<pid>/stat has it in hundredths of a second only.
    schedule = processes / str(backend_pid) / "schedstat"

    def clock() -> float:
        return process_time() + int(schedule.read_bytes().split(maxsplit=1)[0]) / 1e9

    clock()
    return clock
