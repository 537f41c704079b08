"""``python -m benchmarks.peers``: the cells on other engines beside pgvec; writes ``benchmarks/results/peers.{json,md}``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.environment import describe_environment
from benchmarks.filters.cells import Effort, measure_cell
from benchmarks.filters.data import FilterData
from benchmarks.filters.grid import Cell
from benchmarks.filters.options import advised, common_parser, describe_data, line, read_data, say, store_of
from benchmarks.filters.oracle import CellResult
from benchmarks.filters.store import Built, Store
from benchmarks.filters.strategies import PGVEC, Contender, open_pgvec
from benchmarks.peers.engine import Engine, folder_bytes
from benchmarks.peers.figures import Loaded, markdown, write
from benchmarks.report import RESULTS

# Module and class of each engine, and the package that brings it.
PEERS = {
    "qdrant": ("qdrant", "Qdrant", "qdrant-edge-py"),
    "lancedb": ("lance", "Lance", "lancedb"),
    "chromadb": ("chroma", "Chroma", "chromadb"),
    "faiss": ("faiss_graph", "Faiss", "faiss-cpu"),
}
_PILOT = 60


def main() -> None:
    """Run what the command line asks for."""
    arguments = _parser().parse_args()
    always = ("pgvec", "qdrant")
    effort = Effort(
        arguments.queries, arguments.rounds, _PILOT, thorough=arguments.thorough, cpu=arguments.cpu, always=always
    )
    cells: list[CellResult] = []
    loads: list[Loaded] = []
    packages = {PEERS[name][2]: metadata.version(PEERS[name][2]) for name in arguments.peers}
    about: dict[str, Any] = {"data": [], "effort": asdict(effort), "peers": packages}
    with store_of(arguments) as store:
        for data, chosen in read_data(arguments):
            for result in _Run(store, arguments, effort, loads).measure(data, chosen):
                say(line(result))
                cells.append(result)
            about["data"].append(describe_data(data))
            about |= describe_environment(store.conninfo(data))
    if not cells:
        sys.exit("no cell has such a title: see --cells, --data and --rows")
    write(RESULTS, arguments.output, cells, loads, about)
    sys.stdout.write(markdown(cells, loads, about))
    say(f"written: {RESULTS / arguments.output}.json, .md")


def _parser() -> argparse.ArgumentParser:
    parser = common_parser("python -m benchmarks.peers", __doc__, "peers")
    parser.add_argument(
        "--peers", type=_peers, default=list(PEERS), metavar="NAME,...", help=f"some of: {', '.join(PEERS)}"
    )
    parser.add_argument(
        "--cached", action="store_true", help="take pgvec's database from an earlier run, with the time of its load"
    )
    return parser


def _peers(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := set(names) - set(PEERS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: choose from {', '.join(PEERS)}")
    return names


@dataclass(frozen=True, slots=True)
class _Run:
    """What is measured where, and how much; ``loads`` gathers what the loads took."""

    store: Store
    arguments: argparse.Namespace
    effort: Effort
    loads: list[Loaded]

    def measure(self, data: FilterData, chosen: list[Cell]) -> Iterator[CellResult]:
        """Load the data into every engine, and measure cell by cell."""
        with ExitStack() as stack:
            peers = stack.enter_context(_loaded_peers(data, self.arguments.peers, self.loads))
            built = self._pgvec_database(data)
            followed = stack.enter_context(advised(self.store, built, data, self.arguments.advice))
            ours = {PGVEC: stack.enter_context(open_pgvec(built, data)), **followed}
            for cell in chosen:
                yield measure_cell(data, cell, ours | peers, self.effort)

    def _pgvec_database(self, data: FilterData) -> Built:
        say(f"opening pgvec's database of {data.name}" + ("" if self.arguments.cached else " (built anew)"))
        if not self.arguments.cached:
            self.store.forget(data)
        built = self.store.open(data)
        seconds, size = built.load_seconds + built.index_seconds, built.table_bytes + built.index_bytes
        self.loads.append(Loaded(data.name, PGVEC, seconds, size))
        return built


@contextmanager
def _loaded_peers(data: FilterData, names: Sequence[str], loads: list[Loaded]) -> Iterator[dict[str, Contender]]:
    """Load the engines one after the other, and yield all their ways to search."""
    contenders: dict[str, Contender] = {}
    with ExitStack() as stack:
        for name in names:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"pgvec-bench-{name}-")))
            say(f"loading {name}")
            module, made, _ = PEERS[name]
            engine: Engine = getattr(import_module(f"benchmarks.peers.{module}"), made)()
            started = perf_counter()
            engine.load(data, folder)
            loads.append(Loaded(data.name, name, perf_counter() - started, folder_bytes(folder)))
            stack.enter_context(closing(engine))
            contenders |= engine.contenders()
        yield contenders


if __name__ == "__main__":
    main()
