"""Where the corpus of hostile texts is tried: for every public parameter that a text can reach, calls that put it there."""

from __future__ import annotations

import inspect
import io
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import sqlalchemy as sa
from fix_level import FULL
from fix_repository import World
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from support.injection import PAYLOADS

from pgvec import Match, calibrate, diagnose, read_csv, read_jsonl
from pgvec.errors import PgvecError
from pgvec.facets import facet, histogram
from pgvec.orm import Embedding, HnswIndex, IvfflatIndex, KeywordIndex, SetStorage, read_target
from pgvec.rerankers import Rerank
from pgvec.scores import boost, decay, saturate
from pgvec.statements.facets import facet_count

QUERY = [1.0, 2.0, 3.0]


class Base(DeclarativeBase):
    pass


class Note(Base):
    """Texts in every kind of column, the key included."""

    __tablename__ = "note"
    id: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    title: Mapped[str | None] = mapped_column(sa.Text, unique=True)
    short: Mapped[str | None] = mapped_column(sa.String(8))
    number: Mapped[int | None]
    tags: Mapped[list[str] | None] = mapped_column(sa.ARRAY(sa.Text))
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSONB)
    embedding: Mapped[Any | None] = mapped_column(Embedding(3))
    bits: Mapped[Any | None] = mapped_column(Embedding(8, type="bit"))


class _Alike:
    """A reranker to which all texts are alike."""

    name = "alike"

    def rerank(self, query: str, texts: Sequence[str]) -> Any:
        return [0.0] * len(texts)


Make = Callable[..., Any]
Case = Callable[[Make, str], Any]


def note(make: Make, **options: Any) -> Any:
    """A repository of notes."""
    return make(Note, **{"column": "embedding"} | options)


def row(text: str) -> dict[str, Any]:
    """A row with the text wherever a text may be."""
    return {
        "id": text,
        "title": text,
        "tags": [text, "x"],
        "metadata_": {text: [text, {text: text}], "same": text},
        "embedding": QUERY,
    }


async def stored(repository: Any, text: str) -> None:
    """Assert that a row with the text is there, and that the text in it is what it was, in every column."""
    for where in (
        {"id": text},
        {"title": {"$in": [text]}},
        {"tags": {"$contains": text}},
        {"metadata.same": text},
        Note.title == text,
    ):
        assert await repository.count(where) == 1
    record = await repository.get(text)
    assert {name: getattr(record, name) for name in ("id", "title", "tags", "metadata_")} == {
        name: value for name, value in row(text).items() if name != "embedding"
    }
    assert (await repository.search(QUERY, where={"id": text}))[0].record.id == text
    await repository.search(record)


def stores(write: Callable[[Any, str], Awaitable[Any]]) -> Case:
    """A case that writes a row and looks at what came of it."""

    async def case(make: Make, text: str) -> None:
        repository = note(make)
        await write(repository, text)
        await stored(repository, text)

    return case


def csv_of(*lines: list[str]) -> io.StringIO:
    """A CSV file."""
    return io.StringIO("\n".join(",".join('"' + field.replace('"', '""') + '"' for field in line) for line in lines))


SHAPED = ("search", "explain", "keyword_search", "hybrid_search")


def ask(make: Make, method: str, **options: Any) -> Any:
    """Search in one of the ways that may be ordered anew or counted beside."""
    repository = note(make)
    if method == "keyword_search":
        return repository.keyword_search("a", **options)
    if method == "hybrid_search":
        return repository.hybrid_search("a", vector=QUERY, **options)
    return getattr(repository, method)(QUERY, **options)


async def updated(make: Make, text: str) -> None:
    """Update a row to hold the text."""
    repository = note(make)
    await repository.insert({"id": "u", "title": "u", "embedding": QUERY})
    await repository.update(row(text) | {"id": "u"})
    assert (await repository.get("u")).title == text


async def named_example(make: Make, text: str) -> None:
    """Name a row by the text as an example: it is found, and left out of the answer."""
    repository = note(make)
    await repository.insert([row(text), {"id": text + "2", "embedding": QUERY}])
    found = await repository.recommend([{"id": text}], strategy="sum_scores")
    assert text + "2" in {match.record.id for match in found}
    assert text not in {match.record.id for match in found}


BY_METHOD: dict[str, list[Case]] = {
    "__init__.column": [lambda make, text: make(Note, column=text)],
    "__init__.distance": [lambda make, text: note(make, distance=text)],
    "search.query": [
        lambda make, text: note(make).search(text),
        lambda make, text: note(make).search([text, text, text]),
        lambda make, text: note(make).search({text: 1.0}),
        lambda make, text: make(Note, column="bits").search(text),
        # Options are numbers, but some of them stand in the text of the statement.
        lambda make, text: note(make).search(QUERY, limit=text),
        lambda make, text: note(make).search(QUERY, offset=text),
        lambda make, text: note(make).search(QUERY, ef_search=text),
        lambda make, text: note(make).search(QUERY, max_distance=text),
        lambda make, text: note(make).search(QUERY, diversity=text),
        lambda make, text: note(make).search(QUERY, diversity=0.5, candidates=text),
    ],
    "search.where": [
        lambda make, text: note(make).search(QUERY, where=text),
        lambda make, text: note(make).search(QUERY, where={text: text}),
        lambda make, text: note(make).search(QUERY, where={"title": text, "number": 1}),
        lambda make, text: note(make).search(QUERY, where={"title": {text: 1}}),
        lambda make, text: note(make).search(QUERY, where={"short": {"$ilike": text}}),
        lambda make, text: note(make).search(QUERY, where={f"metadata.{text}": text}, exact=True),
        lambda make, text: note(make).search(QUERY, where=Note.title.in_([text, "a"])),
        lambda make, text: note(make).search(QUERY, where={"number": text}),
    ],
    "search.columns": [
        lambda make, text: note(make).search(QUERY, columns=text),
        lambda make, text: note(make).search(QUERY, columns=(text,)),
        lambda make, text: note(make).search(QUERY, columns=("id", text)),
        lambda make, text: note(make).search(QUERY, columns=(sa.literal(text).label(text or None),)),
        lambda make, text: note(make).search(QUERY, rerank=Rerank(_Alike(), ("title", text), query=text)),
        lambda make, text: note(make).search(QUERY, rerank=Rerank(_Alike(), "title", query="a", separator=text)),
    ],
    "search.after": [
        lambda make, text: note(make).search(QUERY, after=text),
        lambda make, text: note(make).search(QUERY, after=Match(Note(id=text), 0.0, None, None, 1)),
        lambda make, text: note(make).search(QUERY, after=Match({"id": text}, 0.0, None, None, 1)),
        lambda make, text: note(make).search(QUERY, after=Match({text: text}, 0.0, None, None, 1)),
    ],
    **{
        f"{method}.score": [
            lambda make, text, m=method: ask(make, m, score=text),
            lambda make, text, m=method: ask(make, m, score=boost(Note.title == text, 2) + sa.literal(1)),
        ]
        for method in SHAPED
    },
    **{
        f"{method}.order_by": [
            lambda make, text, m=method: ask(make, m, order_by=text),
            lambda make, text, m=method: ask(make, m, order_by=("-" + text, "id"), candidates=20),
            lambda make, text, m=method: ask(make, m, order_by=f"metadata.{text}"),
            lambda make, text, m=method: ask(make, m, order_by="id", candidates=text),
        ]
        for method in SHAPED
    },
    **{
        f"{method}.facets": [
            lambda make, text, m=method: ask(make, m, facets=text),
            lambda make, text, m=method: ask(make, m, facets=("title", text)),
            lambda make, text, m=method: ask(make, m, facets=f"metadata.{text}"),
            lambda make, text, m=method: ask(make, m, facets=facet("title", name=text or None)),
            lambda make, text, m=method: ask(make, m, facets=facet(sa.literal(text), name="x")),
        ]
        for method in SHAPED
    },
    "search_groups.query": [
        lambda make, text: note(make).search_groups(text, group_by="title"),
        lambda make, text: note(make).search_groups([text, text, text], group_by="title"),
        lambda make, text: note(make).search_groups(QUERY, group_by="title", limit=text),
        lambda make, text: note(make).search_groups(QUERY, group_by="title", per_group=text),
        lambda make, text: note(make).search_groups(QUERY, group_by="title", candidates=text),
    ],
    "search_groups.group_by": [
        lambda make, text: note(make).search_groups(QUERY, group_by=text),
        lambda make, text: note(make).search_groups(QUERY, group_by=("title", text)),
        lambda make, text: note(make).search_groups(QUERY, group_by=f"metadata.{text}"),
        lambda make, text: note(make).search_groups(QUERY, group_by=sa.literal(text).label(text or None)),
    ],
    "search_groups.where": [
        lambda make, text: note(make).search_groups(QUERY, group_by="title", where={text: text}),
        lambda make, text: note(make).search_groups(QUERY, group_by="title", where={"title": text}),
    ],
    "search_groups.columns": [
        lambda make, text: note(make).search_groups(QUERY, group_by="title", columns=("id", text)),
    ],
    "search_many.queries": [
        lambda make, text: note(make).search_many(text),
        lambda make, text: note(make).search_many([text, QUERY]),
        lambda make, text: note(make).search_many([[text, text, text]]),
        lambda make, text: make(Note, column="bits").search_many([text]),
    ],
    "search_many.where": [
        lambda make, text: note(make).search_many([QUERY], where={text: text}),
        lambda make, text: note(make).search_many([QUERY], where={"title": text}),
    ],
    "search_many.columns": [lambda make, text: note(make).search_many([QUERY], columns=("id", text))],
    "explain.query": [
        lambda make, text: note(make).explain(text),
        lambda make, text: make(Note, column="bits").explain(text),
    ],
    "explain.where": [
        lambda make, text: note(make).explain(QUERY, where={text: text}),
        lambda make, text: note(make).explain(QUERY, where={"title": text}, analyze=True),
        lambda make, text: note(make).explain(QUERY, where={f"metadata.{text}": text}),
    ],
    "explain.columns": [lambda make, text: note(make).explain(QUERY, columns=("id", text))],
    "explain.after": [
        lambda make, text: note(make).explain(QUERY, after=text),
        lambda make, text: note(make).explain(QUERY, after=Match({"id": text}, 0.0, None, None, 1)),
    ],
    "advise.filters": [
        lambda make, text: note(make).advise(filters=text),
        lambda make, text: note(make).advise(filters=[text]),
        lambda make, text: note(make).advise(filters=[f"title, {text}"]),
    ],
    "recall.where": [
        lambda make, text: note(make).recall(where={text: text}, sample=1),
        lambda make, text: note(make).recall(where={"title": text}, sample=1),
    ],
    "recall.queries": [
        lambda make, text: note(make).recall(queries=text),
        lambda make, text: note(make).recall(queries=[text]),
    ],
    "tune.where": [
        lambda make, text: note(make).tune(where={text: text}, sample=1, store=False),
        lambda make, text: note(make).tune(where={"title": text}, sample=1, store=False),
    ],
    "tune.queries": [
        lambda make, text: note(make).tune(queries=text, store=False),
        lambda make, text: note(make).tune(queries=[text], store=False),
    ],
    "tune.filter_classes": [
        lambda make, text: note(make).tune(filter_classes=text, store=False),
        lambda make, text: note(make).tune(filter_classes=(text,), store=False),
    ],
    "keyword_search.text": [
        lambda make, text: note(make).keyword_search(text),
        lambda make, text: note(make).keyword_search(f'"{text}"'),
        lambda make, text: note(make).keyword_search(f"{text}*"),
        lambda make, text: note(make).keyword_search([text]),
        lambda make, text: note(make).keyword_search("a", limit=text),
        lambda make, text: note(make).keyword_search("a", offset=text),
    ],
    "keyword_search.where": [
        lambda make, text: note(make).keyword_search(text, where={text: text}),
        lambda make, text: note(make).keyword_search(text, where={"title": text}),
        lambda make, text: note(make).keyword_search("a", where=text),
    ],
    "keyword_search.index": [lambda make, text: note(make).keyword_search("a", index=text)],
    "keyword_search.columns": [
        lambda make, text: note(make).keyword_search("a", columns=text),
        lambda make, text: note(make).keyword_search("a", columns=("id", text)),
    ],
    "hybrid_search.text": [
        lambda make, text: note(make).hybrid_search(text, vector=QUERY),
        lambda make, text: note(make).hybrid_search(text),
        lambda make, text: note(make).hybrid_search("a", vector=QUERY, limit=text),
        lambda make, text: note(make).hybrid_search("a", vector=QUERY, candidates=text),
        lambda make, text: note(make).hybrid_search("a", vector=QUERY, rrf_k=text, fusion="rrf"),
        lambda make, text: note(make).hybrid_search("a", vector=QUERY, weights=(text, 1)),
    ],
    "hybrid_search.vector": [
        lambda make, text: note(make).hybrid_search("a", vector=text),
        lambda make, text: make(Note, column="bits").hybrid_search("a", vector=text),
    ],
    "hybrid_search.fusion": [lambda make, text: note(make).hybrid_search("a", vector=QUERY, fusion=text)],
    "hybrid_search.where": [
        lambda make, text: note(make).hybrid_search(text, vector=QUERY, where={text: text}),
        lambda make, text: note(make).hybrid_search(text, vector=QUERY, where={"title": text}),
    ],
    "hybrid_search.index": [lambda make, text: note(make).hybrid_search("a", vector=QUERY, index=text)],
    "hybrid_search.columns": [lambda make, text: note(make).hybrid_search("a", vector=QUERY, columns=("id", text))],
    "tune_fusion.queries": [
        lambda make, text: note(make).tune_fusion(text, text, vectors=text),
        lambda make, text: note(make).tune_fusion([text, text], [{text}, {text: 1}], vectors=[QUERY, QUERY], folds=2),
        lambda make, text: note(make).tune_fusion(["a", "b"], [{"x"}, {"y"}], vectors=[QUERY, QUERY], folds=text),
    ],
    "tune_fusion.relevance": [
        lambda make, text: note(make).tune_fusion(["a", "b"], text, vectors=[QUERY, QUERY], folds=2),
        lambda make, text: note(make).tune_fusion(["a", "b"], [text, {text: text}], vectors=[QUERY, QUERY], folds=2),
    ],
    "tune_fusion.vectors": [
        lambda make, text: note(make).tune_fusion(["a", "b"], [{"x"}, {"y"}], vectors=text, folds=2),
        lambda make, text: note(make).tune_fusion(["a", "b"], [{"x"}, {"y"}], vectors=[text, QUERY], folds=2),
    ],
    "tune_fusion.index": [
        lambda make, text: note(make).tune_fusion(
            ["a", "b"], [{"x"}, {"y"}], vectors=[QUERY, QUERY], index=text, folds=2
        )
    ],
    "recommend.positive": [
        lambda make, text: note(make).recommend(text),
        lambda make, text: note(make).recommend([text]),
        lambda make, text: note(make).recommend([{"id": text}]),
        lambda make, text: note(make).recommend([{text: text}], strategy="best_score"),
        lambda make, text: note(make).recommend([[text, text, text]]),
        lambda make, text: make(Note, column="bits").recommend([text], strategy="best_score"),
        lambda make, text: note(make).recommend([QUERY], limit=text),
        lambda make, text: note(make).recommend([QUERY], offset=text),
        lambda make, text: note(make).recommend([QUERY], candidates=text, strategy="sum_scores"),
        lambda make, text: note(make).recommend([QUERY], positive_weights=[text]),
        named_example,
    ],
    "recommend.negative": [
        lambda make, text: note(make).recommend([QUERY], text),
        lambda make, text: note(make).recommend([QUERY], [{"id": text}]),
        lambda make, text: note(make).recommend([QUERY], [QUERY], negative_weights=[text]),
    ],
    "recommend.strategy": [lambda make, text: note(make).recommend([QUERY], strategy=text)],
    "recommend.where": [
        lambda make, text: note(make).recommend([QUERY], where={text: text}),
        lambda make, text: note(make).recommend([QUERY], where={"title": text}, strategy="best_score"),
    ],
    "recommend.columns": [lambda make, text: note(make).recommend([QUERY], columns=("id", text))],
    "discover.target": [
        lambda make, text: note(make).discover(text),
        lambda make, text: note(make).discover({"id": text}, [(QUERY, {"id": text})]),
    ],
    "discover.context": [
        lambda make, text: note(make).discover(context=text),
        lambda make, text: note(make).discover(context=[text]),
        lambda make, text: note(make).discover(context=[(text, QUERY)]),
        lambda make, text: note(make).discover(context=[({"id": text}, QUERY)]),
    ],
    "discover.where": [
        lambda make, text: note(make).discover(QUERY, where={text: text}),
        lambda make, text: note(make).discover(QUERY, [(QUERY, QUERY)], where={"title": text}),
    ],
    "discover.columns": [lambda make, text: note(make).discover(QUERY, columns=("id", text))],
    "similar.record": [
        lambda make, text: note(make).similar(text),
        lambda make, text: note(make).similar({"id": text}),
        lambda make, text: note(make).similar({text: text}),
    ],
    "similar.where": [
        lambda make, text: note(make).similar("a", where={text: text}),
        lambda make, text: note(make).similar("a", where={"title": text}),
    ],
    "similar.columns": [lambda make, text: note(make).similar("a", columns=("id", text))],
    "refine.query": [
        lambda make, text: note(make).refine(text, relevant=[QUERY]),
        lambda make, text: note(make).refine({"id": text}, relevant=[QUERY]),
        lambda make, text: note(make).refine(QUERY, relevant=[QUERY], alpha=text),
    ],
    "refine.relevant": [
        lambda make, text: note(make).refine(QUERY, relevant=text),
        lambda make, text: note(make).refine(QUERY, relevant=[{"id": text}]),
    ],
    "refine.irrelevant": [
        lambda make, text: note(make).refine(QUERY, irrelevant=text),
        lambda make, text: note(make).refine(QUERY, irrelevant=[{"id": text}]),
    ],
    "refine.where": [
        lambda make, text: note(make).refine(QUERY, relevant=[QUERY], where={text: text}),
        lambda make, text: note(make).refine(QUERY, relevant=[QUERY], where={"title": text}),
    ],
    "refine.columns": [lambda make, text: note(make).refine(QUERY, relevant=[QUERY], columns=("id", text))],
    "feedback.query": [
        lambda make, text: note(make).feedback(text, []),
        lambda make, text: note(make).feedback({"id": text}, [], c=text),
    ],
    "feedback.judged": [
        lambda make, text: note(make).feedback(QUERY, text),
        lambda make, text: note(make).feedback(QUERY, [text]),
        lambda make, text: note(make).feedback(QUERY, [({"id": text}, 1), (QUERY, 0)]),
        lambda make, text: note(make).feedback(QUERY, [(QUERY, text)]),
    ],
    "feedback.where": [
        lambda make, text: note(make).feedback(QUERY, [], where={text: text}),
        lambda make, text: note(make).feedback(QUERY, [], where={"title": text}),
    ],
    "feedback.columns": [lambda make, text: note(make).feedback(QUERY, [], columns=("id", text))],
    "get.key": [
        lambda make, text: note(make).get(text),
        lambda make, text: note(make).get((text,)),
        lambda make, text: note(make).get({text: text}),
        lambda make, text: note(make).get({"id": text}),
    ],
    "count.where": [
        lambda make, text: note(make).count({text: 1}),
        lambda make, text: note(make).count({"title": {"$like": text}}),
        lambda make, text: note(make).count(text),
    ],
    "insert.rows": [
        lambda make, text: note(make).insert(text),
        lambda make, text: note(make).insert([text]),
        lambda make, text: note(make).insert({"id": "i", text: text}),
        lambda make, text: note(make).insert({"id": "i", "embedding": text}),
        lambda make, text: note(make).insert({"id": "i", "bits": text}),
        lambda make, text: note(make).insert({"id": "i", "short": text}),
        lambda make, text: note(make).insert({"id": "i", "number": text}),
        lambda make, text: make(Note.__table__, column="embedding").insert(
            {("metadata" if name == "metadata_" else name): value for name, value in row(text).items()}
        ),
        stores(lambda repository, text: repository.insert(row(text))),
        stores(lambda repository, text: repository.insert(Note(**row(text)))),
    ],
    "upsert.rows": [
        lambda make, text: note(make).upsert(text),
        lambda make, text: note(make).upsert({text: text}),
        stores(lambda repository, text: repository.upsert([row(text), row(text)])),
    ],
    "upsert.key": [
        lambda make, text: note(make).upsert(row("k"), key=text),
        lambda make, text: note(make).upsert(row("k"), key=("id", text)),
        stores(lambda repository, text: repository.upsert(row(text), key="title")),
    ],
    "update.rows": [
        updated,
        lambda make, text: note(make).update(text),
        lambda make, text: note(make).update({text: text}),
        lambda make, text: note(make).update(row(text)),
    ],
    "delete.where": [
        lambda make, text: note(make).delete({text: 1}),
        lambda make, text: note(make).delete({"title": text}),
        lambda make, text: note(make).delete(text),
    ],
    "bulk_load.rows": [
        lambda make, text: note(make).bulk_load(text),
        lambda make, text: note(make).bulk_load([text]),
        lambda make, text: note(make).bulk_load([{text: text}]),
        lambda make, text: note(make).bulk_load([{"id": "b", text: text}]),
        lambda make, text: note(make).bulk_load({"id": ["b"], text: [text]}),
        lambda make, text: note(make).bulk_load([{"id": "b", "embedding": text}]),
        lambda make, text: note(make).bulk_load([{"id": "b", "number": text}]),
        lambda make, text: note(make).bulk_load([{"id": "b", "short": text}]),
        lambda make, text: note(make).bulk_load(read_csv(csv_of(["id", text], ["b", "x"]))),
        lambda make, text: note(make).bulk_load(read_csv(csv_of(["id", "number"], ["b", text]))),
        lambda make, text: note(make).bulk_load(read_csv(csv_of(["id", "metadata_"], ["b", text]))),
        lambda make, text: note(make).bulk_load(read_csv(csv_of(["id", "embedding"], ["b", text]))),
        lambda make, text: note(make).bulk_load(read_csv(io.StringIO(text))),
        lambda make, text: note(make).bulk_load(read_jsonl(io.StringIO(json.dumps({"id": "b", text: text})))),
        lambda make, text: note(make).bulk_load(read_jsonl(io.StringIO(text))),
        stores(lambda repository, text: repository.bulk_load([row(text)])),
        stores(lambda repository, text: repository.bulk_load([Note(**row(text))])),
        stores(lambda repository, text: repository.bulk_load([row(text)], on_conflict="skip")),
        stores(lambda repository, text: repository.bulk_load([row(text), row(text)], on_conflict="update")),
        stores(lambda repository, text: repository.bulk_load(read_jsonl(io.StringIO(json.dumps(row(text)))))),
    ],
    "bulk_load.on_conflict": [lambda make, text: note(make).bulk_load([row("c")], on_conflict=text)],
    "bulk_load.key": [
        lambda make, text: note(make).bulk_load([row("c")], on_conflict="update", key=text),
        lambda make, text: note(make).bulk_load([row("c")], on_conflict="skip", key=("id", text)),
    ],
    "bulk_load.columns": [
        lambda make, text: note(make).bulk_load([("a", "b")], columns=("id", text)),
        lambda make, text: note(make).bulk_load([("a",)], columns=text),
    ],
}
FILES: dict[str, list[Case]] = {
    "read_csv.source": [lambda make, text: note(make).bulk_load(read_csv(text))],
    "read_csv.columns": [lambda make, text: note(make).bulk_load(read_csv(csv_of(["id"], ["b"]), columns=[text]))],
    "read_csv.names": [lambda make, text: note(make).bulk_load(read_csv(csv_of(["b", "c"]), names=["id", text]))],
    "read_csv.delimiter": [lambda make, text: note(make).bulk_load(read_csv(csv_of(["id"], ["b"]), delimiter=text))],
    "read_csv.encoding": [lambda make, text: note(make).bulk_load(read_csv(io.BytesIO(b"id\nb"), encoding=text))],
    "read_jsonl.source": [lambda make, text: note(make).bulk_load(read_jsonl(text))],
    "read_jsonl.columns": [
        lambda make, text: note(make).bulk_load(read_jsonl(io.StringIO('{"id": "b"}'), columns=[text]))
    ],
    "read_jsonl.encoding": [
        lambda make, text: note(make).bulk_load(read_jsonl(io.BytesIO(b'{"id": 1}'), encoding=text))
    ],
}
Declaration = Callable[[str], object]
VALUES: dict[str, list[Declaration]] = {
    "decay.column": [lambda text: decay(text, scale=1)],
    "decay.scale": [
        lambda text: decay(Note.number, scale=text),
        lambda text: decay(sa.func.now(), scale=text),
        lambda text: decay(sa.func.now(), scale=f"7 days {text}" if text.strip() else text),
    ],
    "decay.kind": [lambda text: decay(Note.number, scale=1, kind=text)],
    "decay.origin": [
        lambda text: decay(Note.number, scale=1, origin=text),
        lambda text: decay(sa.func.now(), scale="1 day", origin=text),
    ],
    "decay.offset": [
        lambda text: decay(Note.number, scale=1, offset=text),
        lambda text: decay(sa.func.now(), scale="1 day", offset=text),
    ],
    "boost.condition": [lambda text: boost(text, 2)],
    "saturate.column": [lambda text: saturate(text, 2)],
    "facet.column": [lambda text: facet_count(read_target(Note, column="embedding"), facet(text))],
    "facet.name": [lambda text: facet("title", name=text)],
    "histogram.column": [lambda text: facet_count(read_target(Note, column="embedding"), histogram(text, width=1))],
    "histogram.every": [lambda text: histogram("number", every=text)],
    "histogram.timezone": [lambda text: histogram("number", every="1 day", timezone=text)],
    "histogram.name": [lambda text: histogram("number", width=1, name=text)],
}
FUNCTIONS: dict[str, list[Callable[[sa.Engine, str], object]]] = {
    "calibrate.types": [
        lambda engine, text: calibrate(engine, types=text),
        lambda engine, text: calibrate(engine, types=[text]),
    ],
    "diagnose.table": [lambda engine, text: diagnose(engine, table=text)],
    "diagnose.schema": [lambda engine, text: diagnose(engine, schema=text)],
    "diagnose.distance": [lambda engine, text: diagnose(engine, table="note", distance=text)],
    "diagnose.ignore": [
        lambda engine, text: diagnose(engine, ignore=text),
        lambda engine, text: diagnose(engine, ignore=[text]),
    ],
}


def table(*extra: Any, embedding: Any = None) -> sa.Table:
    """A table with an embedding and what else belongs to it."""
    columns = (sa.Column("id", sa.Integer, primary_key=True), sa.Column("embedding", embedding or Embedding(3)))
    return sa.Table("declared", sa.MetaData(), *columns, *extra)


def worded(**options: Any) -> sa.Table:
    """A table with a keyword index."""
    return table(sa.Column("text", sa.Text), KeywordIndex("text", **options))


DECLARATIONS: dict[str, list[Declaration]] = {
    "Embedding.__init__.distance": [lambda text: table(embedding=Embedding(3, distance=text))],
    "Embedding.__init__.type": [lambda text: table(embedding=Embedding(3, type=text))],
    "Embedding.__init__.storage": [lambda text: table(embedding=Embedding(3, storage=text))],
    "Embedding.__init__.source": [lambda text: table(embedding=Embedding(3, source=(text,)))],
    "Embedding.__init__.embedder": [lambda text: table(embedding=Embedding(3, embedder=text))],
    "Embedding.__init__.extension_schema": [
        lambda text: table(embedding=Embedding(3, extension_schema=text)),
        lambda text: table(HnswIndex("embedding", quantization="bit"), embedding=Embedding(3, extension_schema=text)),
    ],
    "HnswIndex.__init__.column": [lambda text: table(HnswIndex(text))],
    "HnswIndex.__init__.quantization": [lambda text: table(HnswIndex("embedding", quantization=text))],
    "HnswIndex.__init__.name": [lambda text: table(HnswIndex("embedding", name=text))],
    "IvfflatIndex.__init__.column": [lambda text: table(IvfflatIndex(text))],
    "IvfflatIndex.__init__.quantization": [lambda text: table(IvfflatIndex("embedding", quantization=text))],
    "IvfflatIndex.__init__.name": [lambda text: table(IvfflatIndex("embedding", name=text))],
    "KeywordIndex.__init__.columns": [lambda text: table(KeywordIndex(text))],
    "KeywordIndex.__init__.config": [lambda text: worded(config=text)],
    "KeywordIndex.__init__.name": [lambda text: worded(name=text)],
    "SetStorage.__init__.storage": [lambda text: SetStorage(table().c.embedding, text)],
    "read_target.column": [lambda text: read_target(Note, column=text)],
    "read_target.distance": [lambda text: read_target(Note, column="embedding", distance=text)],
}


async def attack(world: World, cases: list[Case], *accepted: type[Exception], payloads: int = 1) -> None:
    """Run cases, each in a transaction that is rolled back; only errors of pgvec are accepted.

    Every payload meets one of the cases, the next one a next case; at the full level and in the synchronous world it meets every
    third of them. ``payloads`` takes every so many-th only.
    """
    findings = []
    for number, payload in enumerate(PAYLOADS[::payloads]):
        first = number % len(cases)
        for position in {first, *range(first % 3, len(cases), 3)} if FULL and world.kind == "sync" else {first}:
            try:
                result = cases[position](world.repository, payload)
                if inspect.isawaitable(result):
                    await result
            except (PgvecError, *accepted):
                pass
            except Exception as exc:  # noqa: BLE001 - whatever it is, it is a finding
                findings.append(f"case {position}, {payload:.60}: {exc!r:.200}")
            await world.rollback()
    assert not findings, "\n".join(findings[:20])


def share(world: World) -> int:
    """How large a part of the payloads an asynchronous run takes, which shares nearly all of its code with the other."""
    return 1 if world.kind == "sync" else 4 if FULL else 20
