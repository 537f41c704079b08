"""The databases of the runs, which are kept: loading and indexing takes minutes, and the next run wants the same."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.filters.data import FilterData
from benchmarks.schema import EF_CONSTRUCTION, M
from pgvec import Repository
from pgvec.embedded import EmbeddedServer
from pgvec.errors import InvalidOptionError
from pgvec.execution.migrate import up
from pgvec.execution.url import engine_url
from pgvec.orm import Embedding, HnswIndex

__all__ = ["DEFAULT_CACHE", "Built", "Store", "define_model", "open_store"]

_LOCK_TIMEOUT = "10s"
DEFAULT_CACHE = Path("~/.cache/pgvec-benchmarks")
_TYPES: dict[str, type[sa.types.TypeEngine[Any]]] = {
    "smallint": sa.SmallInteger,
    "integer": sa.Integer,
    "text": sa.Text,
}


@dataclass(frozen=True, slots=True)
class Built:
    """A database with the data of a run.

    Attributes:
        conninfo: Its libpq address.
        load_seconds: What the load took.
        index_seconds: What all indexes took.
        table_bytes: Size of the table.
        index_bytes: Size of its indexes.
    """

    conninfo: str
    load_seconds: float = 0.0
    index_seconds: float = 0.0
    table_bytes: int = 0
    index_bytes: int = 0


@dataclass(slots=True)
class Store:
    """A server with databases.

    Attributes:
        url: libpq address of the server, as a role that may create databases and the extension.
        folder: Where it is written down what building a database took; None where databases are not kept.
        keeps_schema: Whether the schema ``pgvec`` stays as an earlier run, or a calibration by hand, left it.
        made: Names of the databases to drop in the end.
        facts: What building them took, by name of the data, where that is not written down.
        suffix: Keeps the databases of two runs on one server apart.
        serial: Whether connections go without parallel workers, whose time of the CPU nobody would count.
    """

    url: str
    folder: Path | None
    keeps_schema: bool = False
    made: list[str] = field(default_factory=list)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    suffix: str = ""
    serial: bool = False

    def open(self, data: FilterData) -> Built:
        """Return the database with the data, building it where there is none."""
        name, conninfo = self._name(data), self.conninfo(data)
        facts = self._facts(data) if self._exists(name) else None
        if facts is not None:
            built = Built(conninfo, **facts)
        else:
            built = self._build(data, name)
            self._write_facts(data, built)
        self._renew_schema(conninfo)
        _prewarm(conninfo)
        return built

    def conninfo(self, data: FilterData) -> str:
        """Return the address of the database with the data."""
        return self._address(self._name(data))

    def forget(self, data: FilterData) -> None:
        """Have the database of the data built anew when it is opened next."""
        if self.folder is not None:
            self._note(data).unlink(missing_ok=True)

    @contextmanager
    def copy(self, built: Built, script: str) -> Iterator[Built]:
        """Yield a copy of a database in which a script was run, and drop it in the end."""
        name = f"pgvec_advised_{secrets.token_hex(4)}"
        source = psycopg.conninfo.conninfo_to_dict(built.conninfo)["dbname"]
        self._administer("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, str(source))
        try:
            conninfo = self._address(name)
            _run_script(conninfo, script)
            _prewarm(conninfo)
            yield Built(conninfo, built.load_seconds, built.index_seconds, *_sizes(conninfo))
        finally:
            self._administer("DROP DATABASE {} WITH (FORCE)", name)

    def close(self) -> None:
        """Drop what is not kept."""
        for name in self.made:
            self._administer("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _address(self, name: str) -> str:
        address = make_conninfo(self.url, dbname=name)
        return make_conninfo(address, options="-c max_parallel_workers_per_gather=0") if self.serial else address

    def _name(self, data: FilterData) -> str:
        return f"pgvec_filters_{data.key()}{self.suffix}"

    def _note(self, data: FilterData) -> Path:
        assert self.folder is not None, "databases are kept"
        return self.folder / f"{self._name(data)}.json"

    def _facts(self, data: FilterData) -> dict[str, Any] | None:
        """What building the database took; None where it is not there, or was not finished."""
        if self.folder is None:
            return self.facts.get(data.name)
        note = self._note(data)
        return json.loads(note.read_text()) if note.exists() else None

    def _write_facts(self, data: FilterData, built: Built) -> None:
        facts = asdict(built)
        del facts["conninfo"]
        if self.folder is None:
            self.facts[data.name] = facts
        else:
            self._note(data).write_text(json.dumps(facts))

    def _exists(self, name: str) -> bool:
        with psycopg.connect(self.url) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            return found.fetchone() is not None

    def _renew_schema(self, conninfo: str) -> None:
        """Install the schema ``pgvec`` of this checkout, without what another one left or calibrated in it."""
        if not self.keeps_schema:
            with psycopg.connect(conninfo, autocommit=True) as connection:
                connection.execute("SELECT set_config('lock_timeout', %s, false)", [_LOCK_TIMEOUT])
                try:
                    connection.execute("DROP SCHEMA IF EXISTS pgvec CASCADE")
                except psycopg.errors.LockNotAvailable as exc:
                    message = "another run uses this database: wait for it, or choose another --cache"
                    raise RuntimeError(message) from exc
        up(conninfo)

    def _build(self, data: FilterData, name: str) -> Built:
        self._administer("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        self._administer("CREATE DATABASE {}", name)
        if self.folder is None:
            self.made.append(name)
        conninfo = self._address(name)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        return _fill(data, conninfo)

    def _administer(self, command: str, *names: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL(command).format(*map(sql.Identifier, names)))


@contextmanager
def open_store(url: str | None, cache: Path, *, keeps_schema: bool = False, serial: bool = False) -> Iterator[Store]:
    """Yield the store: on a server that is given, where its databases are dropped in the end, or on an embedded one that is kept."""
    if url is not None:
        store = Store(url, None, keeps_schema, suffix=f"_{secrets.token_hex(4)}", serial=serial)
        try:
            yield store
        finally:
            store.close()
        return
    folder = cache.expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    with EmbeddedServer(folder / "server") as server:
        yield Store(server.url, folder, keeps_schema, serial=serial)


def define_model(data: FilterData) -> type[Any]:
    """Map a class to the table ``item``, as the advice for its dimensions is: inside the page where a vector fits into one."""

    class Base(DeclarativeBase):
        """Base of its own, so that several sets of data can be open."""

    try:
        embedding = Embedding(data.dimensions, distance=data.distance, storage="plain")
    except InvalidOptionError:
        embedding = Embedding(data.dimensions, distance=data.distance)
    attributes: dict[str, Any] = {
        "__tablename__": "item",
        "__annotations__": {"id": Mapped[int], "embedding": Mapped[Any]},
        "id": mapped_column(primary_key=True, autoincrement=False),
        "embedding": mapped_column(embedding),
        "__table_args__": (HnswIndex("embedding", m=M, ef_construction=EF_CONSTRUCTION),),
    }
    for column in data.columns.values():
        attributes[column.name] = mapped_column(_TYPES[column.type], nullable=False, index=True)
    return type("Item", (Base,), attributes)


def _fill(data: FilterData, conninfo: str) -> Built:
    model, engine = define_model(data), sa.create_engine(engine_url(conninfo))
    table: sa.Table = model.__table__
    indexes, names = list(table.indexes), ["id", *data.columns, "embedding"]
    table.indexes.clear()
    table.create(engine)
    values = (column.values() for column in data.columns.values())
    rows = zip(range(len(data.vectors)), *values, data.vectors, strict=True)
    started = perf_counter()
    Repository(engine, model).bulk_load(rows, columns=names)
    loaded = perf_counter()
    for index in indexes:
        index.create(engine)
    indexed = perf_counter()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE item"))
        connection.execute(sa.text("CHECKPOINT"))
    engine.dispose()
    return Built(conninfo, loaded - started, indexed - loaded, *_sizes(conninfo))


def _sizes(conninfo: str) -> tuple[int, int]:
    with psycopg.connect(conninfo) as connection:
        sizes = connection.execute("SELECT pg_table_size('item'), pg_indexes_size('item')").fetchone()
    assert sizes is not None
    return sizes[0], sizes[1]


def _run_script(conninfo: str, script: str) -> None:
    """Run statements one by one, since some of them cannot share a transaction, and let the planner know the result."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in _statements(script):
            connection.execute(statement.encode())
        connection.execute("ANALYZE item")


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script whose statements end at the end of a line."""
    lines: list[str] = []
    for line in script.splitlines():
        if line.lstrip().startswith("--"):
            continue
        lines.append(line)
        if line.rstrip().endswith(";"):
            yield "\n".join(lines)
            lines = []
    if "".join(lines).strip():
        yield "\n".join(lines)


def _prewarm(conninfo: str) -> None:
    """Read table and indexes into memory, where the server can: what is measured is not the disk."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
        except psycopg.Error:
            return
        connection.execute(
            "SELECT pg_prewarm(c.oid) FROM pg_class c WHERE c.oid = 'item'::regclass"
            " OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'item'::regclass)"
        )
