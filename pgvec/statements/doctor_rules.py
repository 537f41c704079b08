"""The rules of the doctor on the database and on vector indexes: pure functions of what is known of a database."""

from __future__ import annotations

from collections.abc import Iterator

from pgvec.model import IndexMethod
from pgvec.model.doctor import Finding, Health, IndexHealth, Severity
from pgvec.sql import scripts
from pgvec.statements import doctor_sql
from pgvec.statements.doctor_tables import table_findings
from pgvec.statements.doctor_vectors import vector_findings

__all__ = ["apply_rules"]

_SOUND_VERSION = (0, 8, 4)
_MEGABYTE = 1 << 20
# What a visited element takes in an iterative scan, at least.
_VISITED_BYTES = 100


def apply_rules(health: Health) -> tuple[Finding, ...]:
    """Return everything that is wrong, the worst first."""
    found = [
        *_extension(health),
        *_schema(health),
        *_connection(health),
        *_memory(health),
        *table_findings(health),
        *_duplicates(health),
        *vector_findings(health),
    ]
    return tuple(sorted(found, key=lambda finding: (-finding.severity.rank, finding.check, finding.subject)))


def _extension(health: Health) -> Iterator[Finding]:
    server = health.server
    if server.extension_version is None:
        return
    parts = tuple(int(part) for part in server.extension_version.split(".") if part.isdigit())
    if parts < _SOUND_VERSION:
        graphs = [index for index in health.indexes if index.vector and index.vector.index.method is IndexMethod.HNSW]
        yield Finding(
            "extension.version",
            Severity.ERROR,
            "extension vector",
            f"pgvector {server.extension_version} is installed, whose vacuum may corrupt HNSW indexes; 0.8.4 mends it",
            "Install pgvector 0.8.4 or newer on the server, update the extension, and build the HNSW indexes anew",
            (doctor_sql.update_extension(), *(doctor_sql.reindex(index.schema, index.name) for index in graphs)),
        )
    if not server.on_path and server.extension_schema is not None:
        yield Finding(
            "extension.search_path",
            Severity.WARNING,
            f"schema {server.extension_schema}",
            f"the extension is in {server.extension_schema}, and the search_path is {server.search_path}: pgvec names the schema, "
            "but SQL written by hand, dumps and other tools find neither its types nor its operators",
            "Put the schema on the search_path",
            (doctor_sql.show_schema(server.database, server.search_path, server.extension_schema),),
        )


def _schema(health: Health) -> Iterator[Finding]:
    known = scripts()
    if health.server.scripts is None:
        if health.tables:
            yield Finding(
                "schema.version",
                Severity.NOTE,
                "schema pgvec",
                "there is no schema pgvec: searches work, but nothing that is tuned, calibrated or recorded can be stored",
                "Run  pgvec migrate up",
                migration=tuple(f"op.upgrade_pgvec({script.name!r})" for script in known),
            )
        return
    applied = dict(health.server.scripts)
    pending = [script.name for script in known if script.name not in applied]
    changed = [script.name for script in known if applied.get(script.name, script.checksum) != script.checksum]
    unknown = sorted(set(applied) - {script.name for script in known})
    if pending:
        yield Finding(
            "schema.version",
            Severity.ERROR,
            "schema pgvec",
            f"the schema is behind the library: {', '.join(pending)} {'is' if len(pending) == 1 else 'are'} not applied",
            "Run  pgvec migrate up",
            migration=tuple(f"op.upgrade_pgvec({name!r})" for name in pending),
        )
    if changed:
        yield Finding(
            "schema.version",
            Severity.ERROR,
            "schema pgvec",
            f"{', '.join(changed)} ran with another content than this library has",
            "Install the pgvec that ran it",
        )
    if unknown:
        yield Finding(
            "schema.version",
            Severity.WARNING,
            "schema pgvec",
            f"a newer pgvec has migrated this database: {', '.join(unknown)}",
            "Install that version",
        )


def _connection(health: Health) -> Iterator[Finding]:
    if health.pooling.shared:
        yield Finding(
            "connection.pooling",
            Severity.WARNING,
            "pooler",
            "two connections of this run were served by one process of the server: a pooler in transaction mode, behind which SET "
            "reaches another client's statements, or none",
            "Set ef_search and the like with SET LOCAL or set_config(..., true), as pgvec does, or for the database; and switch "
            "prepared statements off (prepare_threshold=None) where the pooler knows none",
        )
    if health.server.session_settings:
        names = [setting.partition(" = ")[0] for setting in health.server.session_settings]
        yield Finding(
            "connection.pooling",
            Severity.WARNING,
            ", ".join(names),
            f"a connection that this run was given has settings of an earlier user: {', '.join(health.server.session_settings)}",
            "Use SET LOCAL or set_config(..., true) instead of SET, and reset the connections of the pool",
            tuple(f"RESET {name}" for name in names),
        )


def _memory(health: Health) -> Iterator[Finding]:
    vectors = [index.vector for index in health.indexes if index.vector is not None and index.vector.index.valid]
    graphs = [state for state in vectors if state.index.method is IndexMethod.HNSW]
    server = health.server
    if (
        graphs
        and (largest := max(graphs, key=lambda state: state.size_bytes)).size_bytes > server.maintenance_work_mem[1]
    ):
        needed = -(-largest.size_bytes * 5 // 4 // _MEGABYTE) or 1
        yield Finding(
            "memory.build",
            Severity.WARNING,
            "maintenance_work_mem",
            f"{largest.index.name} has {largest.size_bytes / _MEGABYTE:,.1f} MB and maintenance_work_mem is "
            f"{server.maintenance_work_mem[0]}: a graph that outgrows it is built several times slower",
            "Give the sessions that build and rebuild more, for example with  pgvec index rebuild --memory",
            (doctor_sql.set_for_database(server.database, "maintenance_work_mem", f"{needed}MB"),),
        )
    whole = sum(state.size_bytes for state in vectors)
    if whole > server.shared_buffers[1]:
        yield Finding(
            "memory.shared_buffers",
            Severity.WARNING,
            "shared_buffers",
            f"the vector indexes have {whole / _MEGABYTE:,.0f} MB and shared_buffers is {server.shared_buffers[0]}: a graph is read "
            "in no order, so that searches wait for what is not in memory",
            "Raise it in postgresql.conf, up to about 40 % of the machine's memory, and restart",
            (f"ALTER SYSTEM SET shared_buffers = '{-(-whole * 3 // 2 // _MEGABYTE):d}MB'",),
        )
    available = server.work_mem[1] * server.scan_mem_multiplier
    if graphs and available < server.max_scan_tuples * _VISITED_BYTES:
        factor = -(-server.max_scan_tuples * _VISITED_BYTES * 2 // server.work_mem[1])
        yield Finding(
            "memory.scan",
            Severity.WARNING,
            "work_mem",
            f"an iterative scan may use work_mem ({server.work_mem[0]}) times hnsw.scan_mem_multiplier ({server.scan_mem_multiplier:g}), "
            f"which is too little for the {server.max_scan_tuples:,} elements of hnsw.max_scan_tuples: it stops before, and comes back "
            "short",
            "Raise the multiplier, or work_mem",
            (doctor_sql.set_for_database(server.database, "hnsw.scan_mem_multiplier", f"{min(factor, 1000):d}"),),
        )


def _duplicates(health: Health) -> Iterator[Finding]:
    by_contents: dict[object, list[IndexHealth]] = {}
    for index in health.indexes:
        if index.valid:
            by_contents.setdefault((index.schema, index.table, index.contents), []).append(index)
    for same in by_contents.values():
        kept, *others = sorted(same, key=lambda index: (not index.keeps_constraint, index.name))
        for index in others:
            if index.keeps_constraint:
                continue
            vector = index.vector
            yield Finding(
                "index.duplicate",
                Severity.WARNING,
                f"{index.schema}.{index.name}",
                f"it holds what {kept.name} holds, on {index.schema}.{index.table}: every write pays for both",
                "Drop one of the two",
                (doctor_sql.drop_index(index.schema, index.name),),
                () if vector is None else (doctor_sql.drop_index_operation(vector.index),),
            )
