"""``make test-faults``: the faults in full number on a server of their own."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from support.faults.stress import Plan, run_faults

from pgvec.embedded import EmbeddedServer
from pgvec.errors import ServerError
from pgvec.execution import migrate

_SECONDS_TO_END = 30.0
_PARSER = argparse.ArgumentParser(prog="make test-faults")
_PARSER.add_argument(
    "--seed", type=int, default=None, help="replays the decisions of a run; by default another each time"
)
_PARSER.add_argument("--kills", type=int, default=300)
_PARSER.add_argument("--kills-at-each-point", type=int, default=10)
_PARSER.add_argument("--freezes", type=int, default=30)
_PARSER.add_argument("--cut-connections", type=int, default=50)
_PARSER.add_argument("--server-stops", type=int, default=30)
_PARSER.add_argument("--plant", default=None, help="a bug to look for")
_PARSER.add_argument("--most-seconds", type=float, default=1800.0)


def main() -> int:
    """Run, print what happened, and return 1 where something was wrong."""
    options = _PARSER.parse_args()
    if options.seed is None:
        options.seed = int.from_bytes(os.urandom(3), "big")
    plan = Plan(**vars(options))
    print(f"seed {plan.seed}: make test-faults ARGS='--seed {plan.seed}' replays it", flush=True)
    start = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="pgvec-faults-") as folder,
        EmbeddedServer(Path(folder) / "server", settings={"fsync": "off", "max_connections": "100"}) as server,
    ):
        Path(folder).chmod(0o755)
        migrate.up(server.url)
        report = run_faults(server.url, plan, stop_server=lambda: _stop_and_start(server))
    print(
        f"{time.monotonic() - start:.0f} s, {report.transactions} transactions, {report.rows} rows in the end, "
        f"{report.embedded} embeddings written, {report.refused} late or outdated results refused"
    )
    for name, count in sorted(report.faults.items()):
        print(f"  {count:4} {name}")
    for problem in report.problems:
        print(f"WRONG: {problem}")
    print("nothing lost, nothing double, nothing wrong" if not report.problems else f"{len(report.problems)} problems")
    return 1 if report.problems else 0


def _stop_and_start(server: EmbeddedServer) -> None:
    pid = server.status().pid
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)  # what pg_ctl calls an immediate stop
        while server.running:
            time.sleep(0.02)
    # Its socket is gone before its last process is.
    deadline = time.monotonic() + _SECONDS_TO_END
    while True:
        try:
            return server.start()
        except ServerError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
