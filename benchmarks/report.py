"""What was measured, as one value; written as JSON, as a Markdown table and as a plot."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchmarks.load import LoadTimings
from benchmarks.measure import Timings, recall
from benchmarks.search import FilteredTimings, found_ids

__all__ = ["GOALS", "RESULTS", "Report", "table"]

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True, slots=True)
class _Goal:
    """What a key has to reach, and what it stands for."""

    text: str
    most: float | None = None
    least: float | None = None

    @property
    def limit(self) -> str:
        if self.least is not None:
            return f">= {self.least:g}"
        return "" if self.most is None else f"<= {self.most:g}"

    def verdict(self, value: float) -> str:
        if self.least is None and self.most is None:
            return ""
        reached = (self.least is None or value >= self.least) and (self.most is None or value <= self.most)
        return "yes" if reached else "**no**"


GOALS = {
    "load_ratio": _Goal("bulk load straight into the table, throughput", least=0.8),
    "load_merge_ratio": _Goal("bulk load with on_conflict='update' into an empty table, throughput", least=0.5),
    "load_update_ratio": _Goal("the same where every key exists, throughput"),
    "search_p50_ratio": _Goal("search for two columns, median latency", most=1.3),
    "search_entity_p50_ratio": _Goal("search for records, median latency", most=1.6),
    "async_search_p50_ratio": _Goal("asynchronous search for two columns, median latency", most=1.6),
    "engine_search_p50_ratio": _Goal(
        "search with an engine (a transaction for each call) over the floor in one transaction"
    ),
    "engine_search_over_pool_p50_ratio": _Goal(
        "the same over a floor that takes a connection from a pool for each call"
    ),
    "filtered_own_label_p50_ratio": _Goal("search filtered by the label of the query, over pgvector's iterative scan"),
    "filtered_far_label_p50_ratio": _Goal("search filtered by the label farthest from the query, over the same"),
    "loader_memory_growth_mb": _Goal("memory that ten times as many rows take in the loader, MB", most=100),
}


class Report:
    """Collects results; a key that was not measured is not in it."""

    def __init__(self) -> None:
        self.keys: dict[str, float] = {}
        self.details: dict[str, Any] = {}
        self.timings: dict[str, Timings] = {}

    def add_load(self, load: LoadTimings) -> None:
        """Take in the loads."""
        for key, name in (("load_ratio", "copy"), ("load_merge_ratio", "merge"), ("load_update_ratio", "update")):
            self.keys[key] = load.ratio(name)
        self.details["load"] = {
            name: {"rows_per_second": load.rate(name), "seconds": seconds} for name, seconds in load.seconds.items()
        }

    def add_search(self, timings: Mapping[str, Timings], truth: NDArray[Any]) -> None:
        """Take in the searches on one connection, in one thread."""
        pairs = (
            ("search_p50_ratio", "columns", "floor"),
            ("search_entity_p50_ratio", "entities", "floor"),
            ("engine_search_p50_ratio", "engine", "floor"),
            ("engine_search_over_pool_p50_ratio", "engine", "pooled_floor"),
        )
        self._add_ratios(timings, pairs)
        self._add_latencies("search", timings, truth)

    def add_async_search(self, timings: Mapping[str, Timings], truth: NDArray[Any]) -> None:
        """Take in the asynchronous searches."""
        self._add_ratios(timings, [("async_search_p50_ratio", "columns", "floor")])
        self._add_latencies("async_search", timings, truth)

    def add_filtered(self, name: str, filtered: FilteredTimings) -> None:
        """Take in filtered searches; ``name`` says by what."""
        key = f"filtered_{name}"
        self._add_ratios(filtered.timings, [(f"{key}_p50_ratio", "pgvec", "floor")])
        self._add_latencies(key, filtered.timings, None)
        for side, latencies in self.details[key].items():
            latencies |= {"recall@10": filtered.recall[side], "answers_short": filtered.short[side]}

    def add_memory(self, sizes: Mapping[int, float]) -> None:
        """Take in the largest sizes of the loader's process, by number of rows."""
        self.keys["loader_memory_growth_mb"] = sizes[max(sizes)] - sizes[min(sizes)]
        self.details["loader_memory_mb"] = {str(rows): size for rows, size in sizes.items()}

    def write(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Write ``latest.json`` and ``latest.md``; ``about`` says with what it was measured."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {**self.keys, "details": self.details, **about}
        (folder / "latest.json").write_text(json.dumps(content, indent=2) + "\n")
        (folder / "latest.md").write_text(self.markdown(about))

    def markdown(self, about: Mapping[str, Any]) -> str:
        """Return the tables."""
        keys = (
            (f"`{key}`", goal.text, f"{self.keys[key]:.3g}", goal.limit, goal.verdict(self.keys[key]))
            for key, goal in GOALS.items()
            if key in self.keys
        )
        parts = [
            f"# pgvec beside psycopg by hand\n\n{_summary(about)}\n",
            table(("key", "pgvec / floor", "value", "goal", "reached"), keys),
        ]
        if "load" in self.details:
            loads = ((name, f"{of['rows_per_second']:,.0f}") for name, of in self.details["load"].items())
            parts.append(table(("load", "rows/s (median)"), loads))
        latencies = [
            row
            for group, of in self.details.items()
            if "search" in group or "filtered" in group
            for row in _rows(group, of)
        ]
        if latencies:
            parts.append(table(("search", "by", "p50 ms", "p95 ms", "recall@10", "short"), latencies))
        return "\n".join(parts)

    def _add_ratios(self, timings: Mapping[str, Timings], pairs: Iterable[tuple[str, str, str]]) -> None:
        for key, name, floor in pairs:
            self.keys[key] = timings[name].ratio(timings[floor])
            self.details.setdefault("ratio_by_round", {})[key] = timings[name].ratio_range(timings[floor])

    def _add_latencies(self, group: str, timings: Mapping[str, Timings], truth: NDArray[Any] | None) -> None:
        self.details[group] = {
            name: {"p50_ms": timing.percentile(50), "p95_ms": timing.percentile(95)} for name, timing in timings.items()
        }
        for name, timing in timings.items():
            self.timings[f"{group}: {name}"] = timing
            if truth is not None:
                self.details[group][name]["recall@10"] = recall(found_ids(timing), truth)


def _rows(group: str, by: Mapping[str, Mapping[str, float]]) -> Iterable[tuple[str, ...]]:
    for name, values in by.items():
        yield (
            group,
            name,
            f"{values['p50_ms']:.3f}",
            f"{values['p95_ms']:.3f}",
            f"{values['recall@10']:.4f}",
            str(values.get("answers_short", "")),
        )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [list(head), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _summary(about: Mapping[str, Any]) -> str:
    data, versions, machine = about["data"], about["versions"], about["machine"]
    packages = versions["packages"]
    return (
        f"{data['name']}: {data['rows']:,} x {data['dimensions']}, {data['queries']:,} queries in {data['rounds']} rounds. "
        f"PostgreSQL {versions['postgresql']}, pgvector {versions['pgvector']}, {versions['python']}, "
        f"SQLAlchemy {packages['sqlalchemy']}, psycopg {packages['psycopg']}, pgvector-python {packages['pgvector']}; "
        f"{machine['cpus']} CPUs. {about['measured_at']}."
    )
